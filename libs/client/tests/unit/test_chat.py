"""Chat completions, whole and streamed, and feedback on them."""

import asyncio

import httpx
import pytest

from ratoon.client import InternalServerError, NotFoundError, RateLimitError

ORIGIN = {"x-ratoon-model": "mail@v1.0", "x-ratoon-answer-id": "answer-1"}
COMPLETION = {
    "id": "chatcmpl-1",
    "model": "mail",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "spam"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    "service_tier": None,
}
STREAM = (
    b'data: {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}\n\n'
    b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "sp"}}]}\n\n'
    b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "am"}, "finish_reason": "stop"}]}\n\n'
    b'data: {"id": "c", "choices": [], "usage": {"completion_tokens": 2}}\n\n'
)


def test_a_completion_has_text_usage_and_origin(server):
    server.answers = [httpx.Response(200, json=COMPLETION, headers=ORIGIN)]
    answer = server.client().chat.completions.create("mail", "Win a prize!", temperature=0)
    assert (answer.text, answer.usage.total_tokens) == ("spam", 4)
    assert (answer.version, answer.answer_id) == ("mail@v1.0", "answer-1")
    assert server.bodies() == [
        {"model": "mail", "messages": [{"role": "user", "content": "Win a prize!"}], "temperature": 0}
    ]


def test_a_conversation_is_sent_as_it_is(server):
    server.answers = [httpx.Response(200, json=COMPLETION, headers=ORIGIN)]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "?"}]
    answer = asyncio.run(server.async_client().chat.completions.create("mail", messages))
    assert answer.choices[0].finish_reason == "stop"
    assert server.bodies()[0]["messages"] == messages


def test_a_stream_yields_text_as_it_comes(server):
    server.answers = [httpx.Response(200, content=STREAM + b"data: [DONE]\n\n", headers=ORIGIN)]
    with server.client().chat.completions.stream("mail", "?") as chunks:
        assert (chunks.version, chunks.answer_id) == ("mail@v1.0", "answer-1")
        assert [chunk.text for chunk in chunks] == ["", "sp", "am", ""]
    assert server.bodies()[0]["stream"] is True


def test_an_async_stream_yields_text_as_it_comes(server):
    server.answers = [httpx.Response(200, content=STREAM + b"data: [DONE]\n\n", headers=ORIGIN)]

    async def text() -> str:
        async with server.async_client().chat.completions.stream("mail", "?") as chunks:
            return "".join([chunk.text async for chunk in chunks])

    assert asyncio.run(text()) == "spam"


@pytest.mark.parametrize("name", [b"event: error\n", b""])
def test_a_stream_that_the_engine_broke_off_raises_its_error(server, name):
    error = b'data: {"error": {"message": "The engine stopped.", "code": "engine_lost"}}\n\n'
    server.answers = [httpx.Response(200, content=STREAM + name + error)]
    with pytest.raises(InternalServerError, match="stopped") as failed:
        with server.client().chat.completions.stream("mail", "?") as chunks:
            list(chunks)
    assert failed.value.reason == "ENGINE_LOST"


def test_errors_in_openais_shape_are_understood(server):
    error = {
        "message": "No model.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    server.answers = [httpx.Response(404, json={"error": error})]
    with pytest.raises(NotFoundError, match="No model") as refused:
        server.client().chat.completions.create("none", "?")
    assert (refused.value.reason, refused.value.field_violations[0].field) == ("MODEL_NOT_FOUND", "model")
    with pytest.raises(NotFoundError), server.client().chat.completions.stream("none", "?"):
        pass


def test_a_completion_is_not_sent_twice(server):
    server.answers = [httpx.Response(429)]
    with pytest.raises(RateLimitError):
        server.client().chat.completions.create("mail", "?")
    assert len(server.requests) == 1


def test_feedback_is_stored_and_tried_again(server):
    stored = {"name": "projects/p/feedback/f", "id": "answer-1", "version": "mail@v1.0"}
    server.answers = [httpx.Response(503), lambda _request: httpx.Response(200, json=stored)]
    feedback = server.client().chat.feedback("answer-1", thumb="down", correction="ham")
    assert feedback.name == "projects/p/feedback/f"
    assert server.bodies() == [{"id": "answer-1", "thumb": "down", "correction": "ham"}] * 2
    assert asyncio.run(server.async_client().chat.feedback("answer-1", rating=5)).version == "mail@v1.0"


def test_feedback_takes_numbers_labels_outcomes_pairs_and_sessions(server):
    stored = {"name": "projects/p/feedback/1", "id": "a", "version": "mail@v1.0"}
    server.answers = [lambda _request: httpx.Response(200, json=stored)]
    chat = server.client().chat
    for give in (
        lambda: chat.feedback("a", correction=3.5, user="ann"),
        lambda: chat.feedback("a", correction=["billing", "urgent"], consent="none"),
        lambda: chat.feedback("a", outcomes={"resolved": 1}, implicit="copied"),
        lambda: chat.prefer("a", "b"),
        lambda: chat.session_feedback("s", thumb="up", project="p"),
        lambda: asyncio.run(server.async_client().chat.prefer("a", "b", comment="shorter")),
        lambda: asyncio.run(server.async_client().chat.session_feedback("s", rating=2)),
    ):
        give()
    assert server.bodies() == [
        {"id": "a", "correction": 3.5, "user": "ann"},
        {"id": "a", "correction": ["billing", "urgent"], "consent": "none"},
        {"id": "a", "outcomes": {"resolved": 1}, "implicit": "copied"},
        {"preferred_answer_id": "a", "rejected_answer_id": "b"},
        {"session_id": "s", "thumb": "up", "project": "p"},
        {"preferred_answer_id": "a", "rejected_answer_id": "b", "comment": "shorter"},
        {"session_id": "s", "rating": 2},
    ]


def test_a_prompt_is_continued_as_text(server):
    text = {"id": "cmpl-1", "choices": [{"index": 0, "text": " mail"}]}
    server.answers = [lambda _request: httpx.Response(200, json=text, headers=ORIGIN)]
    answer = server.client().chat.complete_text("mail", "spam", max_tokens=1)
    assert (answer.text, answer.version, answer.answer_id) == (" mail", "mail@v1.0", "answer-1")
    assert server.requests[0].url.path == "/v1/completions"
    assert server.bodies() == [{"model": "mail", "prompt": "spam", "max_tokens": 1}]
    answer = asyncio.run(server.async_client().chat.complete_text("mail", "spam"))
    assert answer.text == " mail"


def test_the_served_models_are_listed(server):
    listing = {"object": "list", "data": [{"id": "mail"}, {"id": "mail@v1.0"}]}
    server.answers = [lambda _request: httpx.Response(200, json=listing)]
    assert [each.id for each in server.client().chat.served_models()] == ["mail", "mail@v1.0"]
    assert len(asyncio.run(server.async_client().chat.served_models())) == 2
