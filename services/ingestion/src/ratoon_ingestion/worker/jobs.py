"""Which function does which job."""

import logging
from typing import Any

from ratoon.operations.jobs import JobFolder
from ratoon_ingestion.worker.curate import Progress, curate
from ratoon_ingestion.worker.erase import erase
from ratoon_ingestion.worker.preview import preview
from ratoon_ingestion.worker.spec import CurateSpec, EraseSpec, PreviewSpec, SplitSpec
from ratoon_ingestion.worker.split import split

JSON = dict[str, Any]


class Stopped(Exception):
    """The job was cancelled."""

    code, reason = "ABORTED", "STOPPED"


def run(spec: JSON, job: JobFolder) -> JSON:
    """Do the task of a spec; `task` is `curate`, `split`, `erase` or `preview`."""
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    if spec["task"] == "split":
        return split(SplitSpec.of(spec), _stoppable(job))
    if spec["task"] == "erase":
        return erase(EraseSpec.of(spec), _stoppable(job))
    if spec["task"] == "preview":
        return preview(PreviewSpec.of(spec))
    return curate(CurateSpec.of(spec), job.path, _stoppable(job))


def _stoppable(job: JobFolder) -> Progress:
    """Return a progress reporter that raises Stopped once a stop is requested."""

    def report(fraction: float, message: str, *, done: int = 0, total: int = 0, unit: str = "") -> None:
        if job.stop_requested():
            raise Stopped("Stopped on request.")
        job.progress(fraction, message, done=done, total=total, unit=unit)

    return report
