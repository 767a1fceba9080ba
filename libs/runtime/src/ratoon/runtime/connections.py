"""One HTTP/1.1 connection with bounds on bytes, headers and time: uvicorn's protocol, hardened. It knows no route.

- Head: a bound on its bytes, on the URL and on the number of headers. Bytes are counted before the parser sees them,
  because the parser joins the pieces of one header in quadratic time.
- Time: a whole head within `head_s`; a body that never rests longer than `gap_s` and reaches `body_bytes_per_s` on
  average; a reader that takes in what was sent within `stall_s`.
- Count: at `max_connections` the connection that waits longest for its caller gives way to the new one.
- Drain: an answer that begins during the drain says `connection: close`. An idle connection is closed only while no
  request lies in its receive buffer.
"""

import asyncio
import json
import math
import re
import time
import uuid
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import IntEnum
from fcntl import ioctl
from http import HTTPStatus
from struct import unpack
from termios import FIONREAD
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_VERSIONS = ("0.9", "1.0", "1.1")
_OFFERS = (b"upgrade", b"http2-settings")
"""Headers, and words of `connection`, that offer another protocol."""
_UNBOUNDED = 1 << 62
_PROGRESS_BYTES = 1 << 10
"""A caller that sent this much in one piece makes progress."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of one server's connections. Bytes of a head are those of request line, headers and trailers."""

    max_connections: int = 10_000
    head_bytes: int = 64 << 10
    url_bytes: int = 16 << 10
    header_count: int = 100
    unread_bytes: int = 64 << 20
    """Bytes of a body that are dropped after an early answer, before the connection is closed."""
    head_s: float = 10.0
    gap_s: float = 30.0
    body_s: float = 60.0
    """Seconds after which a body must have come at `body_bytes_per_s` on average."""
    body_bytes_per_s: float = 1024.0
    stall_s: float = 30.0
    idle_s: float = 620.0
    """Longer than the connection pools of clients and load balancers keep an idle connection."""
    leave_s: float = 5.0
    """Seconds that callers have to leave an idle connection once the drain began."""
    linger_s: float = 2.0


class _Place(IntEnum):
    """A connection's place in the order of giving way."""

    NEW = 0
    IDLE = 1
    SENDS = 2
    BUSY = 3


@dataclass(slots=True)
class Connections:
    """State that the connections of one server share."""

    limits: ConnectionLimits
    draining: bool = False
    refused: int = 0
    """Connections that found no place, since the start."""
    waiting: tuple[dict["BoundedProtocol", None], ...] = field(default_factory=lambda: ({}, {}, {}))
    """Connections that wait for their caller, by place; the one without progress for longest comes first."""
    _date: tuple[int, bytes] = (0, b"")

    def longest_waiting(self) -> "BoundedProtocol | None":
        """Return the connection that gives way first; None if all are busy."""
        return next((next(iter(each)) for each in self.waiting if each), None)

    def date(self) -> bytes:
        """Return the value of the `date` header now."""
        now = int(time.time())
        if now != self._date[0]:
            self._date = now, formatdate(now, usegmt=True).encode()
        return self._date[1]


