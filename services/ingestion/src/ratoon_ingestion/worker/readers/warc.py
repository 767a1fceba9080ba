"""Web archives: the pages of WARC and ARC files, and the extracted texts of WET files.

A record that is damaged, no page, or an answer other than 200 is one rejection; the records after it are read.
"""

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, BinaryIO

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecord
from warcio.statusandheaders import StatusAndHeadersParserException

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.charset import EncodingRefused, decode, embedded_charset, readable
from ratoon_ingestion.worker.filetypes import binary_kind
from ratoon_ingestion.worker.mail import is_markup
from ratoon_ingestion.worker.readers.items import (
    Item,
    Kind,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
    as_time,
    bomb,
    check_encoding,
)
from ratoon_ingestion.worker.readers.values import cell_line

_CHUNK = 64 << 10
_GZIP = b"\x1f\x8b\x08"
_RECORD = b"\nWARC/1."
_STARTS = (b"WARC/", b"filedesc:")
_URL_CHARS = 1_024
_PAGES = ("text/html", "application/xhtml+xml")
_OK = "200"
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w:.+-]{2,40})", re.IGNORECASE)
_ARC_LINE = re.compile(rb"[a-z]{2,10}:[^ \n]{1,2000} \S+ \d{14} ")
_FAULTS = (
    ArchiveLoadFailed, StatusAndHeadersParserException, EOFError, OSError, zlib.error, ValueError, LookupError,
    AttributeError, TypeError,
)  # fmt: skip
"""What damaged records make the library raise."""
_SILENT = ("request", "metadata", "warcinfo", "arc_header")
"""Records about others."""

Entry = Item | Rejection


