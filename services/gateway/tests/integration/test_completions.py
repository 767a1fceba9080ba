"""The OpenAI routes with the unmodified client: answers, streams, errors, holding, retries, a caller who leaves."""

import threading

import grpc
import openai
import pytest

from ratoon.testkit.engine import Faults, Pace
from ratoon.testkit.waiting import until
from ratoon_gateway.adapters.routes import LiveRoutes, RouteWatcher

ASK = {"model": "mail-triage", "messages": [{"role": "user", "content": 'Buy "now" {today}'}]}


def versions_in(text: str) -> set[str]:
    """The versions that the mock's tokens name."""
    return {token.partition(":")[0] for token in text.split()}


def test_an_answer_names_its_version_and_its_id(stack):
    stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    raw = stack.client().chat.completions.with_raw_response.create(**ASK, max_tokens=4)
    answer = raw.parse()
    assert answer.choices[0].message.content == "v1.0:0 v1.0:1 v1.0:2 v1.0:3 "
    assert raw.headers["x-ratoon-model"] == "mail@v1.0"
    assert raw.headers["x-ratoon-answer-id"].count("~") == 5
    assert answer.id == "chatcmpl-" + raw.headers["x-ratoon-answer-id"]
    assert answer.model == "served-v1.0"


def test_a_stream_comes_whole(stack):
    stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    stream = stack.client().chat.completions.create(**ASK, stream=True, max_tokens=300)
    text = "".join(chunk.choices[0].delta.content for chunk in stream)
    assert text == "".join(f"v1.0:{place} " for place in range(300))


def test_text_completions_pass_and_unknown_fields_are_refused_by_name(stack):
    engine = stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    text = stack.client().completions
    answer = text.create(model="mail-triage", prompt="Hello", max_tokens=2, extra_body={"top_k": 4})
    assert answer.choices[0].text == "v1.0:0 v1.0:1 "
    assert engine.last_request["top_k"] == 4
    with pytest.raises(openai.BadRequestError) as refused:
        text.create(model="mail-triage", prompt="Hello", extra_body={"vllm_xargs": {"a": 1}})
    assert (refused.value.code, refused.value.param) == ("unknown_parameter", "vllm_xargs")
    assert engine.counts.requests == 1


def test_a_large_request_is_answered_and_one_too_large_is_refused(stack):
    stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    body = {
        "model": "mail-triage",
        "messages": [{"role": "user", "content": "line {n}\n" * 500_000}],
        "max_tokens": 1,
    }
    http = stack.http()
    answer = http.post("/v1/chat/completions", json=body).json()
    assert answer["choices"][0]["message"]["content"] == "v1.0:0 "
    body["messages"] *= 3
    refused = http.post("/v1/chat/completions", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "body_too_large")


def test_a_pinned_version_is_the_one_that_answers(stack):
    stack.engines.start("blue", "v1.0")
    stack.engines.start("green", "v1.1")
    stack.route(stack.target("blue", "v1.0"), stack.target("green", "v1.1", weight=0))
    client = stack.client()
    for _ in range(5):
        plain = client.chat.completions.create(**ASK)
        pinned = client.chat.completions.create(**{**ASK, "model": "mail-triage@v1.1"})
        assert versions_in(plain.choices[0].message.content) == {"v1.0"}
        assert versions_in(pinned.choices[0].message.content) == {"v1.1"}
    assert {model.id for model in client.models.list()} >= {"p/mail-triage", "p/mail-triage@v1.1"}


def test_errors_are_those_the_client_knows(stack):
    stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    client = stack.client()
    with pytest.raises(openai.AuthenticationError):
        stack.client(api_key="rtn_0123456789abcdef_wrong").chat.completions.create(**ASK)
    with pytest.raises(openai.AuthenticationError):
        stack.client(api_key="nonsense").chat.completions.create(**ASK)
    with pytest.raises(openai.NotFoundError, match="no model"):
        client.chat.completions.create(**{**ASK, "model": "other"})
    with pytest.raises(openai.NotFoundError, match="v9"):
        client.chat.completions.create(**{**ASK, "model": "mail-triage@v9"})
    with pytest.raises(openai.BadRequestError, match="messages"):
        client.chat.completions.create(model="mail-triage", messages=[])
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")
    stack.route()
    with pytest.raises(openai.InternalServerError) as unavailable:
        client.chat.completions.create(**ASK)
    assert unavailable.value.status_code == 503
    assert unavailable.value.response.headers["retry-after"] == "1"


def test_a_request_waits_while_no_engine_is_open(stack):
    stack.engines.start("blue", "v1.0")
    stack.route(hold_seconds=20)
    answers: list[str] = []

    def ask() -> None:
        answers.append(stack.client().chat.completions.create(**ASK).choices[0].message.content)

    waiting = threading.Thread(target=ask)
    waiting.start()
    stack.route(stack.target("blue", "v1.0"), hold_seconds=20)
    waiting.join(20)
    assert versions_in(answers[0]) == {"v1.0"}


