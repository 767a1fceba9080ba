"""Messages of a Kafka topic."""

from pathlib import Path

from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.connections.common import JSON, ReadingFailed
from ratoon_ingestion.worker.curate import Progress


def read_topic(
    spec: pb.ReadingSpec, credentials: JSON, store: ArtifactStore, folder: Path, report: Progress
) -> pb.ReadingResult:
    """Read messages."""
    raise ReadingFailed("NOT_SUPPORTED", "Topics cannot be read yet.")
