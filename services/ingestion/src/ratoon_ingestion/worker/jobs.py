"""Which function does which job."""

import logging
from typing import Any

from ratoon.chassis.jobs import JobFolder
from ratoon_ingestion.worker.curate import Progress, curate
from ratoon_ingestion.worker.erase import erase
from ratoon_ingestion.worker.preview import preview
from ratoon_ingestion.worker.spec import CurateSpec, EraseSpec, PreviewSpec, SplitSpec
from ratoon_ingestion.worker.split import split

JSON = dict[str, Any]


class Stopped(Exception):
    """The platform asked the job to stop, and it did."""

    code, reason = "ABORTED", "STOPPED"


def run(spec: JSON, job: JobFolder) -> JSON:
    """Do what a spec asks for; `task` is `curate`, `split`, `erase` or `preview`."""
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    if spec["task"] == "split":
        return split(SplitSpec.of(spec), _stoppable(job))
    if spec["task"] == "erase":
        return erase(EraseSpec.of(spec), _stoppable(job))
    if spec["task"] == "preview":
        return preview(PreviewSpec.of(spec))
    return curate(CurateSpec.of(spec), job.path, _stoppable(job))


def _stoppable(job: JobFolder) -> Progress:
    """The job's progress; telling it is also the moment to hear a wish to stop."""

    def report(fraction: float, message: str, *, done: int = 0, total: int = 0, unit: str = "") -> None:
        if job.stop_requested():
            raise Stopped("Stopped on request.")
        job.progress(fraction, message, done=done, total=total, unit=unit)

    return report
