"""The OpenAI-compatible routes, streaming and not. It translates; the relay does the work."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from ratoon.process.errors import described
from ratoon.security.identity import Principal, Role
from ratoon_gateway.application.authenticator import Authenticator
from ratoon_gateway.application.ports import AnswerTooLong, EngineBroke, EngineLost, EngineSilent
from ratoon_gateway.application.quotas import Admission, Quotas
from ratoon_gateway.application.relay import Exchange, Relay, off_loop
from ratoon_gateway.domain.completions import CompletionRequest, RequestLimits, read_request
from ratoon_gateway.domain.errors import BadKey
from ratoon_gateway.domain.limits import RateLimitStatus
from ratoon_gateway.domain.traffic import Outcome
from ratoon_gateway.entrypoints.asgi import (
    ClientGone,
    Headers,
    Receive,
    Scope,
    Send,
    bearer,
    limit_headers,
    read_content,
    respond,
    respond_openai_error,
    until_gone,
)

_WATCH_AFTER_S = 0.02
_EVENT_END = b"\n\n"


def _final_event(code: str, message: str) -> bytes:
    """Return the last event of a stream that breaks off."""
    error = {"message": message, "type": "server_error", "param": None, "code": code}
    return b"event: error\ndata: " + json.dumps({"error": error}, separators=(",", ":")).encode() + b"\n\n"


_LOST = _final_event("engine_lost", "The engine stopped while it wrote this answer: send the request again.")
_TOO_LONG = _final_event("answer_too_long", "The answer exceeded the time limit: ask for a shorter one.")


@dataclass(slots=True)
class _Call:
    """One admitted request and its state."""

    request: CompletionRequest
    principal: Principal
    admitted: Admission
    send: Send
    exchange: Exchange | None = None

    def end(self) -> None:
        """Settle the cost of the request."""
        counted = self.admitted.cost and self.exchange is not None
        self.admitted.end(self.exchange.tokens if counted and self.exchange else 0)

    def headers(self) -> Headers:
        """Return the headers of the answer."""
        exchange = self.exchange
        if exchange is None:
            return limit_headers(self.admitted.statuses())
        answer_id, truncated = exchange.answer_id.encode(), exchange.truncated.encode()
        return [
            *([] if exchange.fault else [(b"content-type", exchange.content_type)]),
            (b"x-ratoon-model", exchange.target.label.encode()),
            (b"x-ratoon-answer-id", answer_id),
            (b"x-request-id", answer_id),
            *([(b"x-ratoon-truncated", truncated)] if truncated else []),
            *limit_headers(self.admitted.statuses()),
        ]


class Completions:
    """`POST /v1/chat/completions` and `POST /v1/completions`."""

    def __init__(
        self,
        authenticator: Authenticator,
        quotas: Quotas,
        relay: Relay,
        max_bytes: int,
        limits: RequestLimits,
    ) -> None:
        self._authenticator, self._quotas, self._relay = authenticator, quotas, relay
        self._max_bytes, self._limits = max_bytes, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a caller that disconnects frees the engine."""
        used: Iterable[RateLimitStatus] = ()
        try:
            principal = self._authenticator.caller(bearer(scope), Role.CALLER)
            body = await read_content(scope, receive, self._max_bytes)
            request = await off_loop(len(body), read_request, scope["path"], body, self._limits)
            used = self._quotas.statuses(principal.name)
            call = _Call(request, principal, self._quotas.enter(principal.name, request), send)
        except ClientGone:
            return
        except Exception as error:
            await respond_openai_error(send, described(error), limit_headers(used))
            return
        try:
            await self._while_connected(call, receive)
        finally:
            call.end()

    async def _while_connected(self, call: _Call, receive: Receive) -> None:
        """Answer until the caller disconnects."""
        watch = _Watch(receive)
        try:
            await self._answer(call)
        except asyncio.CancelledError:
            if not watch.gone:
                raise
            watch.answering.uncancel()
        finally:
            watch.stop()

    async def _answer(self, call: _Call) -> None:
        try:
            exchange = await self._relay.begin(call.request, call.principal.project, call.principal.name)
        except Exception as error:
            await respond_openai_error(call.send, described(error), call.headers())
            return
        call.exchange = exchange
        if exchange.streams:
            await self._stream(call, exchange)
            return
        try:
            if exchange.fault is not None:
                await respond_openai_error(call.send, described(exchange.fault), call.headers())
                return
            await respond(call.send, exchange.status, call.headers(), exchange.first)
        finally:
            self._relay.end(exchange, Outcome.ANSWERED)

    async def _stream(self, call: _Call, exchange: Exchange) -> None:
        outcome, last, send = Outcome.LEFT, exchange.first, call.send
        try:
            await send({"type": "http.response.start", "status": 200, "headers": call.headers()})
            await send({"type": "http.response.body", "body": last, "more_body": True})
            async for last in self._relay.rest(exchange):
                self._authenticator.check_still(call.principal)
                await send({"type": "http.response.body", "body": last, "more_body": True})
            outcome, final_event = Outcome.ANSWERED, b""
        except (EngineLost, EngineSilent):
            outcome, final_event = Outcome.CUT, self._broken(exchange, last, _LOST)
        except EngineBroke as error:
            description = described(error.args[0])
            outcome = Outcome.REJECTED if description.code == "INVALID_ARGUMENT" else Outcome.CUT
            final_event = self._broken(
                exchange, last, _final_event(description.reason.lower(), description.message)
            )
        except AnswerTooLong:
            final_event = self._broken(exchange, last, _TOO_LONG)
        except BadKey as ended:
            final_event = _EVENT_END + _final_event(ended.reason.lower(), str(ended))
        finally:
            self._relay.end(exchange, outcome)
        await send({"type": "http.response.body", "body": final_event})

    def _broken(self, exchange: Exchange, last: bytes, final_event: bytes) -> bytes:
        """Return the end of a broken stream: withheld bytes, the end of the last event, and the final event."""
        rest = exchange.last()
        if exchange.filtered:
            return rest
        whole = (rest or last or _EVENT_END).endswith(_EVENT_END)
        return rest + (final_event if whole else _EVENT_END + final_event)


class _Watch:
    """Cancels the running task when the caller disconnects. Most answers end before it begins to watch."""

    def __init__(self, receive: Receive) -> None:
        loop = asyncio.get_running_loop()
        self.answering = cast("asyncio.Task[None]", asyncio.current_task())
        self.gone = False
        self._watching: asyncio.Task[None] | None = None
        self._alarm = loop.call_later(_WATCH_AFTER_S, self._begin, loop, receive)

    def stop(self) -> None:
        """Stop watching."""
        self._alarm.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self, loop: asyncio.AbstractEventLoop, receive: Receive) -> None:
        self._watching = loop.create_task(self._watch(receive))

    async def _watch(self, receive: Receive) -> None:
        await until_gone(receive)
        self.gone = True
        self.answering.cancel()
