"""Which function does which job."""

import logging
from typing import Any

from ratoon.chassis.jobs import JobFolder
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.spec import CurateSpec, SplitSpec
from ratoon_ingestion.worker.split import split

JSON = dict[str, Any]


def run(spec: JSON, job: JobFolder) -> JSON:
    """Do what a spec asks for; `task` is `curate` or `split`."""
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    if spec["task"] == "split":
        return split(SplitSpec.of(spec), job.progress)
    return curate(CurateSpec.of(spec), job.path, job.progress)
