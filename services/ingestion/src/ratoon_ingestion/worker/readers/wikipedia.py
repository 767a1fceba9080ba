"""XML dumps of MediaWiki: the articles, one at a time, in memory that does not grow with the dump.

Pages of other namespaces and redirects are left out; one rejection for each of the two states their number.
"""

import bz2
import gzip
import lzma
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, BinaryIO, cast
from xml.parsers import expat

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.readers.items import (
    Item,
    Kind,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
    as_time,
    bomb,
)
from ratoon_ingestion.worker.readers.values import cell_line

_CHUNK = 256 << 10
_FIELD_CHARS = 4_096
_TITLE_CHARS = 256
_ARTICLES = "0"
_WIKITEXT = ("", "wikitext")
_FIELDS = frozenset({"title", "ns", "id", "timestamp", "model", "text"})
_PACKED: Mapping[bytes, Callable[[Any], Any]] = {
    b"BZh": bz2.BZ2File,
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"\xfd7zXZ": lzma.LZMAFile,
}
_FAULTS = (EOFError, OSError, zlib.error, lzma.LZMAError)


def read_wikipedia(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Iterator[Item | Rejection]:
    """Yield the articles of a dump, each with the newest of its revisions, named by the ids of their pages."""
    pages = _Pages(limits.item_bytes)
    with store.open(source.digest) as stream:
        yield from _read(source, stream, limits, pages)
    for name, count in pages.left_out.items():
        yield Rejection(name, Rejected.NOT_AN_ARTICLE, f"{count:,} {name} left out")


def _read(
    source: SourceSpec, stream: BinaryIO, limits: Limits, pages: "_Pages"
) -> Iterator[Item | Rejection]:
    try:
        for data in _unpacked(source, stream, limits):
            pages.feed(data)
            while pages.ready:
                yield pages.ready.popleft()
        pages.close()
    except expat.ExpatError as error:
        raise SourceUnreadable(
            "DUMP_DAMAGED",
            f"{source.name} cannot be read beyond its page {pages.count + 1} ({error}). Download the dump "
            "again and upload all of it.",
        ) from error
    except _FAULTS as error:
        raise SourceUnreadable(
            "ARCHIVE_DAMAGED",
            f"The compressed dump of {source.name} is damaged or truncated after {pages.count} pages. Download it "
            "again and upload all of it.",
        ) from error


def _unpacked(source: SourceSpec, stream: BinaryIO, limits: Limits) -> Iterator[bytes]:
    start = stream.read(6)
    stream.seek(0)
    unpack = next((each for sign, each in _PACKED.items() if start.startswith(sign)), None)
    plain = cast(IO[bytes], unpack(stream)) if unpack is not None else stream
    size = 0
    while data := plain.read(_CHUNK):
        size += len(data)
        if size > max(limits.ratio_floor, limits.ratio * stream.tell()):
            raise bomb(source, f"decompresses {stream.tell():,} bytes to more than {size:,}")
        yield data


class _Pages:
    """Pages of a dump as their XML is fed; of a text only as much is kept as an item may have."""

    def __init__(self, max_bytes: int) -> None:
        self.ready = deque[Item | Rejection]()
        self.count = 0
        self.left_out = dict[str, int]()
        self._max_bytes = max_bytes
        self._path = list[str]()
        self._page = dict[str, str]()
        self._pieces = list[str]()
        self._size = 0
        self._is_redirect = False
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._entity

    def feed(self, data: bytes) -> None:
        """Read the next bytes; ExpatError if they are not well-formed."""
        self._parser.Parse(data, False)

    def close(self) -> None:
        """End the dump; ExpatError if it is truncated."""
        self._parser.Parse(b"", True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if not self._path and name != "mediawiki":
            raise expat.ExpatError("no MediaWiki dump")
        self._path.append(name)
        self._pieces.clear()
        self._size = 0
        if name == "page":
            self._page, self._is_redirect = {}, False
        elif name == "redirect":
            self._is_redirect = True

    def _characters(self, data: str) -> None:
        bound = self._max_bytes + 1 if self._path[-1] == "text" else _FIELD_CHARS
        if self._path[-1] in _FIELDS and self._size < bound:
            self._pieces.append(data)
            self._size += len(data.encode("utf-8", errors="replace"))

    def _end(self, name: str) -> None:
        name = self._path.pop()
        parent = self._path[-1] if self._path else ""
        if name in _FIELDS and (parent == "page" or (parent == "revision" and name != "id")):
            self._page[name] = "".join(self._pieces)
        self._pieces.clear()
        if name == "page":
            self.count += 1
            self._finish()

    def _finish(self) -> None:
        page = self._page
        if page.get("ns", _ARTICLES) != _ARTICLES:
            self._leave_out("pages of other namespaces")
        elif self._is_redirect:
            self._leave_out("redirects")
        else:
            self.ready.append(self._entry(page))

    def _leave_out(self, name: str) -> None:
        self.left_out[name] = self.left_out.get(name, 0) + 1

    def _entry(self, page: dict[str, str]) -> Item | Rejection:
        path = f"page-{page.get('id', '')[:20] or self.count}"
        payload = page.get("text", "").encode("utf-8", errors="replace")
        if len(payload) > self._max_bytes:
            return Rejection(path, Rejected.TOO_LARGE, f"more than {self._max_bytes} bytes")
        if page.get("model", "") not in _WIKITEXT:
            return Rejection(path, Rejected.NOT_TEXT, f"a page of the model {page['model'][:40]}")
        if not payload.strip():
            return Rejection(path, Rejected.NO_TEXT, "the page is empty")
        title = cell_line(page.get("title", "")) or ""
        attributes = {"title": title[:_TITLE_CHARS]} if title else {}
        return Item(path, Kind.WIKITEXT, payload, None, as_time(page.get("timestamp", "")), attributes)

    def _entity(self, *_: object) -> None:
        raise expat.ExpatError("entities are refused")
