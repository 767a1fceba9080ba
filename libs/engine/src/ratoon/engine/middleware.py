"""ASGI middleware of an engine: checks the secret and the path, admits completions, and signs answers.

vLLM loads it by `--middleware`. Except for the probe's path, it answers 404 to every request without the engine's
secret and to every method and path that is not allowed, so vLLM's other routes are never reached. Weights are changed
by `control`.
"""

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from ratoon.engine import contract
from ratoon.engine.control import Control
from ratoon.engine.settings import EngineSettings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SECRET, _CONTROL = contract.SECRET_HEADER.encode(), contract.CONTROL_HEADER.encode()
_VERSION, _CLOSED = contract.VERSION_HEADER.encode(), contract.CLOSED_HEADER.encode()

COMPLETIONS = frozenset({("POST", "/v1/chat/completions"), ("POST", "/v1/completions")})
ALLOWED = COMPLETIONS | {
    ("GET", "/v1/models"),
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("POST", "/tokenize"),
}


@dataclass(frozen=True)
class Refusal:
    """Response of the middleware in place of vLLM's."""

    status: int
    kind: str
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


READY = ("GET", contract.ControlPath.READY)
"""The only route that needs no secret; its answer is a status without content."""
NOT_FOUND = Refusal(404, "not_found", "Not found.")
CLOSED = Refusal(503, "engine_closed", "This engine accepts no new requests.", ((_CLOSED, b"1"),))
INJECTED = Refusal(500, "injected_fault", "An operator injected this failure.")


class EngineMiddleware:
    """ASGI middleware: the only way to an engine."""

    def __init__(self, app: App) -> None:
        settings = EngineSettings.of_this_process()
        self._app = app
        self._secret = settings.secret.encode()
        self._control = Control(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, answer it here, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif (scope["method"], scope["path"]) == READY:
            await respond(send, 200 if self._control.ready(scope["app"].state) else 503, {})
        elif not self._authorised(scope):
            await refuse(send, NOT_FOUND)
        else:
            await self._route(scope, receive, send)

    def _authorised(self, scope: Scope) -> bool:
        secret = next((value for name, value in scope["headers"] if name == _SECRET), b"")
        return hmac.compare_digest(secret, self._secret)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = (scope["method"], scope["path"])
        if call in COMPLETIONS:
            await self._complete(scope, receive, send)
        elif call in ALLOWED:
            await self._app(scope, receive, send)
        elif call in self._control.routes:
            status, answer = await self._control.call(call, scope["app"].state, await _body(receive))
            await respond(send, status, answer)
        else:
            await refuse(send, NOT_FOUND)

    async def _complete(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate = self._control.gate()
        if self._control.has_gates_by_model:
            body = await _body(receive)
            gate, receive = self._control.gate(_model(body)), _replay(body, receive)
        if not gate.accepting and all(name != _CONTROL for name, _ in scope["headers"]):
            await refuse(send, CLOSED)
            return
        if gate.fails_next():
            await refuse(send, INJECTED)
            return
        version = gate.version.encode()

        async def send_signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (_VERSION, version)]
            await send(message)

        gate.in_flight += 1
        try:
            await self._app(scope, receive, send_signed)
        finally:
            gate.in_flight -= 1


async def respond(
    send: Send, status: int, answer: dict[str, Any], headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send a complete JSON response."""
    body = json.dumps(answer).encode()
    length = (b"content-length", str(len(body)).encode())
    start = [(b"content-type", b"application/json"), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, refusal: Refusal) -> None:
    """Send a refusal in the shape of OpenAI's errors."""
    error = {"message": refusal.message, "type": refusal.kind, "param": None, "code": refusal.status}
    await respond(send, refusal.status, {"error": error}, refusal.headers)


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


def _model(body: bytes) -> str:
    """Return the model that a completion names; empty when it names none."""
    try:
        request = json.loads(body)
    except ValueError:
        return ""
    return str(request.get("model", "")) if isinstance(request, dict) else ""


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that yields this body, which was read already, before it goes on."""
    replayed = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive_replayed() -> Message:
        return next(replayed, None) or await receive()

    return receive_replayed
