"""What is read out of an answer."""

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_gateway.domain import capture
from ratoon_gateway.domain.capture import Answer, Answered, exchanges, read_answer
from ratoon_gateway.domain.completions import CHAT, TEXT, read_request


def event(choice, separators=(",", ":")):
    return b"data: " + json.dumps({"id": "x", "choices": [choice]}, separators=separators).encode() + b"\n\n"


@given(st.lists(st.text(), max_size=20), st.booleans(), st.booleans())
def test_a_stream_gives_back_its_pieces(pieces, chat, tight):
    separators = (",", ":") if tight else None
    choices = [
        {"index": 0, "delta": {"content": text}, "logprobs": {"content": [{"token": "a", "text": 1}]}}
        if chat
        else {"index": 0, "text": text}
        for text in pieces
    ]
    raw = b"".join(event(choice, separators) for choice in choices) + b"data: [DONE]\n\n"
    answer = read_answer(raw, stream=True)
    assert answer == Answer("".join(pieces), 0, sum(map(bool, pieces)))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "logprobs",
    [
        [{"content": [{"token": "a", "logprob": math.log(0.5), "top_logprobs": [{"logprob": -9.0}]}]}] * 2,
        [{"tokens": ["a"], "token_logprobs": [math.log(0.25)]}, {"token_logprobs": [None, 0.0]}],
    ],
    ids=["chat", "completions"],
)
def test_the_confidence_of_an_answer_is_the_mean_probability_of_its_tokens(logprobs, stream):
    pieces = [{"index": 0, "text": "a", "logprobs": each} for each in logprobs]
    whole = [{"index": 0, "text": "aa", "logprobs": _joined(logprobs)}, {"index": 1, "text": "b"}]
    raw = b"".join(map(event, pieces)) if stream else json.dumps({"choices": whole}).encode()
    assert read_answer(raw, stream).confidence == pytest.approx(0.5)


def _joined(logprobs):
    """Return the token probabilities of all pieces in one object, as an answer that is no stream has them."""
    return {name: [token for each in logprobs for token in each.get(name, ())] for name in logprobs[0]}


def test_of_several_choices_the_first_is_kept():
    raw = b"".join(
        b"data: " + json.dumps({"choices": [{"index": i, "delta": {"content": str(i)}}]}).encode() + b"\n\n"
        for i in (0, 1, 0)
    )
    assert read_answer(raw, stream=True).text == "00"


def test_usage_is_believed():
    usage = {"prompt_tokens": 5, "completion_tokens": 7}
    tail = b"data: " + json.dumps({"choices": [], "usage": usage}, separators=(",", ":")).encode() + b"\n\n"
    assert read_answer(event({"index": 0, "delta": {"content": "a"}}) + tail, stream=True) == Answer(
        "a", 5, 7
    )
    whole = json.dumps({"choices": [{"message": {"content": "b"}}], "usage": usage}).encode()
    assert read_answer(whole, stream=False) == Answer("b", 5, 7)


@given(st.binary(max_size=200), st.booleans())
def test_garbage_says_something_or_nothing_but_never_fails(raw, stream):
    assert isinstance(read_answer(raw, stream), Answer)


def test_a_stream_cut_within_an_event_keeps_what_is_whole():
    whole = event({"index": 0, "delta": {"content": "a"}})
    assert read_answer(whole + whole[:40], stream=True).text == "a"


