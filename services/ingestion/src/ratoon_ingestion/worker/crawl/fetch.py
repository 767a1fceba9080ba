"""One request for one page, within bounds of time and size, to a checked address. Redirects are not followed."""

import http.client
import threading
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ratoon_ingestion.worker.crawl.checked_http import (
    AddressRefused,
    Connection,
    NameUnknown,
    address_of,
    connection,
)
from ratoon_ingestion.worker.crawl.urls import place_of, target_of

_WAIT_S = 10.0
"""Seconds to connect, and to wait for the next bytes."""
_CHUNK = 64 << 10
_ACCEPT = "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.1"


class FetchFailed(Exception):
    """A request without an answer that can be used; `is_passing`: another attempt may help."""

    def __init__(self, reason: str, detail: str, is_passing: bool = False) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.is_passing = reason, detail, is_passing


@dataclass(frozen=True)
class Answer:
    """Status, headers by lowercase name, and decompressed body of an answer; `b""` if the body was not read."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """Return the media type without parameters, in lowercase."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


BodyFilter = Callable[[Answer], bool]
"""Returns from the status and the headers whether the body is read."""


class Fetcher:
    """Requests with the crawler's name."""

    def __init__(self, user_agent: str, private_hosts: Collection[str], page_seconds: float = 60.0) -> None:
        """`private_hosts` may have private addresses; `page_seconds` limits one request with its answer."""
        self._user_agent, self._private_hosts = user_agent, frozenset(private_hosts)
        self._page_seconds = page_seconds

    def get(
        self,
        url: str,
        max_bytes: int,
        reads_body: BodyFilter = lambda _: True,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer of a canonical address; FetchFailed if there is none within the bounds."""
        place = place_of(url)
        sent = {
            "User-Agent": self._user_agent,
            "Accept": _ACCEPT,
            "Accept-Encoding": "gzip",
            "Connection": "close",
            **(headers or {}),
        }
        try:
            is_listed = place.netloc in self._private_hosts or place.host in self._private_hosts
            address = address_of(place.host.strip("[]"), place.port, is_listed)
        except NameUnknown as error:
            raise FetchFailed("HOST_UNKNOWN", str(error), is_passing=True) from error
        except AddressRefused as error:
            raise FetchFailed("PRIVATE_ADDRESS", str(error)) from error
        opened = connection(place.scheme, place.host.strip("[]"), place.port, address, _WAIT_S)
        with _deadline(opened, self._page_seconds) as deadline:
            try:
                opened.request("GET", target_of(url), headers=sent)
                answer = _read(opened.getresponse(), max_bytes, reads_body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                if deadline.is_over:
                    raise FetchFailed(
                        "TIMEOUT", f"no whole answer within {self._page_seconds:g} s"
                    ) from error
                detail = f"the host does not answer: {type(error).__name__}"
                raise FetchFailed("UNREACHABLE", detail, is_passing=True) from error
        if deadline.is_over:  # the end of the connection may look like that of the body
            raise _timeout(self._page_seconds)
        return answer


@dataclass
class _Deadline:
    is_over: bool = False


@contextmanager
def _deadline(opened: Connection, seconds: float) -> Iterator[_Deadline]:
    """End a connection after some seconds, however slowly bytes drip; close it in any case."""
    deadline = _Deadline()

    def end() -> None:
        deadline.is_over = True
        opened.abort()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield deadline
    finally:
        timer.cancel()
        opened.close()


def _read(response: http.client.HTTPResponse, max_bytes: int, reads_body: BodyFilter) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    answer = Answer(response.status, headers)
    if not reads_body(answer):
        return answer
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return Answer(answer.status, headers, _plain(response, max_bytes))
    if coding in ("gzip", "x-gzip"):
        return Answer(answer.status, headers, _unpacked(response, max_bytes))
    raise FetchFailed(
        "CONTENT_ENCODING", f"the answer is encoded as {coding[:40]!r}, which was not requested"
    )


def _plain(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    body = bytearray()
    while chunk := response.read(_CHUNK):
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    if response.length:
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _unpacked(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    body, unpacker = bytearray(), zlib.decompressobj(wbits=31)
    while chunk := response.read(_CHUNK):
        while chunk:
            try:
                body += unpacker.decompress(chunk, max_bytes + 1 - len(body))
            except zlib.error as error:
                raise FetchFailed("CONTENT_ENCODING", "the compressed answer is damaged") from error
            if len(body) > max_bytes:
                raise _too_large(max_bytes)
            chunk = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise FetchFailed("CONTENT_ENCODING", "the compressed answer is truncated", is_passing=True)
    return bytes(body)


def _too_large(max_bytes: int) -> FetchFailed:
    return FetchFailed("TOO_LARGE", f"more than {max_bytes:,} bytes")


def _timeout(seconds: float) -> FetchFailed:
    return FetchFailed("TIMEOUT", f"no whole answer within {seconds:g} s")
