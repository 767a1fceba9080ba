"""Which function does which job."""

from pathlib import Path
from typing import Any

from ratoon_ingestion.worker.curate import Progress, curate
from ratoon_ingestion.worker.spec import CurateSpec, SplitSpec
from ratoon_ingestion.worker.split import split

JSON = dict[str, Any]


def run(spec: JSON, scratch: Path, report: Progress) -> JSON:
    """Do what a spec asks for; `task` is `curate` or `split`."""
    if spec["task"] == "split":
        return split(SplitSpec.of(spec), report)
    return curate(CurateSpec.of(spec), scratch, report)
