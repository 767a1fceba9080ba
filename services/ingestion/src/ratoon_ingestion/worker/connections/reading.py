"""One reading of a connection, by its kind."""

from pathlib import Path

from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.process.errors import own_reason
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.connections import ConnectionKind
from ratoon_ingestion.worker.connections.common import ReadingFailed, credentials_of, without_credentials
from ratoon_ingestion.worker.connections.files import read_files
from ratoon_ingestion.worker.connections.rows import read_rows
from ratoon_ingestion.worker.connections.topics import read_topic
from ratoon_ingestion.worker.curate import Progress

_READERS = {
    ConnectionKind.FSSPEC: read_files,
    ConnectionKind.SQL: read_rows,
    ConnectionKind.KAFKA: read_topic,
}


def read_connection(
    spec: pb.ReadingSpec, store: ArtifactStore, folder: Path, report: Progress
) -> pb.ReadingResult:
    """Read what is new since the position of a connection. No error names any part of the credentials."""
    report(0.0, "Reading")
    credentials = credentials_of(spec.credentials)
    try:
        return _READERS[ConnectionKind(spec.kind)](spec, credentials, store, folder, report)
    except Exception as error:
        reason = own_reason(error) or "READING_FAILED"
        message = (
            str(error)
            if own_reason(error)
            else f"{spec.url} could not be read: {type(error).__name__}: {error}"
        )
        raise ReadingFailed(reason, without_credentials(message, credentials)[:1000]) from None
