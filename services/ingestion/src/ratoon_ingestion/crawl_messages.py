"""Crawls to `ratoon.ingestion.v1.Crawl` and back."""

from typing import Any

from google.protobuf.message import Message

from ratoon.common.v1 import progress_pb2
from ratoon.ingestion.v1 import crawl_pb2, ingestion_events_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.operations.job_machine import Cancelled, Failed
from ratoon.runtime.timestamps import timestamp
from ratoon_ingestion.application.crawls import CreateCrawl
from ratoon_ingestion.domain.crawls import Crawl, CrawlBounds, CrawlCompleted
from ratoon_ingestion.domain.work import Progress, State

_STATES = {State.READY: "SUCCEEDED"}
_BOUNDS = ("max_pages", "max_page_bytes", "max_seconds")
_OPTIONAL_BOUNDS = ("max_depth", "delay_seconds")


def crawl_message(crawl: Crawl) -> crawl_pb2.Crawl:
    """Return a crawl as callers see it."""
    message = crawl_pb2.Crawl(
        name=crawl.name,
        revision=crawl.revision,
        create_time=timestamp(crawl.create_time),
        update_time=timestamp(crawl.update_time),
        state=crawl_pb2.Crawl.State.Value(f"STATE_{_STATES.get(crawl.state, crawl.state)}"),
        start_urls=crawl.start_urls,
        hosts=crawl.hosts,
        path_prefixes=crawl.path_prefixes,
        license=crawl.licence,
        **vars(crawl.bounds),
        skip_sitemaps=crawl.skip_sitemaps,
        previous=crawl.previous,
        progress=_progress(crawl.progress),
        source=crawl.source,
        page_count=crawl.page_count,
        stored_count=crawl.stored_count,
        unchanged_count=crawl.unchanged_count,
        refused_counts=crawl.refused_counts,
        refusals=[crawl_pb2.Crawl.Refusal(**vars(each)) for each in crawl.refusals],
        stopped_by=crawl.stopped_by,
    )
    if crawl.failure.reason:
        message.failure.reason, message.failure.message = crawl.failure.reason, crawl.failure.message
    return message


def create_crawl(request: pb.CreateCrawlRequest) -> CreateCrawl:
    """Return the command of a CreateCrawl request."""
    crawl = request.crawl
    stated: dict[str, Any] = {name: value for name in _BOUNDS if (value := getattr(crawl, name))}
    present = {field.name for field, _ in crawl.ListFields()}
    stated |= {name: getattr(crawl, name) for name in _OPTIONAL_BOUNDS if name in present}
    return CreateCrawl(
        parent=request.parent,
        crawl_id=request.crawl_id,
        start_urls=tuple(crawl.start_urls),
        hosts=tuple(crawl.hosts),
        path_prefixes=tuple(crawl.path_prefixes),
        licence=crawl.license,
        bounds=CrawlBounds(**stated),
        skip_sitemaps=crawl.skip_sitemaps,
        previous=crawl.previous,
        request_id=request.request_id,
    )


def _progress(value: Progress) -> progress_pb2.Progress:
    return progress_pb2.Progress(
        fraction=value.fraction, message=value.message, done=value.done, total=value.total, unit=value.unit
    )


def crawl_event(happened: object, name: str, revision: int) -> Message:
    """Return an event of a crawl in its envelope."""
    events = ingestion_events_pb2
    match happened:
        case CrawlCompleted(source, count):
            completed = events.CrawlCompleted(source=source, record_count=count)
            return events.CrawlEvent(name=name, revision=revision, completed=completed)
        case Failed(reason):
            return events.CrawlEvent(name=name, revision=revision, failed=events.CrawlFailed(reason=reason))
        case Cancelled():
            return events.CrawlEvent(name=name, revision=revision, cancelled=events.CrawlCancelled())
    raise TypeError(f"{happened!r} is not an event of a crawl")
