"""Common answers of all paths: HEAD, OPTIONS, verbs that a path does not take, pages of other origins (CORS).

It knows no route; a function returns the verbs of a path.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.responses import Response

from ratoon.process.errors import Description
from ratoon_gateway.domain.json_text import shortened
from ratoon_gateway.entrypoints.asgi import (
    Headers,
    Receive,
    Scope,
    Send,
    header,
    openai_error_response,
    problem_of,
    problem_response,
)
from ratoon_gateway.entrypoints.openai_paths import is_openai, not_served

Route = Callable[[Scope, Receive, Send], Awaitable[None]]
HEAD = "ratoon.head"
"""Key of a scope whose request is a HEAD; its method is GET."""
_ALL = ("DELETE", "GET", "PATCH", "POST", "PUT")
_NAMES = re.compile(r"[A-Za-z0-9_-]+(\s*,\s*[A-Za-z0-9_-]+)*")
_EXPOSED = (
    b"retry-after, ratelimit, ratelimit-policy, upload-offset, x-ratoon-model, x-ratoon-answer-id, x-request-id, "
    b"x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
    b"x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens"
)
_MAX_AGE_S = "600"


class Origins:
    """Origins whose pages may call from a browser: named ones, any (`*`), or none."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = frozenset(each.rstrip("/").lower() for each in allowed)

    def __bool__(self) -> bool:
        return bool(self._allowed)

    def allow(self, origin: str) -> bool:
        """Return True if pages of this origin may call."""
        return "*" in self._allowed or origin.lower() in self._allowed


class Verbs:
    """An application whose routes need to know GET alone of GET and HEAD, and nothing of OPTIONS and other verbs."""

    def __init__(self, app: Route, verbs_of: Callable[[str], Sequence[str]], origins: Origins) -> None:
        self._app, self._verbs_of, self._origins = app, verbs_of, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        origin = header(scope, b"origin").decode("latin-1") if self._origins else ""
        if origin:
            send = _shared(send, origin if self._origins.allow(origin) else "")
        path, verbs = self._known(scope["path"])
        method = str(scope["method"])
        if method in verbs or (method == "HEAD" and "GET" in verbs):
            await self._app(_scope(scope, path, verbs), receive, send)
            return
        if not verbs:
            response = _nothing(method, path)
        elif method == "OPTIONS":
            response = self._options(scope, verbs)
        else:
            response = _wrong_verb(path, verbs)
        await response(scope, receive, send)

    def _known(self, path: str) -> tuple[str, list[str]]:
        """Return the path and its verbs; a trailing slash makes no difference."""
        if path == "*":
            return path, [*_ALL]
        verbs = sorted(self._verbs_of(path))
        shorter = path.rstrip("/")
        if verbs or not shorter or shorter == path:
            return path, verbs
        return shorter, sorted(self._verbs_of(shorter))

    def _options(self, scope: Scope, verbs: Sequence[str]) -> Response:
        """Return which verbs there are; to a browser, whether a page of that origin may use them."""
        allow, origin = _allow(verbs), header(scope, b"origin").decode("latin-1")
        requested = header(scope, b"access-control-request-method")
        if not (origin and requested):
            return Response(status_code=204, headers={"allow": allow})
        if not self._origins.allow(origin):
            message = (
                f"Pages of {shortened(origin)} may not call this API: an operator can allow the origin by "
                "RATOON_GATEWAY_ALLOWED_ORIGINS."
            )
            return problem_response(_both(Description("PERMISSION_DENIED", "ORIGIN_NOT_ALLOWED", message)))
        headers = {
            "allow": allow,
            "access-control-allow-methods": allow,
            "access-control-max-age": _MAX_AGE_S,
        }
        names = header(scope, b"access-control-request-headers").decode("latin-1")
        if _NAMES.fullmatch(names):
            headers["access-control-allow-headers"] = names
        return Response(status_code=204, headers=headers)


def _scope(scope: Scope, path: str, verbs: Sequence[str]) -> Scope:
    """Return the scope for routes."""
    if scope["method"] == "HEAD" and "HEAD" not in verbs:
        return {**scope, "path": path, "method": "GET", HEAD: True}
    return scope if path == scope["path"] else {**scope, "path": path}


def _shared(send: Send, origin: str) -> Send:
    """Return a `send` that lets pages of an origin read the answer; without one it only declares that answers vary."""
    added: Headers = [(b"vary", b"origin")]
    if origin:
        added += [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", _EXPOSED),
        ]

    async def sent(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sent


def _nothing(verb: str, path: str) -> Response:
    if is_openai(path):
        return openai_error_response(not_served(verb, path)[0])
    message = f"There is nothing at {shortened(path)}; /docs lists the available paths."
    return problem_response(_both(Description("NOT_FOUND", "NO_SUCH_PATH", message)))


def _wrong_verb(path: str, verbs: Sequence[str]) -> Response:
    message = f"{shortened(path)} takes {', '.join(verbs)}."
    error = Description("INVALID_ARGUMENT", "METHOD_NOT_ALLOWED", message)
    allow = [(b"allow", _allow(verbs).encode())]
    return openai_error_response(error, allow) if is_openai(path) else problem_response(_both(error), allow)


def _allow(verbs: Sequence[str]) -> str:
    """Return the value of `allow`."""
    further = {"HEAD", "OPTIONS"} if "GET" in verbs else {"OPTIONS"}
    return ", ".join(sorted({*verbs} | further))


def _both(description: Description) -> dict[str, Any]:
    """Return an error in both shapes: no route tells which one its caller reads."""
    problem = problem_of(description)
    error = {
        "message": description.message,
        "type": "invalid_request_error",
        "param": None,
        "code": description.reason.lower(),
    }
    return {**problem, "error": error}