def read_warc(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Iterator[Entry]:
    """Yield the pages and texts of a web archive, each named by the number of its record."""
    check_encoding(source)
    number = 0
    with store.open(source.digest) as stream:
        for part in _parts(source, stream, limits):
            for entry in _entries(source, part, limits):
                number += 1
                if entry is not None:
                    yield replace(entry, path=f"record-{number}")


def _entries(source: SourceSpec, part: "_Part", limits: Limits) -> Iterator[Entry | None]:
    """Yield an entry for each record of a part, None for those about others.

    An entry waits until the bytes after its record were read, which tell whether it is whole.
    """
    records = ArchiveIterator(part)
    waiting: list[Entry | None] = []
    start = 0
    while True:
        try:
            record = next(records, None)
            if records.err_count:
                part.fail("the record has another length than it declares", start)
                break
            if record is None:
                break
            yield from waiting
            waiting, start = [], records.offset
            waiting = [_entry(source, record, limits)]
        except _FAULTS as error:
            yield from waiting
            waiting = []
            part.fail(f"the record is damaged ({type(error).__name__})", records.offset)
            break
    part.finish()
    if part.fault and (not waiting or isinstance(waiting[0], Item)):
        waiting = [Rejection("", Rejected.DAMAGED_MEMBER, part.fault)]
    yield from waiting


def _entry(source: SourceSpec, record: ArcWarcRecord, limits: Limits) -> Entry | None:
    if sum(name.lower() == "warc-type" for name, _ in record.rec_headers.headers) > 1:
        raise ValueError("the headers of two records")
    if record.rec_type in _SILENT:
        return None
    kind, charset = _content_type(record)
    if (refused := _refused(record, kind)) is not None:
        return refused
    data = record.content_stream().read(limits.item_bytes + 1)
    if len(data) > limits.item_bytes:
        return Rejection("", Rejected.TOO_LARGE, f"more than {limits.item_bytes} bytes")
    if _missing(record):
        return Rejection("", Rejected.DAMAGED_MEMBER, "the record is truncated")
    if not data:
        return Rejection("", Rejected.NO_TEXT, "the answer is empty")
    return _text(source, record, data, kind, charset)


def _refused(record: ArcWarcRecord, kind: str) -> Rejection | None:
    """Return why a record is no page, as its headers say."""
    if record.rec_type == "revisit":
        return Rejection("", Rejected.REVISIT, "it refers to an earlier record")
    if record.rec_type not in ("conversion", "resource", "response"):
        return Rejection("", Rejected.NOT_TEXT, f"a record of the type {record.rec_type[:40]}")
    if record.rec_type == "response" and record.http_headers is not None:
        status = record.http_headers.get_statuscode() or "unknown"
        if status != _OK:
            return Rejection("", Rejected.HTTP_STATUS, f"status {status[:10]}")
    if kind and kind not in _PAGES and kind != "text/plain":
        return Rejection("", Rejected.NOT_TEXT, kind[:100])
    return None


def _text(source: SourceSpec, record: ArcWarcRecord, data: bytes, kind: str, charset: str) -> Entry:
    if (other := binary_kind(data)) is not None:
        return Rejection("", Rejected.NOT_TEXT, f"{other} that calls itself {kind or 'nothing'}")
    try:
        content = decode(data, charset or embedded_charset(data), source.encoding)
    except EncodingRefused as error:
        return Rejection("", Rejected.UNDECODABLE, str(error)[:200])
    attributes = _attributes(record)
    item = Kind.HTML if kind in _PAGES or is_markup(content.text) else Kind.CELL
    if content.guessed:
        attributes["charset"] = readable(content)
        item = item.guessed if item is Kind.CELL else item
    elif content.replaced and item is Kind.CELL:
        item = item.lossy
    return Item("", item, content.text.encode("utf-8", errors="replace"), None, _time(record), attributes)


def _attributes(record: ArcWarcRecord) -> dict[str, str]:
    """Return the address of a page, and why the crawler cut it, if it did."""
    headers = record.rec_headers
    values = {
        "url": headers.get_header("WARC-Target-URI") or headers.get_header("uri"),
        "truncated": headers.get_header("WARC-Truncated"),
    }
    return {name: cell_line(value[:_URL_CHARS]) or "" for name, value in values.items() if value}


def _time(record: ArcWarcRecord) -> datetime | None:
    headers = record.rec_headers
    stamp = headers.get_header("WARC-Date") or headers.get_header("archive-date") or ""
    if stamp.isdigit():
        stamp = f"{stamp[:8]}T{stamp[8:14]}"
    return as_time(stamp) if stamp else None


def _content_type(record: ArcWarcRecord) -> tuple[str, str]:
    """Return the type that a page declares, and its charset; empty where it declares none."""
    headers = record.http_headers if record.http_headers is not None else record.rec_headers
    kind, _, parameters = (headers.get_header("Content-Type") or "").partition(";")
    charset = _CHARSET.search(parameters)
    return kind.strip().lower(), charset.group(1) if charset else ""


def _missing(record: ArcWarcRecord) -> bool:
    """Return whether a record has fewer bytes than it declares."""
    raw: Any = record.raw_stream
    while raw.read(_CHUNK):
        pass
    return bool(getattr(raw, "limit", 0))


class _Part:
    """Bytes of one or several records as warcio reads them: a member of a gzip file, or the rest of a plain one."""

    def __init__(self) -> None:
        self.fault = ""
        """What is wrong with the part."""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, none at the end or where the part is damaged."""
        raise NotImplementedError

    def tell(self) -> int:
        """Return the place in the part."""
        raise NotImplementedError

    def fail(self, fault: str, place: int) -> None:
        """Note that the record at a place is damaged."""
        raise NotImplementedError

    def finish(self) -> None:
        """Read to the end."""
        while self.read(_CHUNK):
            pass


class _PlainPart(_Part):
    """A plain web archive from a place on."""

    def __init__(self, stream: BinaryIO, start: int) -> None:
        super().__init__()
        self._stream = stream
        self._start = start
        self.failed_at: int | None = None

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        return self._stream.read(_CHUNK if size < 0 else size)

    def tell(self) -> int:
        """Return the place in the file."""
        return self._stream.tell()

    def fail(self, fault: str, place: int) -> None:
        """Note where the record is damaged."""
        self.fault, self.failed_at = fault, max(place, self._start)

    def finish(self) -> None:
        """Leave the rest to the next part."""


class _GzipPart(_Part):
    """One member of a gzip file."""

    is_broken = False

    def __init__(self, members: "_Members") -> None:
        super().__init__()
        self._members = members
        self._unpack = zlib.decompressobj(wbits=31)
        self._place = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        while not self._has_ended():
            packed = self._unpack.unconsumed_tail or self._members.packed()
            if not packed:
                self.fault, self.is_broken = "the gzip file is truncated", True
                break
            try:
                data = self._unpack.decompress(packed, _CHUNK if size < 0 else size)
            except zlib.error:
                self.fault = "the gzip member is damaged, or its checksum is wrong"
                self.is_broken = True
                break
            if self._unpack.eof:
                self._members.put_back(len(self._unpack.unused_data))
            if data:
                self._place += len(data)
                self._members.count(len(data))
                return data
        return b""

    def _has_ended(self) -> bool:
        return self._unpack.eof or self.is_broken

    def tell(self) -> int:
        """Return the place in the unpacked member."""
        return self._place

    def fail(self, fault: str, place: int) -> None:
        """Note that a record is damaged."""
        self.fault = self.fault or fault


class _Members:
    """The members of a gzip file; behind a damaged one, the next that begins as a record does."""

    def __init__(self, source: SourceSpec, stream: BinaryIO, limits: Limits) -> None:
        self._source, self._stream, self._limits = source, stream, limits
        self._unpacked = 0

    def parts(self) -> Iterator[_GzipPart]:
        """Yield each member."""
        start: int | None = 0
        while start is not None:
            self._stream.seek(start)
            part = _GzipPart(self)
            yield part
            part.finish()
            start = self._next(self._stream.tell() if not part.is_broken else start + 1)

    def packed(self) -> bytes:
        """Return the next packed bytes."""
        return self._stream.read(_CHUNK)

    def put_back(self, count: int) -> None:
        """Return bytes that belong to the next member."""
        self._stream.seek(-count, io.SEEK_CUR)

    def count(self, size: int) -> None:
        """Count unpacked bytes; SourceUnreadable if they are too many."""
        self._unpacked += size
        limits = self._limits
        if self._unpacked > limits.total_bytes:
            raise bomb(self._source, f"decompresses to more than {limits.total_bytes:,} bytes")
        if self._unpacked > max(limits.ratio_floor, limits.ratio * self._stream.tell()):
            raise bomb(
                self._source, f"decompresses {self._stream.tell():,} bytes to more than {self._unpacked:,}"
            )

    def _next(self, start: int) -> int | None:
        """Return where the next member begins that holds a record; None if there is none."""
        self._stream.seek(start)
        if (following := self._stream.read(len(_GZIP))) == _GZIP or not following:
            return start if following else None
        for place in _places(self._stream, start, _GZIP):
            self._stream.seek(place)
            try:
                head = zlib.decompressobj(wbits=31).decompress(self._stream.read(_CHUNK), 64)
            except zlib.error:
                continue
            if head.startswith(_STARTS) or _ARC_LINE.match(head):
                return place
        return None


def _places(stream: BinaryIO, start: int, sign: bytes) -> Iterator[int]:
    """Yield the places of some bytes from a place on."""
    stream.seek(start)
    rest = b""
    while chunk := stream.read(_CHUNK):
        window, base = rest + chunk, start - len(rest)
        start += len(chunk)
        place = window.find(sign)
        while place >= 0:
            yield base + place
            place = window.find(sign, place + 1)
        stream.seek(start)
        rest = window[-(len(sign) - 1) :]


def _parts(source: SourceSpec, stream: BinaryIO, limits: Limits) -> Iterator[_Part]:
    head = stream.read(len(_GZIP))
    if head == _GZIP:
        yield from _Members(source, stream, limits).parts()
        return
    stream.seek(0)
    if not (start := stream.read(_CHUNK)).startswith(_STARTS):
        raise SourceUnreadable(
            "NOT_A_WEB_ARCHIVE",
            f"{source.name} is no WARC, WET or ARC file{'' if start else ': it is empty'}. Check what was uploaded.",
        )
    place: int | None = 0
    while place is not None:
        stream.seek(place)
        part = _PlainPart(stream, place)
        yield part
        if part.failed_at is None:
            return
        place = next(_places(stream, part.failed_at + 1, _RECORD), None)
        place = None if place is None else place + 1
