"""Bounds of one HTTP connection, with a clock that the test moves."""

import asyncio
import json
from collections.abc import Callable
from functools import wraps
from itertools import pairwise

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from ratoon.runtime.connections import BoundedProtocol, ConnectionLimits, Connections, bounded_protocol

GET = b"GET /a%20b?c=d HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"


class Loop:
    """A clock, timers and tasks that the test moves."""

    def __init__(self) -> None:
        self.now, self.timers, self.tasks = 0.0, [], []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[..., None], *args: object) -> "Timer":
        timer = Timer(self.now + seconds, call, args)
        self.timers.append(timer)
        return timer

    def create_task(self, work, context=None):
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.append(task)
        return task

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [each for each in self.timers if each.at <= until and not each.over]:
            first = min(due, key=lambda each: each.at)
            self.now, first.over = first.at, True
            first.call(*first.args)
        self.now = until


class Timer:
    def __init__(self, at, call, args) -> None:
        self.at, self.call, self.args, self.over = at, call, args, False

    def cancel(self) -> None:
        self.over = True


class Transport:
    """What a connection writes, and how it ended."""

    def __init__(self) -> None:
        self.written, self.end, self.eof, self.is_reading = bytearray(), "", False, True

    def get_extra_info(self, name, default=None):
        return default

    def write(self, data):
        self.written += data

    def close(self):
        self.end = self.end or "closed"

    def abort(self):
        self.end = "aborted"

    def is_closing(self):
        return bool(self.end)

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.eof = True

    def get_write_buffer_size(self):
        return 0

    def pause_reading(self):
        self.is_reading = False

    def resume_reading(self):
        self.is_reading = True

    @property
    def status(self) -> int:
        return int(self.written.split(b" ", 2)[1]) if self.written else 0

    @property
    def problem(self) -> dict:
        return json.loads(self.written.partition(b"\r\n\r\n")[2])


class Server:
    """Connections of one server whose application reads the whole body and answers with its size."""

    def __init__(self, **limits) -> None:
        self.loop, self.scopes, self.bodies = Loop(), [], []
        self.shared = Connections(ConnectionLimits(**limits))
        self.state = ServerState()
        self.config = uvicorn.Config(
            self.app,
            http=bounded_protocol(self.shared), ws="none", lifespan="off", log_config=None,
            interface="asgi3", proxy_headers=False,
            timeout_keep_alive=self.shared.limits.idle_s,
        )  # fmt: skip
        self.hold: asyncio.Event | None = None
        self.chunks = (b"ok",)
        self.early = False

    async def app(self, scope, receive, send):
        self.scopes.append(scope)
        more, body = not self.early, b""
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            more, body = message.get("more_body", False), body + message.get("body", b"")
        self.bodies.append(body)
        if self.hold:
            await self.hold.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    def connect(self) -> tuple[BoundedProtocol, Transport]:
        protocol = bounded_protocol(self.shared)(self.config, self.state, {}, self.loop)
        transport = Transport()
        protocol.connection_made(transport)
        return protocol, transport

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


def run(test):
    """Run a test's coroutine."""

    @wraps(test)
    def wrapped(*args, **kwargs):
        asyncio.run(test(*args, **kwargs))

    return wrapped


@run
async def test_a_request_is_answered_with_date_and_request_id():
    server = Server()
    protocol, transport = server.connect()
    protocol.data_received(GET)
    await server.settle()
    head, _, body = bytes(transport.written).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\ndate: " in head
    assert b"\r\nx-request-id: " in head
    assert b"transfer-encoding: chunked" in head
    assert body == b"2\r\nok\r\n0\r\n\r\n"
    assert (server.scopes[0]["path"], server.scopes[0]["query_string"]) == ("/a b", b"c=d")


