"""A small load generator: HTTP/1.1 over persistent connections to one loopback port, bounded in count and time.

Open loop: requests leave at a fixed rate regardless of answers, and latency counts from when they were due. Closed
loop: each connection sends the next request after an answer. It knows no product.
"""

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import cast

import httptools

_MAX_REQUESTS = 200_000


@dataclass(frozen=True)
class Peer:
    """A server under test: its name, loopback port, and request."""

    name: str
    port: int
    headers: dict[str, str]
    model: str

    def request(self, tokens: int, stream: bool) -> bytes:
        """One chat completion as bytes."""
        messages = [{"role": "user", "content": "Dear friend, you have won. " * 20}]
        fields = {"model": self.model, "messages": messages, "max_tokens": tokens, "stream": stream}
        body = json.dumps(fields).encode()
        lines = [f"{key}: {value}\r\n" for key, value in self.headers.items()]
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n{''.join(lines)}"
        return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class LoadResult:
    """Result of a load: seconds of each request, events of streams, failures, and total duration."""

    seconds: list[float] = field(default_factory=list)
    events: int = 0
    failed: int = 0
    elapsed: float = 0.0

    def quantile_ms(self, share: float) -> float:
        """A quantile of the latencies, in milliseconds."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.elapsed if self.elapsed else 0.0


class Connection(asyncio.Protocol):
    """One persistent connection; `ask` sends a request and waits for its whole answer."""

    def __init__(self) -> None:
        self.events = 0

    @staticmethod
    async def open(port: int) -> "Connection":
        """Connect to a loopback port."""
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
        return connection

    async def ask(self, request: bytes) -> int:
        """The HTTP status; ConnectionError when the connection breaks."""
        self._done = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)
        status: int = await self._done
        return status

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, _error: Exception | None) -> None:
        done = getattr(self, "_done", None)
        if done is not None and not done.done():
            done.set_exception(ConnectionError("the connection broke"))

    def on_body(self, body: bytes) -> None:
        self.events += body.count(b"data: {")

    def on_message_complete(self) -> None:
        if not self._done.done():
            self._done.set_result(self._parser.get_status_code())


async def open_loop(peer: Peer, rate: float, seconds: float, tokens: int = 8) -> LoadResult:
    """Send `rate` requests per second for `seconds`."""
    result, idle, running = LoadResult(), deque[Connection](), set[asyncio.Task[None]]()
    request = peer.request(tokens, stream=False)
    count = min(int(rate * seconds), _MAX_REQUESTS)

    async def one(due: float) -> None:
        connection = idle.pop() if idle else await Connection.open(peer.port)
        await _ask(connection, request, result, due)
        idle.append(connection)

    began = time.perf_counter()
    for place in range(count):
        due = began + place / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(one(due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    result.elapsed = time.perf_counter() - began
    for connection in idle:
        connection.close()
    return result


async def closed_loop(
    peer: Peer, clients: int, seconds: float, tokens: int = 8, stream: bool = False
) -> LoadResult:
    """Measure the answers that `clients` open connections get in `seconds`."""
    result = LoadResult()
    request = peer.request(tokens, stream)
    connections = [await Connection.open(peer.port) for _ in range(clients)]
    began = time.perf_counter()

    async def one(connection: Connection) -> None:
        while time.perf_counter() - began < seconds and len(result.seconds) < _MAX_REQUESTS:
            await _ask(connection, request, result, time.perf_counter())
        result.events += connection.events
        connection.close()

    await asyncio.gather(*map(one, connections))
    result.elapsed = time.perf_counter() - began
    return result


async def _ask(connection: Connection, request: bytes, result: LoadResult, due: float) -> None:
    status = await connection.ask(request)
    if status == 200:
        result.seconds.append(time.perf_counter() - due)
    else:
        result.failed += 1
