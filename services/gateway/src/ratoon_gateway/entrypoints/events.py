"""Server-sent events: a stream of (id, name, data) that ends with its source, the caller, or the drain."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

from fastapi import Response

from ratoon.process.errors import Unauthenticated
from ratoon.security.identity import ANONYMOUS, Principal
from ratoon_gateway.application.authenticator import Authenticator
from ratoon_gateway.domain.errors import GatewayError
from ratoon_gateway.entrypoints.asgi import Receive, Scope, Send, until_gone

_HEARTBEAT_S = 10.0
_CHECK_S = 0.5
_FIRST_EVENT_S = 1.0
EVENT_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
Event = tuple[str, str, bytes]


class EventStream(Response):
    """Writes each event as it comes, and a comment now and then so that no proxy takes the connection for dead.

    `begin` raises an error that comes soon, while a status can still report it; later it is an event `error` with the
    data of `error_data`. Where that is empty (the source is unavailable for a moment), and once one of `ends` returns
    (the drain, the end of the caller's key), the stream is broken off rather than ended: a client that resumes by
    `Last-Event-ID` can tell the difference.
    """

    def __init__(
        self,
        events: AsyncGenerator[Event, None],
        receive: Receive,
        error_data: Callable[[Exception], bytes],
        *ends: Awaitable[object],
    ) -> None:
        super().__init__()
        self._source = _Source(events, until_gone(receive), *ends)
        self._error_data = error_data
        self._first = b""

    async def begin(self) -> None:
        """Wait a moment for the first event."""
        try:
            await self._source.wait(_FIRST_EVENT_S)
            self._first = self._source.take() if self._source.ready else b": waiting\n\n"
        except BaseException:
            await self._source.close()
            raise

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Write the stream."""
        chunk: bytes | None = self._first
        try:
            await send({"type": "http.response.start", "status": 200, "headers": EVENT_HEADERS})
            while chunk:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await self._source.wait(_HEARTBEAT_S)
                chunk = self._next()
            if chunk is not None:
                await send({"type": "http.response.body", "body": b""})
        finally:
            await self._source.close()

    def _next(self) -> bytes | None:
        """Return what to write next: empty at the end, None to break off."""
        if self._source.over:
            return None
        try:
            return self._source.take() if self._source.ready else b": waiting\n\n"
        except Exception as error:
            data = self._error_data(error)
            return _encoded(("", "error", data)) if data else None


class _Source:
    """The events, one ahead, and what ends them early."""

    def __init__(self, events: AsyncGenerator[Event, None], *ends: Awaitable[object]) -> None:
        self._events = events
        self._next: asyncio.Task[Event | None] | None = None
        self._ends = {asyncio.ensure_future(each) for each in ends}

    @property
    def ready(self) -> bool:
        """True if there is something to take."""
        return self._next is not None and self._next.done()

    @property
    def over(self) -> bool:
        """True if the stream ends early."""
        return any(end.done() for end in self._ends)

    async def wait(self, seconds: float) -> None:
        """Wait for the next event or an early end, at most `seconds`."""
        self._next = self._next or asyncio.create_task(_next_or_none(self._events))
        await asyncio.wait({self._next, *self._ends}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def take(self) -> bytes:
        """Return the next event as bytes; empty at the end."""
        task, self._next = self._next, None
        event = task.result() if task else None
        return _encoded(event) if event else b""

    async def close(self) -> None:
        """End the source."""
        for end in self._ends:
            end.cancel()
        if self._next is not None:
            self._next.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._next
        await self._events.aclose()


async def until_key_ends(authenticator: Authenticator, principal: Principal) -> Exception:
    """Return the reason once the key of a caller has ended; never for a caller without one."""
    while True:
        await asyncio.sleep(_CHECK_S)
        try:
            if principal is not ANONYMOUS:
                authenticator.check_still(principal)
        except (GatewayError, Unauthenticated) as ended:
            return ended


async def _next_or_none(events: AsyncGenerator[Event, None]) -> Event | None:
    """Return the next event, or None at the end."""
    return await anext(events, None)


def _encoded(event: Event) -> bytes:
    event_id, name, data = event
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\n".encode() + b"data: " + data + b"\n\n"
