"""Crawls as callers see them: a crawl becomes a source, can be cancelled, continued and deleted."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from ratoon.ingestion.v1 import crawl_pb2, dataset_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.ingestion_events_pb2 import CrawlEvent
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.security.identity import Role
from ratoon.testkit.services import State, running
from ratoon_ingestion.settings import Settings
from services.ingestion.tests.integration.published import published
from services.ingestion.tests.integration.test_service import PROJECT, curate
from services.ingestion.tests.integration.test_survival import running_jobs
from services.ingestion.tests.integration.web_site import Page, Site, linked, served

SUCCEEDED = crawl_pb2.Crawl.STATE_SUCCEEDED


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        state=tmp_path_factory.mktemp("ingestion"),
        processes=1,
        crawl_contact="mailto:owner@example.org",
        crawl_private_hosts=["127.0.0.1"],
    )


@pytest.fixture(scope="module")
def state(settings: Settings) -> Iterator[State]:
    with State(settings.state) as state, running([settings]):
        yield state


@pytest.fixture(scope="module")
def rpc(state: State) -> IngestionServiceStub:
    stub = IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion"))
    stub.CreateDataset(pb.CreateDatasetRequest(parent=PROJECT, dataset_id="mail"))
    return stub


def create(rpc, crawl_id: str, *urls: str, **fields: object) -> crawl_pb2.Crawl:
    chosen = {"delay_seconds": 0.0, "skip_sitemaps": True, "license": "CC-BY-4.0"} | fields
    crawl = crawl_pb2.Crawl(start_urls=urls, **chosen)
    return rpc.CreateCrawl(pb.CreateCrawlRequest(parent=PROJECT, crawl_id=crawl_id, crawl=crawl))


def ended(rpc, name: str) -> crawl_pb2.Crawl:
    *_, last = rpc.WatchCrawl(pb.WatchCrawlRequest(name=name), timeout=60)
    return last


def endless(_site: Site, path: str, _headers: object) -> str:
    number = int(path.strip("/") or 0)
    return linked(
        f"/{number + 1}",
        text=f"The page with the number {number} has words of its own, {number * 7} of them.",
    )


PAGES: dict[str, Page] = {
    "/": linked(
        "/de", "/en", text="Welcome to the garden of the harbour, where the orchard meets the library."
    ),
    "/de": linked(text="Im Garten am Hafen stehen die alten Apfelbäume, und daneben liegt die Bibliothek."),
    "/en": linked(text="The violin was made by the neighbour who also repairs every compass in this town."),
}


def test_a_crawl_becomes_records_of_a_version(rpc, settings):
    with served(PAGES) as site:
        crawl = ended(rpc, create(rpc, "garden", site.url()).name)
        assert crawl.state == SUCCEEDED, crawl.failure
        assert (crawl.page_count, crawl.stored_count, crawl.max_pages) == (3, 3, 1000)
        assert crawl.source == f"{PROJECT}/sources/garden-pages"
        agents = {headers["user-agent"] for _, headers in site.requests}
    assert agents == {"ratoon-crawler/1.0 (+mailto:owner@example.org)"}
    (event,) = published(settings.state, CrawlEvent, crawl.name, 1)
    completed = CrawlEvent.FromString(event.data).completed
    assert (completed.source, completed.record_count) == (crawl.source, 3)
    version = curate(rpc, crawl.source)
    assert version.state == dataset_pb2.DatasetVersion.STATE_READY, version.failure
    records = rpc.ListRecords(pb.ListRecordsRequest(parent=version.name)).records
    assert len(records) == 3
    (english,) = (each for each in records if each.attributes["url"].endswith("/en"))
    assert english.text.startswith("The violin was made by the neighbour")
    assert (english.license, english.attributes["host"], english.attributes["title"]) == (
        "CC-BY-4.0",
        site.netloc,
        "Title",
    )
    assert english.HasField("received_time")


def test_a_crawl_goes_on_from_an_earlier_one(rpc):
    with served(dict(PAGES)) as site:
        first = ended(rpc, create(rpc, "first", site.url()).name)
        again = ended(rpc, create(rpc, "again", site.url(), previous=first.name).name)
        assert (again.state, again.stored_count, again.unchanged_count, again.source) == (SUCCEEDED, 0, 3, "")
        rpc.DeleteCrawl(pb.DeleteCrawlRequest(name=first.name))
        site.pages["/en"] = linked(
            text="The violin was sold to somebody in another town, far away from the harbour."
        )
        newer = ended(rpc, create(rpc, "newer", site.url(), previous=again.name).name)
    assert (newer.stored_count, newer.unchanged_count) == (1, 2)
    assert newer.source == f"{PROJECT}/sources/newer-pages"


def test_a_crawl_whose_worker_is_killed_goes_on(rpc, settings):
    with served({"/robots.txt": "", "*": endless}) as site:
        name = create(rpc, "killed", site.url(), max_pages=30, max_depth=100, delay_seconds=0.05).name
        while not rpc.GetCrawl(pb.GetCrawlRequest(name=name)).progress.done:
            time.sleep(0.05)
        for pid in running_jobs(settings.state):
            os.killpg(pid, signal.SIGKILL)
        crawl = ended(rpc, name)
    assert crawl.state == SUCCEEDED, crawl.failure
    assert (crawl.stored_count, crawl.stopped_by) == (30, "pages")
    assert len(site.visited()) <= 31


def test_a_crawl_is_cancelled_and_deleted(rpc, settings):
    with served({"*": endless}) as site:
        name = create(rpc, "cancelled", site.url(), max_depth=100, delay_seconds=5.0).name
        with pytest.raises(FailedPrecondition) as refused:
            rpc.DeleteCrawl(pb.DeleteCrawlRequest(name=name))
        assert refused.value.reason == "IN_USE"
        while not site.requests:
            time.sleep(0.05)
        rpc.CancelCrawl(pb.CancelCrawlRequest(name=name))
        assert ended(rpc, name).state == crawl_pb2.Crawl.STATE_CANCELLED
    (event,) = published(settings.state, CrawlEvent, name, 1)
    assert CrawlEvent.FromString(event.data).HasField("cancelled")
    assert [each.name for each in rpc.ListCrawls(pb.ListCrawlsRequest(parent=PROJECT)).crawls][-1] == name
    rpc.DeleteCrawl(pb.DeleteCrawlRequest(name=name))
    with pytest.raises(NotFound):
        rpc.GetCrawl(pb.GetCrawlRequest(name=name))


@pytest.mark.parametrize(
    ("urls", "fields"),
    [
        ([], {}),
        (["ftp://example.org/"], {}),
        (["file:///etc/passwd"], {}),
        (["http://user:secret@example.org/"], {}),
        (["https://example.org/"], {"max_pages": -1}),
        (["https://example.org/"], {"max_depth": 101}),
        (["https://example.org/"], {"delay_seconds": -0.5}),
        (["https://example.org/"], {"hosts": ["http://example.org"]}),
        (["https://example.org/"], {"path_prefixes": ["docs"]}),
    ],
)
def test_settings_that_are_not_valid_are_refused(rpc, urls, fields):
    with pytest.raises(InvalidArgument) as refused:
        create(rpc, "invalid", *urls, **fields)
    assert refused.value.reason == "BAD_CRAWL"


def test_an_earlier_crawl_has_succeeded_and_is_of_the_project(rpc):
    with pytest.raises(NotFound):
        create(rpc, "later", "https://example.org/", previous=f"{PROJECT}/crawls/none")
    with pytest.raises(InvalidArgument) as refused:
        create(rpc, "later", "https://example.org/", previous="projects/other/crawls/one")
    assert refused.value.reason == "OTHER_PROJECT"


def test_without_a_contact_the_crawler_is_off(tmp_path):
    settings = Settings(state=tmp_path, processes=1)
    with State(tmp_path) as state, running([settings]):
        stub = IngestionServiceStub(state.as_role(Role.ENGINEER, "ingestion"))
        with pytest.raises(FailedPrecondition, match="RATOON_INGESTION_CRAWL_CONTACT") as refused:
            create(stub, "off", "https://example.org/")
    assert refused.value.reason == "CRAWLER_OFF"