class _Refused(Exception):
    """The request is refused before any application sees it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


_TOO_MANY = _Refused(
    503, "TOO_MANY_CONNECTIONS", "The server has no place for another connection; try again in a moment."
)
_BROKEN = _Refused(500, "INTERNAL", "The server made a mistake; its log says which.")


class _Cycle(RequestResponseCycle):
    """One request and its answer."""

    protocol: "BoundedProtocol"

    async def receive(self) -> Any:
        """Return the next part of the body; from now on the caller is waited for again."""
        if self.flow.read_paused:
            self.protocol.measure_body()
        return await super().receive()

    async def send(self, message: Any) -> None:
        """Write a part of the answer; wait while the caller does not read."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        expected = "http.response.body" if self.response_started else "http.response.start"
        if message["type"] != expected or self.response_complete:
            raise RuntimeError(f"The application sent {message['type']!r} out of order.")
        if not self.response_started:
            self._write_head(int(message["status"]), message.get("headers", ()))
        else:
            self._write_body(message.get("body", b""), bool(message.get("more_body")))

    def _write_head(self, status: int, headers: Any) -> None:
        self.response_started, self.waiting_for_100_continue = True, False
        content, names = [STATUS_LINE[status]], set()
        for name, value in headers:
            if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
                raise RuntimeError(f"The application sent an invalid header: {name!r}.")
            name = name.lower()
            names.add(name)
            self._note(name, value)
            content += (name, b": ", value, b"\r\n")
        content += self._common(names)
        if not self.keep_alive and b"connection" not in names:
            content.append(b"connection: close\r\n")
        if self.chunked_encoding is None and not self._without_body(status):
            self._delimit(content)
        content.append(b"\r\n")
        self.transport.write(b"".join(content))

    async def send_500_response(self) -> None:
        """Answer for an application that failed before it did."""
        await _send_last(self.send, _BROKEN)

    def _note(self, name: bytes, value: bytes) -> None:
        """Take over what a header of the application says of length and connection."""
        if name == b"content-length" and self.chunked_encoding is None:
            self.expected_content_length, self.chunked_encoding = int(value), False
        elif name == b"connection" and b"close" in value.lower():
            self.keep_alive = False

    def _common(self, names: set[bytes]) -> list[bytes]:
        """Return the headers of every answer, `date` and `x-request-id`."""
        added = [] if b"date" in names else [b"date: ", self.protocol.shared.date(), b"\r\n"]
        if b"x-request-id" not in names:
            added += (b"x-request-id: ", _request_id(list(self.scope["headers"])), b"\r\n")
        return added

    def _without_body(self, status: int) -> bool:
        return self.scope["method"] == "HEAD" or status in (204, 304)

    def _delimit(self, content: list[bytes]) -> None:
        """An answer of unknown length is chunked; for HTTP/1.0 the end of the connection ends it."""
        if self.scope["http_version"] == "1.0":
            self.chunked_encoding, self.expected_content_length = False, _UNBOUNDED
        else:
            self.chunked_encoding = True
            content.append(b"transfer-encoding: chunked\r\n")

    def _write_body(self, body: bytes, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
        elif self.chunked_encoding:
            chunk = [b"%x\r\n" % len(body), body, b"\r\n"] if body else []
            self.transport.write(b"".join(chunk if more else [*chunk, b"0\r\n\r\n"]))
        else:
            if len(body) > self.expected_content_length:
                raise RuntimeError("The answer is longer than its content-length.")
            if self.expected_content_length < _UNBOUNDED:
                self.expected_content_length -= len(body)
            self.transport.write(body)
        if not more:
            self._complete()

    def _complete(self) -> None:
        if self.expected_content_length not in (0, _UNBOUNDED):
            raise RuntimeError("The answer is shorter than its content-length.")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.protocol.close_after_answer()
        self.on_response()


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    shared: Connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; at the bound the connection that waits longest gives way."""
        super().connection_made(transport)
        self._limits = self.shared.limits
        self._in_head, self._whole, self._begun, self._closing = True, False, False, False
        self._offered = False
        self._head_bytes = self._header_count = self._unproductive = self._unread = 0
        self._head_size = self._hosts = 0
        self._body_bytes, self._body_began, self._last_body = 0, 0.0, 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timed = ""
        self._stall: asyncio.TimerHandle | None = None
        self._place = _Place.BUSY
        self._overloaded = not self._make_place()
        self._settle()

    def _make_place(self) -> bool:
        if len(self.connections) <= self._limits.max_connections:
            return True
        other = self.shared.longest_waiting()
        if other is None:
            self.shared.refused += 1
            return False
        self.connections.discard(other)
        other._leave_place()
        other.transport.abort()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """End: nothing of it is left."""
        self._stop_timer()
        self._unset_keepalive_if_required()
        self._stop_stall()
        self._leave_place()
        super().connection_lost(exc)

    # From the caller

    def data_received(self, data: bytes) -> None:
        """Take in bytes of a request."""
        if self._closing:
            return
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade:
            if self.cycle is not None:
                self.cycle.keep_alive = (
                    False  # no other protocol is spoken here: the answer is HTTP/1.1, and the last
                )
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, _Refused) else _malformed())
        except _Refused as refused:
            self._refuse(refused)
        if not self._closing:
            self._settle(len(data) >= _PROGRESS_BYTES)

    def _feed(self, data: bytes) -> None:
        """Parse bytes: of a head no more than it may have, of a body no more without progress."""
        if self._in_head:
            data = self._feed_head(data)
        elif not self._whole:
            if self._unproductive > self._limits.head_bytes:
                raise self._head_too_large()
            self._unproductive += len(data)
        if data:
            self._parse(data)

    def _feed_head(self, data: bytes) -> bytes:
        """Parse as much as a head may have; return the rest, which is not of this head."""
        max_bytes = self._limits.head_bytes + self._limits.url_bytes
        left = max_bytes - self._head_bytes
        self._head_bytes += min(len(data), left)
        self._parse(data[:left])
        if len(data) > left and self._in_head and self._head_bytes >= max_bytes:
            raise self._head_too_large()
        return data[left:]

    def _parse(self, data: bytes) -> None:
        """Parse bytes. The parser takes no body from a caller who offers another protocol: it reads on without that."""
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                if not self._offered:
                    raise
                data = self._plain_head() + data[upgrade.args[0] :]
                self.parser, self._offered = httptools.HttpRequestParser(self), False

    def _plain_head(self) -> bytes:
        """The head of the request as if no other protocol were offered."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                words = [word.strip() for word in value.split(b",")]
                value = b", ".join(word for word in words if word.lower() not in _OFFERS)
            if name not in _OFFERS:
                lines.append(name + b": " + value)
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head, self._whole, self._begun = True, False, True
        self._head_bytes = self._header_count = self._unproductive = self._unread = 0
        self._head_size = self._hosts = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take in a piece of the URL."""
        if len(self.url) + len(url) > self._limits.url_bytes:
            raise _Refused(
                414, "URL_TOO_LONG", f"The URL is longer than {self._limits.url_bytes:,} bytes; shorten it."
            )
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header; trailers are dropped."""
        if not self._in_head:
            return
        self._header_count += 1
        if self._header_count > self._limits.header_count:
            raise _Refused(
                431, "TOO_MANY_HEADERS", f"The request has more than {self._limits.header_count} headers."
            )
        name = name.lower()
        if name == b"host":
            self._hosts += 1
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self._head_size += len(name) + len(value) + 4
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Start the application, or queue the request behind the one that is being answered."""
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._offered = True
            return
        self._in_head = False
        self._check_head()
        self.measure_body()
        before = self.cycle
        self.cycle = self._new_cycle()
        app = _overloaded if self._overloaded else self.app
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, app)
            return
        if self.shared.draining and not before.response_started:
            before.keep_alive = True  # not the last answer any more
        self.flow.pause_reading()
        self.pipeline.appendleft((self.cycle, app))

    def _check_head(self) -> None:
        if len(self.url) + self._head_size > self._limits.head_bytes:
            raise self._head_too_large()
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            raise _Refused(
                505, "HTTP_VERSION_NOT_SUPPORTED", f"HTTP/{version} is not spoken here; send HTTP/1.1."
            )
        if self._hosts > 1 or (version == "1.1" and not self._hosts):
            raise _Refused(400, "MALFORMED_REQUEST", "The request must have one host header.")

    def _new_cycle(self) -> _Cycle:
        version = self.parser.get_http_version()
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = version
        self._read_url()
        cycle = _Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive() and not self.shared.draining,
            on_response=self.on_response_complete,
        )
        cycle.protocol = self
        return cycle

    def _read_url(self) -> None:
        """Fill path and query of the scope; `*` is the path of `OPTIONS *`."""
        path, query = self.url, b""
        if self.url != b"*":
            try:
                parsed = httptools.parse_url(self.url)
            except httptools.HttpParserInvalidURLError:
                raise _malformed("The URL") from None
            path, query = parsed.path or b"/", parsed.query or b""
        text = path.decode("latin-1")
        self.scope["path"] = self.root_path + (unquote(text) if "%" in text else text)
        self.scope["raw_path"] = self.root_path.encode("ascii") + path
        self.scope["query_string"] = query

    def on_body(self, body: bytes) -> None:
        """Take in a piece of a body."""
        self._unproductive = 0
        self._body_bytes += len(body)
        self._last_body = self.loop.time()
        if self.cycle.response_complete:
            self._unread += len(body)
            if self._unread > self._limits.unread_bytes:
                self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self._offered:
            return
        self._whole, self._begun = True, False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is out; the next request of the pipeline, or of the caller, may come."""
        if self.flow.read_paused:
            self.measure_body()
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None and self.shared.draining:
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self._limits.leave_s, self.timeout_keep_alive_handler
            )
        self._settle()

    # Time and place

    def _settle(self, progress: bool = False) -> None:
        """Choose the place among the waiting connections and the time limit of the state that the connection is in."""
        if self._closing or self.transport.is_closing():
            return
        answers = self.cycle is not None and not self.cycle.response_complete
        sends = not self._whole and not self._in_head
        if sends:
            self._take_place(_Place.SENDS, progress)
        elif answers:
            self._take_place(_Place.BUSY)
        else:
            self._take_place(_Place.NEW if self.cycle is None else _Place.IDLE)
        if self._whole:
            self._stop_timer()
        elif self._timed != ("body" if sends else "head"):
            self._start_timer(
                "body" if sends else "head", self._limits.gap_s if sends else self._limits.head_s
            )

    def _take_place(self, place: _Place, again: bool = False) -> None:
        if place is self._place and not again:
            return
        self._leave_place()
        self._place = place
        if place is not _Place.BUSY:
            self.shared.waiting[place][self] = None

    def _leave_place(self) -> None:
        if self._place is not _Place.BUSY:
            self.shared.waiting[self._place].pop(self, None)
            self._place = _Place.BUSY

    def _start_timer(self, timed: str, seconds: float) -> None:
        self._stop_timer()
        self._timed = timed
        self._timer = self.loop.call_later(
            max(seconds, 0.0), self._head_late if timed == "head" else self._body_late
        )

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timed = None, ""

    def _head_late(self) -> None:
        """The head is not whole in time; while an answer goes out, its caller may take longer over the next request."""
        self._timed = ""
        if self.cycle is not None and not self.cycle.response_complete:
            self._start_timer("head", self._limits.head_s)
        elif self._begun:
            self._refuse(_Refused(408, "REQUEST_TIMEOUT", "The head of the request did not come in time."))
        else:
            self.transport.abort()

    def _body_late(self) -> None:
        """Close unless the body came fast enough; time in which this side did not read does not count."""
        now = self.loop.time()
        if self.flow.read_paused:
            self.measure_body()
        due = min(
            self._last_body + self._limits.gap_s,
            self._body_began + self._limits.body_s + self._earned_s(),
        )
        if due <= now:
            self.transport.abort()
        else:
            self._start_timer("body", due - now)

    def measure_body(self) -> None:
        """Measure the caller's speed from now on."""
        self._body_bytes, self._body_began = 0, self.loop.time()
        self._last_body = self._body_began

    def _earned_s(self) -> float:
        """Seconds that the bytes of the body so far may take."""
        rate = self._limits.body_bytes_per_s
        return self._body_bytes / rate if rate else math.inf

    def pause_writing(self) -> None:
        """More waits for the caller than should."""
        self._stop_stall()
        self._stall = self.loop.call_later(self._limits.stall_s, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        """The caller reads."""
        self._stop_stall()
        super().resume_writing()

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    # The end

    def drain(self) -> None:
        """Let the answer that has not begun yet be the connection's last one."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close the connection if it is idle; a request that is on its way is answered first."""
        self.drain()
        between = self.cycle is None or self.cycle.response_complete
        if self._closing or (between and not self._has_begun()):
            self.transport.close()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, unless a request has arrived just now."""
        if self.transport.is_closing() or self._has_begun():
            return
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # the caller never read the answer
        else:
            self.transport.close()

    def _has_begun(self) -> bool:
        """Return whether a part of a request is here, read or not."""
        return self._begun or _unread_bytes(self.transport) > 0

    def close_after_answer(self) -> None:
        """Close once the answer is out; take in the rest of the request first, or the caller may lose the answer."""
        if self._whole or self.pipeline:
            self.transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """Say that nothing more comes, and drop what the caller still sends, for a moment."""
        self._closing = True
        self._stop_timer()
        self._take_place(_Place.NEW)
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(self._limits.linger_s, self.transport.abort)

    def _refuse(self, refused: _Refused) -> None:
        """Answer what no application sees; where another answer is on its way, only close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._closing = True
            self.transport.close()
            return
        body = _problem(refused)
        head = [
            STATUS_LINE[refused.status],
            b"content-type: application/problem+json\r\nconnection: close\r\n",
            b"content-length: %d\r\ndate: %b\r\n" % (len(body), self.shared.date()),
            b"x-request-id: %b\r\n\r\n" % _request_id(self.headers or []),
        ]
        self.transport.write(b"".join([*head, body]))
        self._linger()

    def _head_too_large(self) -> _Refused:
        return _Refused(
            431,
            "HEADERS_TOO_LARGE",
            f"The request's headers are larger than {self._limits.head_bytes:,} bytes; send fewer or shorter ones.",
        )


def bounded_protocol(shared: Connections) -> type[BoundedProtocol]:
    """Return the protocol class of one server's connections."""
    return type("Bounded", (BoundedProtocol,), {"shared": shared})


async def _overloaded(_scope: Any, _receive: Any, send: Any) -> None:
    """Answer a request for which there is no place."""
    await _send_last(send, _TOO_MANY, (b"retry-after", b"1"))


async def _send_last(send: Any, refused: _Refused, *more: tuple[bytes, bytes]) -> None:
    """Write an error as the last answer of the connection."""
    body = _problem(refused)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        *more,
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _malformed(what: str = "The request") -> _Refused:
    return _Refused(400, "MALFORMED_REQUEST", f"{what} is not valid HTTP/1.1.")


def _problem(refused: _Refused) -> bytes:
    """An error in both shapes, because no route says which one the caller reads: RFC 9457 and OpenAI's."""
    kind = "invalid_request_error" if refused.status < 500 else "server_error"
    return json.dumps(
        {
            "type": f"urn:ratoon:error:{refused.reason.lower().replace('_', '-')}",
            "title": HTTPStatus(refused.status).phrase,
            "status": refused.status,
            "detail": refused.message,
            "reason": refused.reason,
            "error": {
                "message": refused.message,
                "type": kind,
                "param": None,
                "code": refused.reason.lower(),
            },
        }
    ).encode()


def _request_id(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The caller's own id of the request, if it has a usable one, or a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value
    return uuid.uuid4().hex.encode()


def _unread_bytes(transport: asyncio.Transport) -> int:
    """Bytes in the receive buffer of a connection's socket."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return 0
    try:
        return int(unpack("i", ioctl(sock.fileno(), FIONREAD, bytes(4)))[0])
    except OSError:
        return 0
