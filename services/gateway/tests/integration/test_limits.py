"""What a key may use: refused with a time to come back, told in headers, counted by day; patience with slow callers."""

import socket
from datetime import UTC, datetime

import openai
import pytest

from ratoon.testkit.engine import Faults, Pace
from ratoon.testkit.waiting import until

ASK = {"model": "mail-triage", "messages": [{"role": "user", "content": "Buy now"}]}


def make_key(stack, **limits):
    created = stack.http().post("/v1/projects/p/apiKeys", json={"role": "ROLE_CALLER", "limits": limits})
    assert created.status_code == 200, created.text
    return created.json()


def serve(stack, pace=None):
    engine = stack.engines.start("blue", "v1.0", pace)
    stack.route(stack.target("blue", "v1.0"))
    return engine


def test_requests_a_minute(stack):
    serve(stack)
    client = stack.client(api_key=make_key(stack, requestsPerMinute=2)["secret"])
    answer = client.chat.completions.with_raw_response.create(**ASK).headers
    assert answer["ratelimit-policy"] == '"requests";q=2;w=60'
    assert answer["ratelimit"].startswith('"requests";r=1;t=')
    assert answer["x-ratelimit-limit-requests"] == "2"
    client.chat.completions.create(**ASK)
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(**ASK)
    assert refused.value.code == "rate_limit_exceeded"
    assert 25 <= int(refused.value.response.headers["retry-after"]) <= 30
    assert refused.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    stack.client().chat.completions.create(**ASK)


def test_limits_change_while_a_key_is_in_use(stack):
    serve(stack)
    key = make_key(stack, tokensPerDay=100)
    client = stack.client(api_key=key["secret"])
    with pytest.raises(openai.RateLimitError, match="tokens a day") as refused:
        client.chat.completions.create(**ASK, max_tokens=200)
    assert refused.value.code == "quota_exceeded"
    client.chat.completions.create(**ASK, max_tokens=10)
    http, body = stack.http(), {"limits": {"tokensPerDay": "1000"}, "etag": key["etag"]}
    changed = http.patch(f"/v1/{key['name']}?updateMask=limits.tokensPerDay", json=body).json()
    assert changed["limits"] == {
        "requestsPerMinute": "0",
        "tokensPerMinute": "0",
        "concurrentRequests": "0",
        "tokensPerDay": "1000",
    }
    stale = http.patch(f"/v1/{key['name']}", json=body)
    assert (stale.status_code, stale.json()["reason"]) == (409, "STALE_ETAG")

    def answered():
        try:
            return client.chat.completions.create(**ASK, max_tokens=200)
        except openai.RateLimitError:
            return None

    until(answered)


def test_tokens_are_settled_by_what_was_really_used(stack):
    engine = serve(stack)
    client = stack.client(api_key=make_key(stack, tokensPerMinute=400)["secret"])
    for _ in range(3):
        answer = client.chat.completions.with_raw_response.create(**ASK, max_tokens=10, stream=True)
        list(answer.parse())
    assert int(answer.headers["x-ratelimit-remaining-tokens"]) > 200
    engine.faults = Faults(status=500)
    for _ in range(3):
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**ASK, max_tokens=100)


def test_open_requests_are_bounded(stack):
    serve(stack, Pace(tokens=10_000, interval_s=0.02))
    client = stack.client(api_key=make_key(stack, concurrentRequests=1)["secret"])
    stream = client.chat.completions.create(**ASK, stream=True)
    next(iter(stream))
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(**ASK, max_tokens=1)
    assert refused.value.code == "too_many_requests"
    stream.close()

    def answered():
        try:
            return client.chat.completions.create(**ASK, max_tokens=1)
        except openai.RateLimitError:
            return None

    until(answered)


def test_usage_is_reported_by_day(stack):
    serve(stack)
    key = make_key(stack)
    stack.client(api_key=key["secret"]).chat.completions.create(**ASK, max_tokens=5)
    path = f"/v1/{key['name']}:usage"
    until(lambda: stack.http().get(path).json()["total"]["requestCount"] == "1")
    answer = stack.http().get(path, params={"days": 1}).json()
    assert answer["total"] == {"requestCount": "1", "promptTokenCount": "8", "completionTokenCount": "5"}
    assert answer["days"] == [{"date": f"{datetime.now(UTC):%Y-%m-%d}", "usage": answer["total"]}]
    assert stack.http().get(path, params={"days": 1000}).status_code == 400
    assert stack.http().get("/v1/projects/p/apiKeys/none:usage").status_code == 404


def _head(stack, length):
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: x", f"authorization: Bearer {stack.operator_key}"]
    return "\r\n".join([*lines, f"content-length: {length}", "\r\n"]).encode()


def _closed(connection):
    """Whether the other side hangs up within a few seconds."""
    connection.settimeout(10)
    try:
        while connection.recv(4096):
            pass
        return True
    except ConnectionError:
        return True


@pytest.mark.parametrize("stack", [{"request_s": 0.5, "head_s": 0.5}], indirect=True)
def test_a_caller_who_stops_in_the_middle_of_a_request_is_cut_off(stack):
    for sent in (b"", b"POST /v1/chat", _head(stack, 100), _head(stack, 100) + b"{"):
        with socket.create_connection(("127.0.0.1", stack.port)) as connection:
            connection.sendall(sent)
            assert _closed(connection)


@pytest.mark.parametrize("stack", [{"stall_s": 0.5}], indirect=True)
def test_a_caller_who_does_not_read_is_cut_off_and_frees_the_engine(stack):
    engine = serve(stack)
    body = b'{"model":"p/mail-triage","messages":[{"role":"user","content":"?"}],"stream":true,"max_tokens":2000000}'
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", stack.port))
        connection.sendall(_head(stack, len(body)) + body)
        until(lambda: engine.counts.open == 1)
        until(lambda: engine.counts.open == 0)
    assert engine.counts.disconnected == 1
    assert stack.client().chat.completions.create(**ASK, max_tokens=1)


@pytest.mark.parametrize("stack", [{"answer_s": 0.3}], indirect=True)
def test_a_stream_that_goes_on_and_on_ends_with_a_named_error(stack):
    engine = serve(stack, Pace(tokens=10_000, interval_s=0.02))
    with pytest.raises(openai.APIError, match="exceeded the time limit") as error:
        list(stack.client().chat.completions.create(**ASK, stream=True))
    assert error.value.code == "answer_too_long"
    until(lambda: engine.counts.open == 0)


def test_a_stream_ends_with_the_key_of_its_caller_and_frees_the_engine(stack):
    engine = serve(stack, Pace(tokens=100_000, interval_s=0.02))
    key = make_key(stack)
    stream = iter(stack.client(api_key=key["secret"]).chat.completions.create(**ASK, stream=True))
    next(stream)
    stack.http().post(f"/v1/{key['name']}:revoke", json={})
    with pytest.raises(openai.APIError, match="revoked") as error:
        list(stream)
    assert error.value.code == "bad_api_key"
    until(lambda: engine.counts.open == 0)
