"""Common parts of the HTTP entrypoints: reading requests, writing answers, errors in both shapes. It knows no route."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from ratoon.process.errors import Description
from ratoon.storage.names import uuid7
from ratoon_gateway.domain.errors import BodyTooLarge, UnsupportedMediaType
from ratoon_gateway.domain.limits import RateLimitStatus
from ratoon_gateway.entrypoints.encodings import ACCEPTED, unpacked

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]
Headers = list[Header]

_REQUEST_ID = b"x-request-id"
JSON_TYPE = (b"content-type", b"application/json")
_PROBLEM_TYPE = (b"content-type", b"application/problem+json")
_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_OF_REASON = {
    "BODY_TOO_LARGE": 413,
    "UNSUPPORTED_CONTENT_ENCODING": 415,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "METHOD_NOT_ALLOWED": 405,
}
_DISCARD_FACTOR = 8
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Readiness:
    """Readiness for requests: from the start of the HTTP server to its drain."""

    def __init__(self) -> None:
        self.ready = False
        self._drains = asyncio.Event()

    def begin(self) -> None:
        """Become ready."""
        self.ready = True

    def end(self) -> None:
        """Begin the drain; streams without an end of their own end now."""
        self.ready = False
        self._drains.set()

    async def until_drain(self) -> None:
        """Return when the drain begins."""
        await self._drains.wait()


class ClientGone(Exception):
    """The caller disconnected before the request was complete."""


def header(scope: Scope, name: bytes) -> bytes:
    """Return a request header by its lowercase name; empty where it is absent."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


def bearer(scope: Scope) -> str:
    """Return the caller's bearer token; empty if none."""
    scheme, _, token = header(scope, b"authorization").partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""


async def read_body(receive: Receive, max_bytes: int) -> bytes:
    """Return the whole body; BodyTooLarge over `max_bytes`, ClientGone where it is incomplete.

    A larger body is read and dropped up to a multiple of `max_bytes`: some callers read the answer only afterwards.
    """
    chunks: list[bytes] = []
    size, more = 0, True
    while more and size <= max_bytes * _DISCARD_FACTOR:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
        if size <= max_bytes:
            chunks.append(message.get("body", b""))
    if size > max_bytes:
        raise BodyTooLarge(f"The body is larger than {max_bytes:,} bytes.")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def read_content(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """Return the whole JSON body, decompressed; the size limit applies before and after."""
    body = await read_body(receive, max_bytes)
    if body and not is_json(header(scope, b"content-type")):
        raise UnsupportedMediaType(
            "The body must be JSON: send it with `content-type: application/json` (or without a content type)."
        )
    encoding = b",".join(value for name, value in scope["headers"] if name == b"content-encoding")
    if not encoding:
        return body
    return await asyncio.to_thread(unpacked, body, encoding.decode("latin-1"), max_bytes)


def is_json(media_type: bytes) -> bool:
    """Return True if a content type is JSON or empty."""
    name = media_type.partition(b";")[0].strip().lower()
    return name in (b"", b"application/json", b"text/json") or name.endswith(b"+json")


async def until_gone(receive: Receive) -> None:
    """Return when the caller disconnects; only after the whole body was read."""
    while (await receive())["type"] != "http.disconnect":
        await asyncio.sleep(0)


async def respond(send: Send, status: int, headers: Iterable[Header], body: bytes) -> None:
    """Write a whole answer."""
    start = [(b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


def http_status(error: Description) -> int:
    """Return the HTTP status of an error."""
    return _OF_REASON.get(error.reason) or _STATUSES.get(error.code, 500)


def json_name(path: str) -> str:
    """Return a field path as JSON bodies write it: `minAnswers` for `min_answers`."""
    return re.sub(r"_([a-z0-9])", lambda match: match.group(1).upper(), path)


def problem_of(error: Description, violations: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
    """Return an error as RFC 9457 problem details, with its reason and the fields at fault."""
    status = http_status(error)
    fields = list(violations) or ([(error.field, error.message)] if error.field else [])
    return {
        "type": f"urn:ratoon:error:{error.reason.lower().replace('_', '-')}",
        "title": _title(status),
        "status": status,
        "detail": error.message,
        "code": error.code,
        "reason": error.reason,
        **(
            {"violations": [{"field": json_name(field), "description": text} for field, text in fields]}
            if fields
            else {}
        ),
        **({"metadata": error.details} if error.details else {}),
    }


def problem_response(problem: dict[str, Any], more: Iterable[Header] = ()) -> Response:
    """Return an answer of problem details, with further headers."""
    status = problem["status"]
    headers = [_PROBLEM_TYPE, *_error_headers(status, problem.get("metadata", {})), *more]
    return _response(status, headers, json.dumps(problem).encode())


def openai_error_response(error: Description, more: Iterable[Header] = ()) -> Response:
    """Return an error as OpenAI's API writes it, with further headers."""
    status, headers = _openai_error(error, more)
    return _response(status, headers, openai_error(error, status))


def _response(status: int, headers: Headers, body: bytes) -> Response:
    response = Response(body, status)
    response.raw_headers += headers
    return response


async def respond_openai_error(send: Send, error: Description, extra: Iterable[Header] = ()) -> None:
    """Write an error as OpenAI's API does, with further headers."""
    status, headers = _openai_error(error, extra)
    await respond(send, status, headers, openai_error(error, status))


def _openai_error(error: Description, extra: Iterable[Header]) -> tuple[int, Headers]:
    status, more = http_status(error), list(extra)
    named = any(name == _REQUEST_ID for name, _ in more)
    return status, [JSON_TYPE, *_error_headers(status, error.details, named=named), *more]


def openai_error(error: Description, status: int) -> bytes:
    """Return the JSON of an error for OpenAI's clients."""
    kind = _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    body = {
        "message": error.message,
        "type": kind,
        "param": error.field or None,
        "code": error.reason.lower(),
    }
    return json.dumps({"error": body}).encode()


def limit_headers(statuses: Iterable[RateLimitStatus]) -> Headers:
    """Return the headers of rate limits, of the IETF's draft (`RateLimit`) and of OpenAI's API (`x-ratelimit-…`)."""
    known = list(statuses)
    if not known:
        return []
    policy = ", ".join(f'"{one.name}";q={one.limit};w={one.window_s}' for one in known)
    left = ", ".join(f'"{one.name}";r={one.left};t={one.reset_s}' for one in known)
    headers = [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]
    for one in known:
        name = one.name.encode()
        headers += [
            (b"x-ratelimit-limit-" + name, b"%d" % one.limit),
            (b"x-ratelimit-remaining-" + name, b"%d" % one.left),
            (b"x-ratelimit-reset-" + name, b"%ds" % one.reset_s),
        ]
    return headers


def _error_headers(status: int, details: Mapping[str, str], *, named: bool = False) -> Headers:
    """Return the headers of an error: retry time, accepted types, and a request id unless it is `named`."""
    headers = [] if named else [(_REQUEST_ID, str(uuid7()).encode())]
    if status in (429, 503):
        headers.append((b"retry-after", details.get("retry_after_s", "1").encode()))
    if status == 415:
        headers.append((b"accept", b"application/json"))
        headers.append((b"accept-encoding", ACCEPTED.encode()))
    return headers


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request"