@run
async def test_the_callers_own_request_id_is_kept_when_it_is_one():
    server = Server()
    protocol, transport = server.connect()
    protocol.data_received(b"GET / HTTP/1.1\r\nhost: a\r\nx-request-id: abc-1\r\n\r\n")
    protocol.data_received(b"GET / HTTP/1.1\r\nhost: a\r\nx-request-id: <script>\r\n\r\n")
    await server.settle()
    assert transport.written.count(b"x-request-id: abc-1\r\n") == 1
    assert b"<script>" not in transport.written


@run
async def test_an_http_1_0_answer_is_not_chunked_and_ends_with_the_connection():
    server = Server()
    protocol, transport = server.connect()
    protocol.data_received(b"GET / HTTP/1.0\r\n\r\n")
    await server.settle()
    assert b"chunked" not in transport.written
    assert transport.written.endswith(b"\r\n\r\nok")
    assert transport.end == "closed"


@run
async def test_a_head_is_bounded_before_it_is_joined():
    server = Server()
    protocol, transport = server.connect()
    protocol.data_received(b"GET / HTTP/1.1\r\nhost: a\r\nx: ")
    for _ in range(50):
        protocol.data_received(b"a" * 65_536)
    assert (transport.status, transport.problem["reason"]) == (431, "HEADERS_TOO_LARGE")
    assert transport.problem["error"]["code"] == "headers_too_large"
    assert transport.eof
    server.loop.advance(3)
    assert transport.end == "aborted"
    assert not server.scopes


@run
async def test_one_piece_with_a_head_that_is_too_large_is_refused():
    server = Server()
    protocol, transport = server.connect()
    protocol.data_received(GET)
    await server.settle()
    transport.written.clear()
    protocol.data_received(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 70_000 + b"\r\n\r\n")
    assert transport.status == 431


@run
async def test_a_url_is_bounded():
    for pieces in ([b"GET /" + b"a" * 17_000], [b"GET /", *[b"a" * 1000] * 17], [b"GET /" + b"a" * 300_000]):
        server = Server()
        protocol, transport = server.connect()
        for piece in pieces:
            protocol.data_received(piece)
        assert (transport.status, transport.problem["reason"]) == (414, "URL_TOO_LONG")


