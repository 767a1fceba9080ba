"""Server-sent events: a stream of (id, name, data) that ends with its source, the caller, or the drain."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

from ratoon.chassis.errors import Unauthenticated
from ratoon.chassis.identity import ANONYMOUS, Principal
from ratoon_gateway.application.admission import Admission
from ratoon_gateway.domain.errors import GatewayError
from ratoon_gateway.entrypoints.asgi import Receive, Send, until_gone

_HEARTBEAT_S = 10.0
_LOOK_S = 0.5
_PATIENCE_S = 1.0
EVENT_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
Event = tuple[str, str, bytes]


async def send_events(
    events: AsyncGenerator[Event, None],
    receive: Receive,
    send: Send,
    tell: Callable[[Exception], bytes],
    *ends: Awaitable[object],
) -> None:
    """Write each event as it comes, and a comment now and then so that nobody takes the line for dead.

    An error that comes soon is raised, while a status can still say so; later it is an event `error`, told by `tell`.
    Where `tell` says nothing (the source is away for a moment), and once one of `ends` returns (the drain, the end of
    the caller's key), the stream is broken off rather than ended: a client that resumes by `Last-Event-ID` knows the
    difference.
    """
    source = _Source(events, until_gone(receive), *ends)
    try:
        await source.wait(_PATIENCE_S)
        chunk: bytes | None = source.take() if source.ready else b": here\n\n"
        await send({"type": "http.response.start", "status": 200, "headers": EVENT_HEADERS})
        while chunk:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await source.wait(_HEARTBEAT_S)
            chunk = _chunk(source, tell)
        if chunk is not None:
            await send({"type": "http.response.body", "body": b""})
    finally:
        await source.close()


def _chunk(source: "_Source", tell: Callable[[Exception], bytes]) -> bytes | None:
    """What to write next: empty at the end, None to break off."""
    if source.over:
        return None
    try:
        return source.take() if source.ready else b": still there\n\n"
    except Exception as error:
        told = tell(error)
        return _written(("", "error", told)) if told else None


class _Source:
    """The events, one ahead, and an eye on what ends them before their time."""

    def __init__(self, events: AsyncGenerator[Event, None], *ends: Awaitable[object]) -> None:
        self._events = events
        self._next: asyncio.Task[Event | None] | None = None
        self._watches = {asyncio.ensure_future(each) for each in ends}

    @property
    def ready(self) -> bool:
        """Whether there is something to take."""
        return self._next is not None and self._next.done()

    @property
    def over(self) -> bool:
        """Whether the stream ends before its time."""
        return any(watch.done() for watch in self._watches)

    async def wait(self, seconds: float) -> None:
        """Wait for the next event, the caller's leaving, or so long."""
        self._next = self._next or asyncio.create_task(anext_or_none(self._events))
        await asyncio.wait({self._next, *self._watches}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def take(self) -> bytes:
        """The next event as bytes; empty at the end."""
        taken, self._next = self._next, None
        event = taken.result() if taken else None
        return _written(event) if event else b""

    async def close(self) -> None:
        """End the source."""
        for watch in self._watches:
            watch.cancel()
        if self._next is not None:
            self._next.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._next
        await self._events.aclose()


async def until_key_ends(admission: Admission, principal: Principal) -> Exception:
    """Return why, once the key of a caller has ended; never for a caller without one."""
    while True:
        await asyncio.sleep(_LOOK_S)
        try:
            if principal is not ANONYMOUS:
                admission.check_still(principal)
        except (GatewayError, Unauthenticated) as ended:
            return ended


async def anext_or_none(events: AsyncGenerator[Event, None]) -> Event | None:
    """The next event, or None at the end."""
    return await anext(events, None)


def _written(event: Event) -> bytes:
    event_id, name, data = event
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\n".encode() + b"data: " + data + b"\n\n"
