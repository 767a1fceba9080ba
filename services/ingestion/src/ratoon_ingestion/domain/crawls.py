"""Crawls: visits of web pages whose texts become a source."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ratoon.operations.job_machine import Failure
from ratoon_ingestion.domain.errors import BadCrawl
from ratoon_ingestion.domain.sources import Columns, Format, Source
from ratoon_ingestion.domain.work import DONE, Progress, State, Work

MAX_TOTAL_BYTES = 1 << 30
"""Bytes of the texts of one crawl."""
ATTRIBUTES = (
    "url",
    "host",
    "title",
    "last_modified",
    "content_type",
    "charset",
    "charset_from",
    "charset_replaced",
)
"""Attributes of the records of a crawl."""
_MAX_STARTS = 100
_MAX_URL_CHARS = 2_000
_URL = re.compile(r"https?://[^\s/?#@\\]+(?:[/?#]\S*)?", re.IGNORECASE)
_HOST = re.compile(r"[\w.-]+(?::\d{1,5})?|\[[0-9a-fA-F:.]+\](?::\d{1,5})?")


@dataclass(frozen=True)
class CrawlBounds:
    """Bounds of a crawl; sizes in bytes, times in seconds."""

    max_pages: int = 1_000
    max_depth: int = 10
    max_page_bytes: int = 2 << 20
    max_seconds: int = 3_600
    delay_seconds: float = 1.0

    def __post_init__(self) -> None:
        _check_range("max_pages", self.max_pages, 1, 100_000)
        _check_range("max_depth", self.max_depth, 0, 100)
        _check_range("max_page_bytes", self.max_page_bytes, 1, 8 << 20)
        _check_range("max_seconds", self.max_seconds, 1, 86_400)
        _check_range("delay_seconds", self.delay_seconds, 0, 60)


@dataclass(frozen=True)
class Refusal:
    """A page that is not in the source, and why."""

    url: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Crawled:
    """Result of a crawl; `pages_digest` is empty if no new page was stored."""

    pages_digest: str
    state_digest: str
    page_count: int = 0
    stored_count: int = 0
    unchanged_count: int = 0
    refused_counts: Mapping[str, int] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    stopped_by: str = ""


@dataclass(frozen=True)
class Crawl(Work):
    """A crawl, and once it is READY what it visited and the source that it became."""

    name: str
    create_time: datetime
    update_time: datetime
    start_urls: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    path_prefixes: tuple[str, ...] = ()
    licence: str = ""
    bounds: CrawlBounds = field(default_factory=CrawlBounds)
    skip_sitemaps: bool = False
    previous: str = ""
    previous_state_digest: str = ""
    """State that the earlier crawl left; it is needed although that crawl may be deleted."""
    state: State = State.QUEUED
    progress: Progress = field(default_factory=Progress)
    failure: Failure = field(default_factory=Failure)
    source: str = ""
    state_digest: str = ""
    """Artifact with what the next crawl needs to ask for changed pages only."""
    page_count: int = 0
    stored_count: int = 0
    unchanged_count: int = 0
    refused_counts: Mapping[str, int] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    stopped_by: str = ""
    attempts: int = 0
    cancel_requested: bool = False
    revision: int = 0

    def __post_init__(self) -> None:
        if not 0 < len(self.start_urls) <= _MAX_STARTS:
            raise BadCrawl(f"start_urls has {len(self.start_urls)} addresses; name 1 to {_MAX_STARTS}.")
        for url in self.start_urls:
            if len(url) > _MAX_URL_CHARS or not _URL.fullmatch(url):
                raise BadCrawl(f"start_urls: {url[:80]!r} is no address such as https://example.org/docs/.")
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                raise BadCrawl(f"hosts: {host[:80]!r} is no host such as example.org or example.org:8080.")
        for prefix in self.path_prefixes:
            if not prefix.startswith("/"):
                raise BadCrawl(f"path_prefixes: {prefix[:80]!r} does not start with a slash.")


@dataclass(frozen=True)
class CrawlCompleted:
    """A crawl has ended, and its pages are a source; an empty one: no page was new."""

    source: str
    record_count: int


def crawled(crawl: Crawl, result: Crawled, source: str) -> tuple[Crawl, CrawlCompleted]:
    """Return the READY crawl with its result and its source."""
    fields = {name: value for name, value in vars(result).items() if name != "pages_digest"}
    done = replace(crawl, state=State.READY, progress=DONE, source=source, **fields)
    return done, CrawlCompleted(source, done.stored_count if source else 0)


def source_of(crawl: Crawl, name: str, digest: str, now: datetime) -> Source:
    """Return the source with the pages of a crawl."""
    return Source(
        name=name,
        create_time=now,
        update_time=now,
        format=Format.JSONL,
        digest=digest,
        display_name=f"Pages of {crawl.start_urls[0]}"[:200],
        licence=crawl.licence,
        columns=Columns(attributes=ATTRIBUTES, named=("text", "id", "time")),
        encoding="utf-8",
    )


def _check_range(name: str, value: float, lowest: int, highest: int) -> None:
    if not math.isfinite(value) or not lowest <= value <= highest:
        raise BadCrawl(f"{name} is {value}; it must be from {lowest} to {highest:,}.")
