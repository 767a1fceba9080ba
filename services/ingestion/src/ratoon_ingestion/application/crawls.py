"""Handlers and procedure of crawls: create, delete; the pages of a crawl become a source."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from ratoon.operations.job_machine import Action, Failure, JobObservation, fail
from ratoon.operations.job_machine import step as job_step
from ratoon.operations.job_procedure import JobRunner, as_step, perform
from ratoon.operations.operations import Claim, Operations, Step
from ratoon.process.clock import Clock
from ratoon.process.errors import Description, InvalidArgument
from ratoon.storage.names import checked_id, matched, parent_of, project_of
from ratoon.storage.store import Store, Transaction
from ratoon_ingestion.application.handlers import PROJECT, check_no_erasure
from ratoon_ingestion.application.procedures import POLL_INTERVAL_S
from ratoon_ingestion.domain.crawls import Crawl, CrawlBounds, CrawlCompleted, Crawled, crawled, source_of
from ratoon_ingestion.domain.errors import CrawlerOff, NotReady, ResourceInUse
from ratoon_ingestion.domain.sources import Source
from ratoon_ingestion.domain.work import State

CRAWL = f"{PROJECT}/crawls/*"
_ID_CHARS = 52
_JOB = "crawl"


@dataclass(frozen=True)
class CrawlerIdentity:
    """Name of the crawler (its token in `robots.txt`), and how its operator is reached; no contact: it is off."""

    user_agent: str
    contact: str

    @property
    def header(self) -> str:
        """Return the value of the header `User-Agent`."""
        return f"{self.user_agent}/1.0 (+{self.contact})"


@dataclass(frozen=True)
class CrawlJob:
    """A crawl to carry out."""

    crawl: Crawl


Crawls = JobRunner[CrawlJob, Crawled]


@dataclass(frozen=True)
class CreateCrawl:
    """Crawl for `parent` (projects/{project})."""

    parent: str
    crawl_id: str
    start_urls: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    path_prefixes: tuple[str, ...] = ()
    licence: str = ""
    bounds: CrawlBounds = field(default_factory=CrawlBounds)
    skip_sitemaps: bool = False
    previous: str = ""
    request_id: str = ""


def create_crawl(
    command: CreateCrawl, store: Store, operations: Operations, clock: Clock, identity: CrawlerIdentity
) -> Crawl:
    """Create a crawl; it starts with the commit."""
    matched(command.parent, PROJECT, "parent")
    if not identity.contact:
        raise CrawlerOff(
            "The crawler is off. Let the operator set RATOON_INGESTION_CRAWL_CONTACT to an address at which the "
            "owners of web sites can complain."
        )
    crawl_id = checked_id(command.crawl_id, "crawl_id")
    if len(crawl_id) > _ID_CHARS:
        raise InvalidArgument(
            f"crawl_id has {len(crawl_id)} characters; at most {_ID_CHARS} are allowed.",
            reason="BAD_ID",
            field="crawl_id",
        )
    now = clock.now()
    crawl = Crawl(
        name=f"{command.parent}/crawls/{crawl_id}",
        create_time=now,
        update_time=now,
        start_urls=command.start_urls,
        hosts=command.hosts,
        path_prefixes=command.path_prefixes,
        licence=command.licence,
        bounds=command.bounds,
        skip_sitemaps=command.skip_sitemaps,
        previous=command.previous,
    )
    with store.write() as tx:
        check_no_erasure(tx, command.parent)
        crawl = replace(crawl, previous_state_digest=_previous_state(tx, crawl))
        crawl, new = tx.create(crawl, command.request_id)
        if new:
            _check_source_name(tx, crawl)
            operations.begin(tx, crawl)
    return crawl


def delete_crawl(crawl: Crawl, tx: Transaction) -> None:
    """Delete a crawl that has ended; its source stays."""
    if not crawl.state.ended:
        raise ResourceInUse(f"{crawl.name} is in progress. Cancel it, or wait for its end.")
    tx.retire(crawl)


def running_crawls(tx: Transaction, project: str) -> tuple[str, ...]:
    """Return the crawls of a project that have not ended."""
    return tuple(crawl.name for crawl in tx.all(Crawl, project) if not crawl.state.ended)


class CrawlProcedure:
    """The long work behind CreateCrawl: a job visits the pages, then they become a source, once."""

    kind = Crawl

    def __init__(self, store: Store, jobs: Crawls, clock: Clock) -> None:
        self._store, self._jobs, self._clock = store, jobs, clock

    def observe(self, crawl: Crawl, claim: Claim) -> JobObservation[Crawled]:
        """Return the state of the job, and whether its pages are a source."""
        observation = self._jobs.observe(claim.action_id(_JOB))
        result = observation.result
        if result is None or not result.pages_digest:
            return observation
        with self._store.read() as tx:
            is_source = tx.find(Source, source_name(crawl)) is not None
        return replace(observation, applied=is_source)

    def step(self, crawl: Crawl, observation: JobObservation[Crawled], now: datetime) -> Step[Crawl]:
        """Decide what follows."""
        return as_step(job_step(crawl, observation, now, _complete), POLL_INTERVAL_S)

    def act(self, crawl: Crawl, action: Action, claim: Claim) -> None:
        """Start, restart or stop the job, or create the source."""
        job_id = claim.action_id(_JOB)
        if action is not Action.APPLY:
            perform(self._jobs, action, job_id, lambda: CrawlJob(crawl))
        elif (result := self._jobs.observe(job_id).result) is not None:
            source = source_of(crawl, source_name(crawl), result.pages_digest, self._clock.now())
            with self._store.write() as tx:
                if tx.find(Source, source.name) is None:
                    tx.create(source)

    def failed(self, crawl: Crawl, error: Description, now: datetime) -> Step[Crawl]:
        """Fail the crawl with an error that a retry does not fix."""
        return as_step(fail(crawl, Failure(error.reason, error.message)), POLL_INTERVAL_S)


def source_name(crawl: Crawl) -> str:
    """Return the name of the source that a crawl becomes."""
    return f"{parent_of(crawl.name)}/sources/{crawl.name.rpartition('/')[2]}-pages"


def _complete(crawl: Crawl, result: Crawled) -> tuple[Crawl, CrawlCompleted]:
    return crawled(crawl, result, source_name(crawl) if result.pages_digest else "")


def _check_source_name(tx: Transaction, crawl: Crawl) -> None:
    if (taken := tx.find(Source, source_name(crawl))) is not None:
        raise InvalidArgument(
            f"{taken.name} exists already: choose another crawl_id.", reason="BAD_ID", field="crawl_id"
        )


def _previous_state(tx: Transaction, crawl: Crawl) -> str:
    """Return the digest of the state that the earlier crawl left; empty without one."""
    if not crawl.previous:
        return ""
    matched(crawl.previous, CRAWL, "previous")
    if project_of(crawl.previous) != project_of(crawl.name):
        raise InvalidArgument(
            f"{crawl.previous} belongs to another project than {crawl.name}.",
            reason="OTHER_PROJECT",
            field="previous",
        )
    before = tx.get(Crawl, crawl.previous)
    if before.state is not State.READY:
        raise NotReady(f"{before.name} is {before.state}; only a crawl that has succeeded can be continued.")
    return before.state_digest
