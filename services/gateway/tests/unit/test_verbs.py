"""HEAD, OPTIONS, wrong verbs, slashes at the end, pages of other origins: on every path alike."""

import asyncio
import json

import pytest
from fastapi import FastAPI

from ratoon_gateway.entrypoints.asgi import respond
from ratoon_gateway.entrypoints.http import Edge
from ratoon_gateway.entrypoints.verbs import HEAD, Origins, Verbs

PATHS = {
    "/healthz": ["GET"],
    "/v1/chat/completions": ["POST"],
    "/v1/models": ["GET"],
    "/v1/projects/p": ["GET", "PATCH", "DELETE"],
    "/v1/blobs/0": ["GET", "HEAD", "PUT"],
}
APP = "https://app.example"


async def app(scope, receive, send):
    head = b" head" if scope.get(HEAD) else b""
    await respond(send, 200, [], f"{scope['method']} {scope['path']}".encode() + head)


def call(method, path, *headers, origins=()):
    """Status, headers and body of an answer."""
    sent = []

    async def send(message):
        sent.append(message)

    verbs = Verbs(app, lambda path: PATHS.get(path, []), Origins(origins))
    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    asyncio.run(verbs(scope, None, send))
    start, body = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, body["body"]


def preflight(origin=APP, method=b"POST"):
    names = (b"access-control-request-headers", b"authorization, x-stainless-lang")
    return (b"origin", origin.encode()), (b"access-control-request-method", method), names


def test_a_head_is_a_get_for_the_route_unless_it_has_its_own():
    assert call("HEAD", "/healthz")[2] == b"GET /healthz head"
    assert call("HEAD", "/v1/blobs/0")[2] == b"HEAD /v1/blobs/0"


def test_a_slash_at_the_end_makes_no_difference():
    assert call("GET", "/v1/models/")[2] == b"GET /v1/models"
    assert call("POST", "/v1/chat/completions//")[2] == b"POST /v1/chat/completions"
    assert call("GET", "/")[0] == 404
    assert call("GET", "/v1/nothing/")[0] == 404


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "PUT", "HEAD"])
def test_a_wrong_verb_is_answered_with_the_right_ones(method):
    status, headers, body = call(method, "/v1/chat/completions")
    assert (status, headers["allow"]) == (405, "OPTIONS, POST")
    assert json.loads(body)["error"]["code"] == "method_not_allowed"
    assert json.loads(body)["error"]["message"] == "/v1/chat/completions takes POST."
    status, headers, body = call("TRACE", "/v1/projects/p")
    assert (status, headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, PATCH")
    assert json.loads(body)["reason"] == "METHOD_NOT_ALLOWED"


def test_where_there_is_nothing_both_kinds_of_client_can_read_it():
    status, _, body = call("GET", "/elsewhere")
    headers = json.loads(body)
    assert (status, headers["reason"], headers["error"]["code"]) == (404, "NO_SUCH_PATH", "no_such_path")
    status, _, body = call("POST", "/v1/embeddings")
    assert (status, json.loads(body)["error"]["code"]) == (404, "no_such_path")
    assert len(call("GET", "/" + "a" * 10_000)[2]) < 1000


def test_options_says_what_a_path_takes():
    status, headers, body = call("OPTIONS", "/v1/projects/p")
    assert (status, headers["allow"], body) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH", b"")
    assert call("OPTIONS", "*")[0] == 204
    assert call("OPTIONS", "/elsewhere")[0] == 404


def test_pages_of_other_origins_may_not_call_unless_settings_say_so():
    status, headers, body = call("OPTIONS", "/v1/chat/completions", *preflight())
    assert (status, json.loads(body)["reason"]) == (403, "ORIGIN_NOT_ALLOWED")
    assert "RATOON_GATEWAY_ALLOWED_ORIGINS" in json.loads(body)["detail"]
    assert "access-control-allow-origin" not in headers
    _, headers, _ = call("GET", "/v1/models", (b"origin", APP.encode()))
    assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize("allowed", [(APP,), (APP.upper() + "/",), ("*",)])
def test_pages_of_allowed_origins_may_call_and_read_the_answer(allowed):
    status, headers, _ = call("OPTIONS", "/v1/chat/completions", *preflight(), origins=allowed)
    assert status == 204
    assert headers["access-control-allow-origin"] == APP
    assert headers["access-control-allow-methods"] == "OPTIONS, POST"
    assert headers["access-control-allow-headers"] == "authorization, x-stainless-lang"
    assert headers["vary"] == "origin"
    for path in ("/v1/models", "/elsewhere"):
        _, headers, _ = call("GET", path, (b"origin", APP.encode()), origins=allowed)
        assert headers["access-control-allow-origin"] == APP
        assert "x-ratoon-model" in headers["access-control-expose-headers"]
    if allowed != ("*",):
        other = b"https://evil.example"
        _, headers, _ = call("GET", "/v1/models", (b"origin", other), origins=allowed)
        assert "access-control-allow-origin" not in headers
        assert call("OPTIONS", "/v1/models", *preflight("https://evil.example"), origins=allowed)[0] == 403


def test_completions_bypass_the_api():
    api = FastAPI()
    api.get("/v1/other")(lambda: "api")
    edge = Edge({"/v1/completions": app}, api)
    assert edge.verbs("/v1/completions") == ("POST",)
    assert (edge.verbs("/v1/other"), edge.verbs("/v1/nothing")) == (["GET"], [])
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/completions", "headers": []}
    asyncio.run(edge(scope, None, send))
    assert sent[-1]["body"] == b"POST /v1/completions"
