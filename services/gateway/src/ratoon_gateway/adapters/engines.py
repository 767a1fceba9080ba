"""HTTP/1.1 to engines, over their Unix sockets or ports: a thin client on asyncio's transports and httptools' parser.

Nothing stands between the engine's bytes and the caller's: a chunk costs one callback. Connections are kept and used
again; one that the engine closed meanwhile is replaced unseen. It knows no route and no completion.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import cast
from urllib.parse import urlsplit

import httptools

from ratoon_gateway.application.ports import EngineLost, EngineSilent, EngineUnreachable
from ratoon_gateway.domain.routes import Target

_CONNECT_S = 5.0
_MAX_IDLE = 256
_IDLE_S = 4.0
"""Engines close connections that are idle for five seconds."""
_MAX_BUFFERED = 256 << 10


class EngineClient:
    """Connections to all engines, by endpoint."""

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._idle: dict[str, deque[_Connection]] = {}

    async def send(self, target: Target, path: str, answer_id: str, body: bytes, trace: str = "") -> "_Reply":
        """Send a request, as part of a trace if there is one, and wait for the head of its answer."""
        request = _request(target, path, answer_id, body, trace)
        while connection := self._reusable(target.endpoint):
            with suppress(EngineLost):  # closed while idle: no byte was answered, so another one will do
                return await self._exchange(connection, request)
        return await self._exchange(await self._connect(target.endpoint), request)

    async def close(self) -> None:
        """Close idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()

    async def _exchange(self, connection: "_Connection", request: bytes) -> "_Reply":
        connection.begin(request)
        try:
            await connection.head(self._silence_s)
        except BaseException:
            connection.abort()
            raise
        return _Reply(connection, self._give_back, self._silence_s)

    def _reusable(self, endpoint: str) -> "_Connection | None":
        idle = self._idle.get(endpoint)
        now = asyncio.get_running_loop().time()
        while idle:
            connection = idle.pop()
            if connection.usable and now - connection.idle_since < _IDLE_S:
                return connection
            connection.abort()
        return None

    async def _connect(self, endpoint: str) -> "_Connection":
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_S):
                if endpoint.startswith("unix:"):
                    path = endpoint.removeprefix("unix:").removeprefix("//")
                    _, connection = await loop.create_unix_connection(lambda: _Connection(endpoint), path)
                else:
                    url = urlsplit(endpoint)
                    host, port = url.hostname or "", url.port or 80
                    _, connection = await loop.create_connection(lambda: _Connection(endpoint), host, port)
        except (OSError, TimeoutError) as error:
            raise EngineUnreachable(f"{endpoint} cannot be reached: {error}") from None
        return connection

    def _give_back(self, connection: "_Connection") -> None:
        idle = self._idle.setdefault(connection.endpoint, deque())
        if len(idle) >= _MAX_IDLE:
            connection.abort()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        idle.append(connection)


class _Reply:
    """One answer on its way in."""

    def __init__(
        self, connection: "_Connection", give_back: Callable[["_Connection"], None], silence_s: float
    ) -> None:
        self._connection: _Connection | None = connection
        self._give_back, self._silence_s = give_back, silence_s
        self.status = connection.status
        self._headers = connection.headers

    def header(self, name: bytes) -> bytes:
        """A header's value by its lowercase name."""
        return self._headers.get(name, b"")

    async def next(self) -> bytes:
        """Return the next bytes; empty at the end."""
        return await self._connection.chunk(self._silence_s) if self._connection else b""

    def close(self) -> None:
        """Return the connection to the pool if the answer is complete, else close it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.finished and connection.usable:
            self._give_back(connection)
        else:
            connection.abort()


class _Connection(asyncio.Protocol):
    """One connection: writes a request, parses its answer."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._lost = False
        self._waiter: asyncio.Future[None] | None = None
        self._keep_alive, self._paused = True, False
        self._chunks: list[bytes] = []
        self._reset()

    @property
    def usable(self) -> bool:
        """Return True if the connection can take another request."""
        return (
            not self._lost
            and self._keep_alive
            and self._transport is not None
            and not self._transport.is_closing()
        )

    def begin(self, request: bytes) -> None:
        """Write a request."""
        self._reset()
        if self._transport is not None:
            self._transport.write(request)

    async def head(self, seconds: float) -> None:
        """Wait for the answer's status and headers."""
        while not self.headed:
            await self._more(seconds)

    async def chunk(self, seconds: float) -> bytes:
        """The bytes that have come; empty at the end."""
        while not self._chunks:
            if self.finished:
                return b""
            await self._more(seconds)
        chunks, self._chunks, self._buffered = self._chunks, [], 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def abort(self) -> None:
        """Close at once."""
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._lost = True
        self._wake()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()
        self._wake()
        if self._buffered > _MAX_BUFFERED and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._keep_alive = self._parser.should_keep_alive()
        self.headed = True

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        self.finished = True

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status, self.headed, self.finished = 0, False, False
        self.headers: dict[bytes, bytes] = {}
        self._keep_alive, self._paused = True, False
        self._chunks = []
        self._buffered = 0

    async def _more(self, seconds: float) -> None:
        """Wait until something came."""
        if self._lost:
            raise EngineLost(f"{self.endpoint} closed the connection before its answer was complete.")
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        alarm = loop.call_later(seconds, self._silent, self._waiter)
        try:
            await self._waiter
        finally:
            alarm.cancel()
            self._waiter = None

    def _silent(self, waiter: "asyncio.Future[None]") -> None:
        if not waiter.done():
            waiter.set_exception(EngineSilent(f"{self.endpoint} sent no data before the timeout."))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _request(target: Target, path: str, answer_id: str, body: bytes, trace: str) -> bytes:
    """The request's bytes. Nothing in them comes from a caller but the body, and the id of a trace."""
    return b"POST %b HTTP/1.1\r\nhost: engine\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % (
        path.encode(),
        len(body),
    ) + b"x-request-id: %b\r\nx-ratoon-engine-secret: %b\r\n%b\r\n%b" % (
        answer_id.encode(),
        target.secret.encode(),
        b"traceparent: %b\r\n" % trace.encode() if trace else b"",
        body,
    )
