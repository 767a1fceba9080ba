"""A server that drains loses no request of callers who keep their connections: the race itself, many times."""

import asyncio
import random
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import uvloop

from ratoon.runtime.connections import BoundedProtocol, ConnectionLimits
from ratoon.runtime.http_server import Server

CALLERS = 20
LONGEST_GAP_S = 0.02
LOOPS = pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


async def app(_scope, receive, send):
    await receive()
    await asyncio.sleep(random.random() / 200)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Serving:
    """One server after another, on a thread of its own; `address` is where new connections go."""

    def __init__(self, leave_s: float, loop: asyncio.AbstractEventLoop) -> None:
        self._leave_s, self.loop = leave_s, loop
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.server, self.drains = None, 0
        self.address = self._run(self._start())

    def replace(self) -> None:
        """Start another server, drain the one that is there, and let new connections go to the other."""
        old = self.server, self._serving
        fresh = self._run(self._start())
        old[0].should_exit = True
        self.address = fresh
        self._run(asyncio.wait_for(old[1], 30))
        self.drains += 1

    def close(self) -> None:
        self.server.should_exit = True
        self._run(self._serving)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _start(self):
        listening = socket.create_server(("127.0.0.1", 0))
        limits = ConnectionLimits(leave_s=self._leave_s)
        self.server = _Server(app, limits, 2 * self._leave_s)
        self._serving = asyncio.ensure_future(self.server.serve(sockets=[listening]))
        while not self.server.started:
            await asyncio.sleep(0.001)
        return listening.getsockname()

    def _run(self, work):
        async def wrapped():
            return await work

        return asyncio.run_coroutine_threadsafe(wrapped(), self.loop).result(60)


class _Server(Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Caller:
    """A client that keeps its connection until an answer is marked as the last one."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._streams = None
        self.answered = self.lost = 0

    async def run(self, requests: int) -> None:
        """Call again and again, at random moments."""
        for _ in range(requests):
            await asyncio.sleep(random.random() * LONGEST_GAP_S)
            try:
                await self._call()
                self.answered += 1
            except (ConnectionError, asyncio.IncompleteReadError):
                self.lost += 1
                await self._leave()
        await self._leave()

    async def _call(self) -> None:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._serving.address)
        reader, writer = self._streams
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        await reader.readexactly(2)
        if b"connection: close" in head:
            await self._leave()

    async def _leave(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@pytest.mark.parametrize("requests", [500, pytest.param(10_000, marks=pytest.mark.thorough)])
@LOOPS
def test_no_request_is_lost_while_servers_drain_one_after_another(requests, new_loop):
    serving = Serving(5.0, new_loop())
    callers = [Caller(serving) for _ in range(CALLERS)]

    async def all_of_them() -> None:
        await asyncio.gather(*(caller.run(requests // CALLERS) for caller in callers))

    calling = threading.Thread(target=lambda: asyncio.run(all_of_them()))
    calling.start()
    try:
        while calling.is_alive():
            serving.replace()
        calling.join()
    finally:
        serving.close()
    assert sum(caller.lost for caller in callers) == 0
    assert sum(caller.answered for caller in callers) == requests
    assert serving.drains > 1


@LOOPS
def test_a_request_that_has_arrived_is_answered_however_late_it_is_read(new_loop):
    serving = Serving(0.01, new_loop())
    try:
        _close_while_a_request_arrives(serving)
    finally:
        serving.close()


def _close_while_a_request_arrives(serving: Serving) -> None:
    with socket.create_connection(serving.address, timeout=10) as connection:
        connection.sendall(REQUEST)
        first = b""
        while not first.endswith(b"\r\n\r\nok"):
            first += connection.recv(10_000)
        assert first.startswith(b"HTTP/1.1 200")
        done = threading.Event()

        def close_while_it_arrives() -> None:
            """The loop is busy here, so that the request waits in the socket while the connection is closed."""
            connection.sendall(REQUEST)
            serving.server.shared.draining = True
            for each in list(serving.server.server_state.connections):
                assert isinstance(each, BoundedProtocol)
                arrived, _, _ = select.select([each.transport.get_extra_info("socket").fileno()], [], [], 10)
                assert arrived
                each.timeout_keep_alive_handler()
                each.shutdown()
            done.set()

        serving.loop.call_soon_threadsafe(close_while_it_arrives)
        assert done.wait(10)
        answer = b""
        while piece := connection.recv(10_000):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close\r\n" in answer
