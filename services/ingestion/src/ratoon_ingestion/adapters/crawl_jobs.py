"""Crawls as jobs: `python -m ratoon_ingestion.worker`."""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import JSON, from_json, spec_json
from ratoon.operations.job_procedure import WorkerJobs
from ratoon.operations.jobs import JobProgress, Jobs
from ratoon.storage.names import project_of
from ratoon_ingestion.application.crawls import CrawlerIdentity, CrawlJob
from ratoon_ingestion.domain.crawls import MAX_TOTAL_BYTES, Crawled, Refusal
from ratoon_ingestion.domain.work import Progress

WORKER = "ratoon_ingestion.worker"
_GRACE_S = 900.0
"""Seconds for what follows the visits, before the time limit of the job."""


def crawl_jobs(
    jobs: Jobs, environment: JobEnvironment, identity: CrawlerIdentity, private_hosts: Sequence[str]
) -> WorkerJobs[CrawlJob, Crawled]:
    """Return the jobs of crawls; `private_hosts` may have private addresses."""
    specs = _Specs(environment, identity, private_hosts)
    return WorkerJobs(jobs, WORKER, specs.crawl, crawled, _progress)


@dataclass(frozen=True)
class _Specs:
    base: JobEnvironment
    identity: CrawlerIdentity
    private_hosts: Sequence[str]

    def crawl(self, job: CrawlJob) -> JSON:
        """Return the spec of a crawl, in a warm process of its own: it waits most of the time."""
        crawl, bounds = job.crawl, job.crawl.bounds
        environment = JobEnvironment(task="crawl", tenant=project_of(crawl.name))
        environment.MergeFrom(self.base)
        environment.warm += "-crawl"
        environment.time_limit_s = bounds.max_seconds + _GRACE_S
        spec = pb.CrawlSpec(
            crawl=crawl.name,
            start_urls=crawl.start_urls,
            hosts=crawl.hosts,
            path_prefixes=crawl.path_prefixes,
            max_pages=bounds.max_pages,
            max_depth=bounds.max_depth,
            max_page_bytes=bounds.max_page_bytes,
            max_total_bytes=MAX_TOTAL_BYTES,
            max_seconds=bounds.max_seconds,
            delay_seconds=bounds.delay_seconds,
            skip_sitemaps=crawl.skip_sitemaps,
            previous_state=crawl.previous_state_digest,
            user_agent=self.identity.header,
            private_hosts=self.private_hosts,
        )
        return spec_json(environment, spec)


def crawled(written: JSON) -> Crawled:
    """Return the result of a crawl."""
    result = from_json(pb.CrawlResult, written)
    return Crawled(
        pages_digest=result.pages_digest,
        state_digest=result.state_digest,
        page_count=result.page_count,
        stored_count=result.stored_count,
        unchanged_count=result.unchanged_count,
        refused_counts=dict(sorted(result.refused_counts.items())),
        refusals=tuple(Refusal(each.url, each.reason, each.detail) for each in result.refusals),
        stopped_by=result.stopped_by,
    )


def _progress(reported: JobProgress) -> Progress:
    return Progress(reported.fraction, reported.message, reported.done, reported.total, reported.unit)