def test_a_dead_or_closed_engine_is_passed_over_while_nothing_was_sent(stack):
    closed, breaking = stack.engines.start("closed", "v1.0"), stack.engines.start("breaking", "v1.0")
    stack.engines.start("good", "v1.0")
    closed.accepting = False
    breaking.faults = Faults(refuse=True)
    names = ("closed", "breaking", "dead", "good")
    stack.route(*(stack.target(name, "v1.0", weight=1) for name in names), hold_seconds=5)
    client = stack.client()
    for _ in range(20):
        assert client.chat.completions.create(**ASK).choices[0].message.content.startswith("v1.0:0")


def test_an_engine_that_only_fails_fails_the_request(stack):
    engine = stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"), hold_seconds=5)
    engine.faults = Faults(status=500)
    with pytest.raises(openai.InternalServerError, match="engine failed") as failed:
        stack.client().chat.completions.create(**ASK)
    stack.engines.call(lambda: None)
    assert engine.counts.requests == 1
    assert (failed.value.code, failed.value.type) == ("engine_failed", "server_error")
    assert failed.value.request_id


def test_the_open_stream_of_a_dead_engine_ends_with_a_named_error(stack):
    engine = stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    engine.faults = Faults(die_after_tokens=3)
    stream = stack.client().chat.completions.create(**ASK, stream=True)
    reported = []
    with pytest.raises(openai.APIError, match="engine stopped") as error:
        for chunk in stream:
            reported.append(chunk.choices[0].delta.content)
    assert error.value.code == "engine_lost"
    assert "".join(reported) == "v1.0:0 v1.0:1 v1.0:2 "


def test_a_caller_who_leaves_frees_the_engine(stack):
    engine = stack.engines.start("blue", "v1.0", Pace(tokens=10_000, interval_s=0.02))
    stack.route(stack.target("blue", "v1.0"))
    stream = stack.client().chat.completions.create(**ASK, stream=True)
    next(iter(stream))
    stream.close()
    until(lambda: engine.counts.open == 0)
    with pytest.raises(openai.APITimeoutError):
        stack.client(timeout=0.3).chat.completions.create(**ASK, max_tokens=10_000)
    until(lambda: engine.counts.open == 0)


def test_every_answer_is_of_the_version_in_its_header_while_routes_change(stack):
    stack.engines.start("blue", "v1.0", Pace(tokens=40, interval_s=0.002))
    stack.engines.start("green", "v1.1", Pace(tokens=40, interval_s=0.002))
    stack.route(stack.target("blue", "v1.0"), hold_seconds=10)
    stop, wrong, answered, served = threading.Event(), [], [], set()

    def ask(user: str, stream: bool) -> None:
        client = stack.client()
        while not stop.is_set():
            raw = client.chat.completions.with_raw_response.create(**ASK, user=user, stream=stream)
            if stream:
                text = "".join(chunk.choices[0].delta.content for chunk in raw.parse())
            else:
                text = raw.parse().choices[0].message.content
            version = raw.headers["x-ratoon-model"].partition("@")[2]
            served.add(version)
            answered.append(1)
            if text != "".join(f"{version}:{place} " for place in range(40)):
                wrong.append((version, text))

    threads = [threading.Thread(target=ask, args=(f"user-{place}", place % 2 == 0)) for place in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        before = len(answered)
        until(lambda before=before: len(answered) >= before + 8)
        stack.route(stack.target("green", "v1.1"), stack.target("blue", "v1.0", weight=0), hold_seconds=10)
        stack.route(hold_seconds=10)
        stack.route(stack.target("green", "v1.1", 1), stack.target("blue", "v1.0", 1), hold_seconds=10)
    until(lambda: served == {"v1.0", "v1.1"})
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not wrong


def test_serving_hears_what_was_seen(stack):
    engine = stack.engines.start("watched", "v1.0")
    stack.route(stack.target("watched", "v1.0"))
    stack.client().chat.completions.create(**ASK)
    engine.faults = Faults(die_after_tokens=2)
    with pytest.raises(openai.APIError):
        list(stack.client().chat.completions.create(**ASK, stream=True))

    def reported(field: str) -> int:
        reports = [each for request in stack.serving.reports for each in request.reports]
        return sum(getattr(each, field) for each in reports if each.engine.endswith("/watched"))

    until(lambda: reported("request_count") == 2)
    assert (reported("error_count"), reported("cut_count")) == (1, 1)


def test_the_last_good_table_outlives_serving_and_a_restart(stack, tmp_path):
    stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    path = stack.folder / "gateway" / "routes.pb"
    until(path.exists)
    assert path.stat().st_mode & 0o077 == 0
    routes = LiveRoutes()
    with grpc.insecure_channel(f"unix://{tmp_path}/nobody.sock") as nowhere:
        watcher = RouteWatcher(routes, nowhere, path)
        watcher.start()
        watcher.stop()
    assert routes.table.version == stack.serving.table.version
    assert list(routes.table.routes) == ["projects/p/deployments/mail-triage"]