@run
async def test_the_number_of_headers_is_bounded():
    server = Server()
    protocol, transport = server.connect()
    protocol.data_received(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n")
    assert (transport.status, transport.problem["reason"]) == (431, "TOO_MANY_HEADERS")


@run
async def test_the_rest_of_a_head_may_come_with_a_large_body():
    server = Server()
    protocol, transport = server.connect()
    protocol.data_received(POST[:10])
    protocol.data_received(POST[10:] + b"x" * 100_000)
    await server.settle()
    assert transport.status == 200


@run
async def test_trailers_and_chunk_extensions_are_bounded_and_add_no_headers():
    chunked = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    for endless in (b"1;" + b"e" * 65_536, b"0\r\nx: " + b"t" * 65_536):
        server = Server()
        protocol, transport = server.connect()
        protocol.data_received(chunked)
        protocol.data_received(endless)
        for _ in range(10):
            protocol.data_received(b"t" * 65_536)
        assert transport.is_closing()
    server = Server()
    protocol, transport = server.connect()
    protocol.data_received(chunked + b"2\r\nab\r\n0\r\nauthorization: Bearer x\r\n\r\n")
    await server.settle()
    assert transport.status == 200
    assert b"authorization" not in dict(server.scopes[0]["headers"])


@pytest.mark.parametrize("begun", [b"", b"G"])
@run
async def test_a_head_that_drips_is_cut_off(begun):
    server = Server()
    protocol, transport = server.connect()
    for byte in begun and [b"G", b"E", b"T", b" "]:
        protocol.data_received(byte)
        server.loop.advance(2)
    server.loop.advance(1.9 if begun else 9.9)
    assert not transport.written
    assert not transport.end
    server.loop.advance(0.1)
    assert transport.status == (408 if begun else 0)
    server.loop.advance(2)
    assert transport.end == "aborted"


@run
async def test_a_body_that_drips_is_cut_off_and_a_slow_one_is_not():
    server = Server()
    protocol, transport = server.connect()
    protocol.data_received(POST)
    for _ in range(5):
        server.loop.advance(10)
        protocol.data_received(b"x")
        assert not transport.end
    server.loop.advance(11)
    assert transport.end == "aborted"
    protocol, transport = server.connect()
    protocol.data_received(POST)
    for _ in range(40):
        server.loop.advance(2)
        protocol.data_received(b"x" * 2500)
        await server.settle()
    assert transport.status == 200


@run
async def test_a_body_that_stops_is_cut_off_unless_this_side_does_not_read():
    server = Server()
    protocol, transport = server.connect()
    protocol.data_received(POST + b"x" * 70_000)
    assert not transport.is_reading
    server.loop.advance(29)
    await server.settle()
    assert transport.is_reading
    server.loop.advance(29.9)
    assert not transport.end
    server.loop.advance(0.2)
    assert transport.end == "aborted"


@run
async def test_the_connection_that_waits_longest_gives_way():
    server = Server(max_connections=3)
    recent, idle = server.connect(), server.connect()
    idle[0].data_received(GET)
    server.hold = asyncio.Event()
    await server.settle()
    server.hold.set()
    await server.settle()
    server.hold = asyncio.Event()
    recent[0].data_received(GET)
    silent = server.connect()
    assert not server.connect()[1].end
    assert [each[1].end for each in (recent, idle, silent)] == ["", "", "aborted"]
    await server.settle()
    newest = server.connect()
    assert newest[1].end == ""
    server.hold.set()
    await server.settle()
    assert recent[1].status == 200


@run
async def test_where_all_are_busy_a_new_one_is_refused():
    server = Server(max_connections=1)
    server.hold = asyncio.Event()
    busy = server.connect()
    busy[0].data_received(GET)
    await server.settle()
    protocol, transport = server.connect()
    protocol.data_received(GET)
    await server.settle()
    assert (transport.status, transport.problem["reason"]) == (503, "TOO_MANY_CONNECTIONS")
    assert b"retry-after: 1\r\n" in transport.written
    assert not busy[1].end


@run
async def test_an_early_answer_is_not_lost_while_the_caller_still_sends():
    server = Server()
    server.early = True
    server.shared.draining = True
    protocol, transport = server.connect()
    protocol.data_received(POST)
    await server.settle()
    assert transport.status == 200
    assert b"connection: close\r\n" in transport.written
    assert transport.eof
    assert not transport.end
    protocol.data_received(b"x" * 1000)
    server.loop.advance(2)
    assert transport.end == "aborted"


@run
async def test_what_is_no_http_is_refused_and_not_logged(caplog):
    server = Server()
    for wrong in (
        b"\x16\x03\x01\x02\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\na b\r\n\r\n",
    ):
        protocol, transport = server.connect()
        protocol.data_received(wrong)
        assert (transport.status, transport.eof) == (400, True)
    assert not caplog.records


@run
@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("offer", [b"h2c", b"websocket"])
async def test_an_upgrade_is_answered_in_http_1_1_with_the_whole_body(offer, size):
    server = Server()
    protocol, transport = server.connect()
    head = (
        b"POST /p?q=1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\n"
        b"HTTP2-Settings: AAMA\r\nX-Own: b\r\n"
    )
    plain = head % offer + b"Content-Length: 5\r\n\r\nabcde"
    chunked = head % offer + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    for request in (plain + plain, chunked):
        for place in range(0, len(request), size):
            protocol.data_received(request[place : place + size])
            await server.settle()
    assert transport.written.count(b"HTTP/1.1 200 OK") == 3
    assert server.bodies == [b"abcde", b"abcde", b"abc"]
    assert [dict(scope["headers"]).get(b"x-own") for scope in server.scopes] == [b"b"] * 3
    assert all(scope["method"] == "POST" and scope["query_string"] == b"q=1" for scope in server.scopes)


@run
async def test_in_a_drain_the_last_answer_of_a_connection_says_so():
    server = Server()
    protocol, transport = server.connect()
    protocol.data_received(GET)
    await server.settle()
    assert b"connection: close" not in transport.written
    server.shared.draining = True
    protocol.drain()
    assert not transport.end
    transport.written.clear()
    protocol.data_received(GET + GET)
    await server.settle()
    assert transport.written.count(b"HTTP/1.1 200") == 2
    assert transport.written.count(b"connection: close") == 1
    assert transport.end == "closed"


@run
async def test_an_answer_that_began_before_the_drain_leaves_its_caller_time():
    server = Server()
    server.hold = asyncio.Event()
    protocol, _ = server.connect()
    protocol.data_received(GET)
    await server.settle()
    protocol.cycle.response_started = True
    protocol.drain()
    assert protocol.cycle.keep_alive
    protocol.cycle.response_started = False
    protocol.drain()
    assert not protocol.cycle.keep_alive


@run
async def test_shutdown_closes_what_is_idle_and_answers_what_has_begun():
    server = Server()
    idle, begun = server.connect(), server.connect()
    begun[0].data_received(GET[:10])
    server.shared.draining = True
    for protocol, _ in (idle, begun):
        protocol.shutdown()
    assert (idle[1].end, begun[1].end) == ("closed", "")
    begun[0].data_received(GET[10:])
    await server.settle()
    assert begun[1].status == 200
    assert begun[1].end == "closed"


@run
async def test_an_idle_connection_is_closed_in_time():
    server = Server(idle_s=620)
    protocol, transport = server.connect()
    protocol.data_received(GET)
    await server.settle()
    server.loop.advance(600)
    protocol.data_received(GET)
    await server.settle()
    server.loop.advance(619)
    assert not transport.end
    server.loop.advance(1)
    assert transport.end == "closed"


REQUESTS = st.lists(
    st.one_of(
        st.integers(0, 20_000).map(
            lambda size: b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"v" * size + b"\r\n\r\n"
        ),
        st.integers(0, 200_000).map(
            lambda size: b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size + b"b" * size
        ),
        st.lists(st.integers(1, 3000), max_size=5).map(
            lambda sizes: (
                b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
                + b"".join(b"%x\r\n" % size + b"c" * size + b"\r\n" for size in sizes)
                + b"0\r\n\r\n"
            )
        ),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(REQUESTS, st.lists(st.floats(0, 1), max_size=8))
def test_requests_may_come_in_any_pieces(requests, cuts):
    whole = b"".join(requests)
    places = sorted({0, len(whole), *(int(cut * len(whole)) for cut in cuts)})

    async def scenario() -> bytes:
        server = Server()
        protocol, transport = server.connect()
        for start, end in pairwise(places):
            for _ in range(1000):
                if transport.is_reading:
                    break
                await asyncio.sleep(0)
            protocol.data_received(whole[start:end])
        for _ in range(200):
            await asyncio.sleep(0)
        assert not transport.end
        return bytes(transport.written)

    answers = asyncio.run(scenario())
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == len(requests)
    assert answers.count(b"HTTP/1.1") == len(requests)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=10), st.sampled_from([b"", GET, POST, GET[:20], POST[:30]]))
def test_any_bytes_are_answered_or_refused_and_never_an_error_of_ours(pieces, beginning):
    async def scenario() -> None:
        server = Server()
        protocol, transport = server.connect()
        for piece in (beginning, *pieces):
            if piece and not transport.end:
                protocol.data_received(piece)
            await asyncio.sleep(0)
        await server.settle()
        server.loop.advance(1000)
        assert transport.end
        protocol.connection_lost(None)
        await server.settle()
        assert b" 500 " not in transport.written
        assert not any(server.shared.waiting)

    asyncio.run(scenario())
