"""What is about to create sources: an erasure waits for it."""

from ratoon.storage.store import Transaction
from ratoon_ingestion.application.crawls import running_crawls
from ratoon_ingestion.application.stream_ports import StreamRecords
from ratoon_ingestion.application.streams import unsealed_streams


def collecting(tx: Transaction, project: str, records: StreamRecords) -> tuple[str, ...]:
    """Return the streams of a project with records that no source holds, and its crawls in progress."""
    return (*unsealed_streams(tx, project, records), *running_crawls(tx, project))
