"""Reports of profiles in the artifact store."""

from ratoon.storage.artifacts import ArtifactStore


class StoredReports:
    """Reads reports."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def read(self, digest: str) -> bytes:
        """Return a report as JSON."""
        with self._store.open(digest) as stream:
            written: bytes = stream.read()
        return written
