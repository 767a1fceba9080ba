"""Where batches are curated: in processes of this machine, or on a Ray cluster. The records do not depend on it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.pool import mapped
from ratoon_ingestion.worker.stages import CuratedBatch, StageSettings, curate_batch

Waits = Callable[[str], None]
"""Called now and then while no batch is ready, with a sentence that says why; what it raises ends the curation."""


class Executor(Protocol):
    """Curates batches."""

    def curated(
        self, batches: Iterable[pa.RecordBatch], settings: StageSettings, waits: Waits
    ) -> Iterator[CuratedBatch]:
        """Yield the batches (schema ITEMS) curated, in their order. Takes batches as capacity allows."""
        ...


@dataclass(frozen=True)
class ProcessPool:
    """Processes of this machine; with one, this process."""

    processes: int
    folder: Path | None = None
    """For files of batches that go to other processes."""

    def curated(
        self, batches: Iterable[pa.RecordBatch], settings: StageSettings, waits: Waits
    ) -> Iterator[CuratedBatch]:
        """Yield the batches curated. WorkerCrashed when a process dies."""
        return mapped(partial(curate_batch, settings=settings), batches, self.processes, self.folder)


def executor_of(spec: CurationSpec, store: ArtifactStore, folder: Path) -> Executor:
    """Return the executor that a spec names; `folder`: for its files."""
    if spec.executor == "ray":
        from ratoon_ingestion.worker.ray_executor import RayCluster

        return RayCluster(store, spec.processes)
    return ProcessPool(spec.processes, folder)
