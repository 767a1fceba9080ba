"""What a crawl leaves for the next one: of each page its validators, the digest of its text and its links."""

import gzip
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from ratoon_ingestion.worker.crawl.fetch import Answer

_MAX_LINKS = 200
_HEADER_CHARS = 500


@dataclass(frozen=True)
class Visited:
    """A page as it was when it was last visited."""

    etag: str = ""
    last_modified: str = ""
    digest: str = ""
    links: tuple[str, ...] = ()

    @property
    def conditions(self) -> dict[str, str]:
        """Return the headers with which an unchanged page is not sent again."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}

    @classmethod
    def of(cls, answer: Answer, digest: str, links: Iterable[str]) -> "Visited":
        """Return the state of a page that was fetched; some of its links are kept."""
        etag, last_modified = (_header(answer, name) for name in ("etag", "last-modified"))
        return cls(etag, last_modified, digest, tuple(links)[:_MAX_LINKS])

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Visited":
        """Return the state that `to_json` wrote."""
        return cls(value["etag"], value["last_modified"], value["digest"], tuple(value["links"]))

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON."""
        return asdict(self)


def written(pages: Mapping[str, Visited]) -> bytes:
    """Return the state of pages as compressed JSON Lines; equal states give equal bytes."""
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", mtime=0) as packed:
        for url, visited in sorted(pages.items()):
            packed.write(json.dumps({"url": url, **visited.to_json()}).encode() + b"\n")
    return sink.getvalue()


def read(stream: BinaryIO) -> dict[str, Visited]:
    """Return the state that `written` wrote."""
    with gzip.GzipFile(fileobj=stream) as lines:
        rows = map(json.loads, lines)
        return {row["url"]: Visited.from_json(row) for row in rows}


def _header(answer: Answer, name: str) -> str:
    """Return a header that can be sent back; empty if it cannot."""
    value = answer.headers.get(name, "")
    return value if value.isascii() and value.isprintable() and len(value) <= _HEADER_CHARS else ""
