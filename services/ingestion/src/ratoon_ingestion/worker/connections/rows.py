"""Rows of a database, through SQLAlchemy."""

from pathlib import Path

from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.connections.common import JSON, ReadingFailed
from ratoon_ingestion.worker.curate import Progress


def read_rows(
    spec: pb.ReadingSpec, credentials: JSON, store: ArtifactStore, folder: Path, report: Progress
) -> pb.ReadingResult:
    """Read rows."""
    raise ReadingFailed("NOT_SUPPORTED", "Databases cannot be read yet.")
