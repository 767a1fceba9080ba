"""Connections of hostile clients on raw sockets: each has a defined outcome, and no other client waits for it."""

import asyncio
import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import uvloop

from ratoon.runtime.connections import ConnectionLimits
from ratoon.runtime.http_server import Server

POST = b"POST / HTTP/1.1\r\nhost: a\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
MIB = 1 << 20


async def app(scope, receive, send):
    """Answer a POST with the size of its body, anything else at once."""
    size, more = 0, scope["method"] == "POST"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    text = str(size).encode()
    head = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": text})


class _Server(Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture(
    scope="module", params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def address(request) -> Iterator[tuple[str, int]]:
    """Where a server listens that gives a head 0.3 s, a body 0.5 s, and has place for 40 connections."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    limits = ConnectionLimits(max_connections=40, head_s=0.3, gap_s=0.5, body_s=0.5, linger_s=0.2)
    server = _Server(app, limits, 2.0)

    def serve() -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(server.serve(sockets=[listening]))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        server.should_exit = True
        thread.join(20)


def answer_to(address, *pieces: bytes, half_close: bool = False) -> bytes:
    """What the server says to these bytes until it closes, or for as long as it takes to answer."""
    with socket.create_connection(address, timeout=5) as connection:
        with suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionError, TimeoutError):
            while piece := connection.recv(65_536):
                answer += piece
                connection.settimeout(0.5)
        return answer


def statuses(answer: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def get(path: bytes, method: bytes = b"GET", more: bytes = b"") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\nhost: a\r\n" + more + b"\r\n"


REFUSED = {
    "http/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 50, 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500, 400),
    "CONNECT": (get(b"x:443", b"CONNECT"), 400),
    "unknown method": (get(b"/", b"FOO"), 400),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
    "length and chunked": (POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (POST + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", 400),
    "negative length": (POST + b"content-length: -3\r\n\r\nabcd", 400),
    "length without bound": (POST + b"content-length: 99999999999999999999999\r\n\r\n", 400),
    "folded header": (b"GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n", 400),
    "space before colon": (b"GET / HTTP/1.1\r\nhost : a\r\n\r\n", 400),
    "NUL": (b"GET / HTTP/1.1\r\nhost: a\0b\r\n\r\n", 400),
    "bare line feeds": (b"GET / HTTP/1.1\nhost: a\n\n", 400),
    "raw UTF-8 path": ("GET /ü HTTP/1.1\r\nhost: a\r\n\r\n".encode(), 400),
    "100 MiB header": (b"GET / HTTP/1.1\r\nx: " + b"a" * (100 * MIB), 431),
    "100 MiB URL": (b"GET /" + b"a" * (100 * MIB), 414),
    "a million headers": (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * MIB, 431),
    "a head that never ends": (b"GET / HTTP/1.1\r\n", 408),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_gets_an_answer_and_is_closed(address, name):
    request, status = REFUSED[name]
    answer = answer_to(address, request)
    assert statuses(answer) == [status]
    assert b"connection: close\r\n" in answer
    assert b"x-request-id: " in answer


TAKEN = {
    "pipelined": (get(b"/") * 200, [200] * 200),
    "pipelined with bodies": ((POST + b"content-length: 5\r\n\r\nhello") * 50, [200] * 50),
    "absolute form": (get(b"http://a/x"), [200]),
    "absolute form without a path": (get(b"http://a"), [200]),
    "any resource": (get(b"*", b"OPTIONS"), [200]),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", [200]),
    "another protocol offered": (get(b"/", more=b"connection: upgrade\r\nupgrade: h2c\r\n"), [200]),
    "a websocket": (get(b"/", more=b"connection: upgrade\r\nupgrade: websocket\r\n"), [200]),
    "100 Continue": (POST + b"content-length: 2\r\nexpect: 100-continue\r\n\r\n{}", [100, 200]),
    "small chunks": (CHUNKED + b"1\r\n \r\n" * 100_000 + b"0\r\n\r\n", [200]),
    "trailers": (CHUNKED + b"2\r\nab\r\n0\r\nx: y\r\n\r\n", [200]),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken(address, name):
    request, expected = TAKEN[name]
    assert statuses(answer_to(address, request)) == expected


ENDLESS = {
    "chunk extension": CHUNKED + b"1;" + b"e" * (20 * MIB),
    "trailer": CHUNKED + b"2\r\nab\r\n0\r\nx: " + b"t" * (20 * MIB),
    "trailers": CHUNKED + b"2\r\nab\r\n0\r\n" + b"x: t\r\n" * (4 * MIB),
    "chunk size": CHUNKED + b"FFFFFFFFFFFFFFFFFFFF\r\n",
    "body that never comes": POST + b"content-length: 10\r\n\r\n",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_cut_off(address, name):
    began = time.monotonic()
    with socket.create_connection(address, timeout=10) as connection, suppress(ConnectionError):
        connection.sendall(ENDLESS[name])
        while connection.recv(65_536):
            pass
    assert time.monotonic() - began < 8


def test_a_caller_who_half_closes_gets_the_answer(address):
    assert statuses(answer_to(address, get(b"/"), half_close=True)) == [200]


def test_silent_and_dripping_connections_give_way_to_others(address):
    slow = [socket.create_connection(address, timeout=10) for _ in range(120)]
    try:
        for number, each in enumerate(slow):
            with suppress(ConnectionError):
                each.sendall((b"", b"G", POST + b"content-length: 100000\r\n\r\nx")[number % 3])
        for _ in range(20):
            caller = http.client.HTTPConnection(*address, timeout=5)
            caller.request("GET", "/")
            assert caller.getresponse().status == 200
            caller.close()
    finally:
        for each in slow:
            each.close()
