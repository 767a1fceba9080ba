"""Files of an export: written one after the other, stored, and deleted here, so that the disk holds one at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ratoon.ingestion.v1.export_pb2 import ExportedFile
from ratoon.storage.artifacts import ArtifactStore, TreeFile


class Sink:
    """Collects files in the artifact store."""

    def __init__(self, store: ArtifactStore, folder: Path) -> None:
        self._store, self._folder = store, folder
        self._files: list[TreeFile] = []

    @contextmanager
    def file(self, path: str) -> Iterator[Path]:
        """Yield where to write the file of this path in the tree; it is stored afterwards."""
        local = self._folder / "file"
        local.unlink(missing_ok=True)
        yield local
        self.store(path, local)

    def store(self, path: str, local: Path) -> None:
        """Store a file of this machine under a path in the tree, and delete it here."""
        digest = self._store.put_file(local)
        self._files.append(TreeFile(path, digest, local.stat().st_size))
        local.unlink()

    def refer(self, path: str, digest: str, size: int) -> None:
        """List a stored file under a path in the tree."""
        self._files.append(TreeFile(path, digest, size))

    @property
    def files(self) -> list[ExportedFile]:
        """Return the files so far."""
        return [
            ExportedFile(path=each.path, digest=each.sha256, size_bytes=each.size) for each in self._files
        ]

    def tree(self) -> str:
        """Store the manifest of all files, and return its digest."""
        return self._store.put_manifest(sorted(self._files, key=lambda each: each.path))
