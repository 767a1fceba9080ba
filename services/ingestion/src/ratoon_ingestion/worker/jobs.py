"""Jobs by the name of their task."""

import logging

from google.protobuf.message import Message

from ratoon.jobs.v1 import dataset_jobs_pb2 as dataset_pb
from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import JSON, from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.connections.reading import read_connection
from ratoon_ingestion.worker.crawl.crawl import crawl
from ratoon_ingestion.worker.curate import Progress, curate
from ratoon_ingestion.worker.difference import difference
from ratoon_ingestion.worker.erase import erase
from ratoon_ingestion.worker.exports.export import export
from ratoon_ingestion.worker.mix import mix, plan_mixture
from ratoon_ingestion.worker.preview import preview
from ratoon_ingestion.worker.reports.report import report_of
from ratoon_ingestion.worker.spec import erasure_json, preview_json, read_spec
from ratoon_ingestion.worker.split import split


class Stopped(Exception):
    """The job was cancelled."""

    code, reason = "ABORTED", "STOPPED"


def run(spec: JSON, job: JobFolder) -> JSON:
    """Do the task of a spec."""
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    environment, report = from_json(JobEnvironment, spec), _stoppable(job)
    store = ArtifactStore(environment.artifacts)
    if environment.task in _OF_VERSIONS:
        return to_json(_of_versions(environment.task, spec, store, job, report))
    match environment.task:
        case "split":
            return to_json(split(read_spec(pb.SplitSpec, spec), store, report))
        case "erase":
            return erasure_json(erase(read_spec(pb.ErasureSpec, spec), store, report))
        case "read":
            return to_json(read_connection(read_spec(pb.ReadingSpec, spec), store, job.path, report))
        case "crawl":
            return to_json(crawl(read_spec(pb.CrawlSpec, spec), store, job.path / "crawl", report))
        case "preview":
            return preview_json(preview(read_spec(pb.PreviewSpec, spec), store.url))
    return to_json(curate(read_spec(pb.CurationSpec, spec), store, job.path, report))


_OF_VERSIONS = ("mix", "plan", "compare", "export", "profile")
"""Tasks whose input is dataset versions."""


def _of_versions(task: str, spec: JSON, store: ArtifactStore, job: JobFolder, report: Progress) -> Message:
    match task:
        case "mix":
            return mix(read_spec(dataset_pb.MixtureSpec, spec), store, job.path, report)
        case "plan":
            return plan_mixture(read_spec(dataset_pb.MixtureSpec, spec), store, report)
        case "compare":
            return difference(read_spec(dataset_pb.DifferenceSpec, spec), store, report)
        case "export":
            return export(read_spec(dataset_pb.ExportSpec, spec), store, job.path, report)
    return report_of(read_spec(dataset_pb.ReportSpec, spec), store, report)


def _stoppable(job: JobFolder) -> Progress:
    """Return a progress reporter that raises Stopped once a stop is requested."""

    def report(fraction: float, message: str, *, done: int = 0, total: int = 0, unit: str = "") -> None:
        if job.stop_requested():
            raise Stopped("Stopped on request.")
        job.progress(fraction, message, done=done, total=total, unit=unit)

    return report