@pytest.mark.parametrize("stream", [True, False])
def test_each_of_many_prompts_has_its_first_answer_and_all_are_read_in_one_pass(stream, monkeypatch):
    prompts, read = [f"p{place}" for place in range(50)], []
    fields = {"model": "m", "prompt": prompts, "n": 2, "stream": stream}
    choices = [{"index": i, "text": f"{i // 2}{'ab'[i % 2]}"} for i in range(100)]
    usage = {"prompt_tokens": 50, "completion_tokens": 100}
    tail = b"data: " + json.dumps({"choices": [], "usage": usage}, separators=(",", ":")).encode() + b"\n\n"
    whole = json.dumps({"choices": choices, "usage": usage}).encode()
    raw = b"".join(event(choice) for choice in choices) + tail if stream else whole
    ask = read_request(TEXT, json.dumps(fields).encode())
    answered = Answered("a", datetime.now(UTC), "d", "v", ask, raw, 200, 1.0, "k")
    parse = capture._object
    monkeypatch.setattr(capture, "_object", lambda data: read.append(len(data)) or parse(data))
    pairs = list(exchanges(answered))
    assert [(messages[0]["content"], what.text) for messages, what in pairs] == [
        (prompt, f"{place}a") for place, prompt in enumerate(prompts)
    ]
    assert [what.completion_tokens for _, what in pairs] == [100] + [0] * 49
    assert sum(read) <= 3 * len(raw)


def tool_call(name: str, arguments: str, **more: object) -> dict[str, object]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def test_the_tools_that_an_answer_calls_are_captured_whole_and_streamed():
    call = tool_call("weather", '{"city":"Köln"}', id="c1")
    whole = json.dumps({"choices": [{"message": {"content": None, "tool_calls": [call]}}]}).encode()
    pieces = [
        {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"city":'}},
        {"index": 0, "function": {"arguments": '"Köln"}'}},
    ]
    raw = b"".join(event({"index": 0, "delta": {"tool_calls": [piece]}}) for piece in pieces)
    assert read_answer(whole, stream=False).tool_calls == read_answer(raw, stream=True).tool_calls == (call,)


def test_a_line_holds_the_whole_conversation_its_tools_and_its_session():
    call = tool_call("weather", "{}", id="c1")
    tools = [{"type": "function", "function": {"name": "weather"}}]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Rain?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "dry", "tool_call_id": "c1"},
        {"role": "user", "content": "Thanks."},
    ]
    body = {
        "model": "chat",
        "messages": messages,
        "tools": tools,
        "metadata": {"session_id": "s1"},
        "user": "u",
    }
    ask = read_request(CHAT, json.dumps(body).encode())
    assert "metadata" not in ask.fields
    version, deployment = "projects/p/models/m/versions/v1.0", "projects/p/deployments/m"
    answered = Answered("a", datetime.now(UTC), deployment, version, ask, b"{}", 200, 1.0, "key")
    ((turns, what),) = exchanges(answered)
    row = json.loads(capture.line(answered, "a", turns, what))
    assert [turn["content"] for turn in row["messages"]] == ["Be brief.", "Rain?", "", "dry", "Thanks."]
    assert row["messages"][2]["tool_calls"] == [call]
    assert row["messages"][3]["tool_call_id"] == "c1"
    assert (row["tools"], row["session"], row["user"]) == (tools, "s1", "u")
    assert "metadata" not in row


def test_a_line_holds_the_metadata_that_are_to_be_captured():
    metadata = {"tenant": "acme", "region": "eu", "secret": "x", "note": "y" * 65, "number": 3}
    body = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}], "metadata": metadata}
    ask = read_request(CHAT, json.dumps(body).encode())
    version, deployment = "projects/p/models/m/versions/v1.0", "projects/p/deployments/m"
    answered = Answered("a", datetime.now(UTC), deployment, version, ask, b"{}", 200, 1.0, "key")
    ((turns, what),) = exchanges(answered)
    names = ("tenant", "region", "note", "number", "missing")
    row = json.loads(capture.line(answered, "a", turns, what, names))
    assert row["metadata"] == {"tenant": "acme", "region": "eu"}


@pytest.mark.parametrize("metadata", [None, [], "text", {}, {f"n{n}": "v" for n in range(40)}])
def test_metadata_of_any_form_are_bounded(metadata):
    body = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}], "metadata": metadata}
    assert len(read_request(CHAT, json.dumps(body).encode()).metadata) <= 16
