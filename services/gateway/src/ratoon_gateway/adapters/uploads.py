"""Resumable uploads: bytes gather in a file until their digest verifies them, then they are an artifact."""

import os
import time
from pathlib import Path

from ratoon.process.errors import Aborted, InvalidArgument, ResourceExhausted
from ratoon.security.identity import ANY_PROJECT
from ratoon.storage.artifacts import ArtifactStore, file_digest
from ratoon_gateway.domain.digests import checked_digest

_ABANDONED_S = 24 * 3600


class Uploads:
    """Blobs on their way into the artifact store, one file a project and digest."""

    def __init__(self, folder: Path, artifacts: ArtifactStore, max_bytes: int) -> None:
        self._folder, self._artifacts, self._max_bytes = folder, artifacts, max_bytes

    def size(self, project: str, digest: str) -> int | None:
        """Return the size of a project's blob; None where it has none, or a damaged one. `-` has all blobs."""
        checked_digest(digest)
        if project != ANY_PROJECT and not self._artifacts.owned(project, digest):
            return None
        return self._artifacts.size(digest) if self._artifacts.intact(digest) else None

    def is_sealed(self, project: str, digest: str) -> bool:
        """Return whether a blob holds records of test parts of a project; `-`: of any project."""
        return self._artifacts.is_sealed(project, digest)

    def is_restricted(self, project: str, digest: str) -> bool:
        """Return whether a blob is raw data of a project; `-`: of any project."""
        return self._artifacts.is_restricted(project, digest)

    def offset(self, project: str, digest: str) -> int:
        """Return the stored bytes of an unfinished upload."""
        path = self._path(project, digest)
        return path.stat().st_size if path.exists() else 0

    def append(self, project: str, digest: str, offset: int, data: bytes) -> int:
        """Append bytes at `offset`, which must be the end so far; return the new end. Aborted where it is not."""
        path = self._path(project, digest)
        have = self.offset(project, digest)
        if have != offset:
            raise Aborted(
                f"{have} bytes are stored: continue the upload at this offset.",
                reason="UPLOAD_OFFSET",
                offset=str(have),
            )
        if offset + len(data) > self._max_bytes:
            path.unlink(missing_ok=True)
            raise ResourceExhausted(
                f"A blob may have at most {self._max_bytes:,} bytes.", reason="BODY_TOO_LARGE"
            )
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("ab") as sink:
            sink.write(data)
        return offset + len(data)

    def finish(self, project: str, digest: str) -> None:
        """Verify the uploaded bytes and store them for the project.

        InvalidArgument where the digest differs, or a tree names files that the project does not own; they are deleted.
        """
        path = self._path(project, digest)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch()
        try:
            actual = file_digest(path)
            if actual != digest:
                raise InvalidArgument(
                    f"The uploaded bytes have the digest {actual}, not {digest}: upload them again from "
                    "the start.",
                    reason="DIGEST_MISMATCH",
                )
            self._artifacts.put_file(path)
            if project != ANY_PROJECT:
                self._artifacts.check_owned_tree(project, digest)
                self._artifacts.grant(project, digest)
        finally:
            path.unlink(missing_ok=True)

    def restart(self, project: str, digest: str) -> None:
        """Delete an unfinished upload."""
        self._path(project, digest).unlink(missing_ok=True)

    def start(self) -> None:
        """Delete uploads that were not continued for a day."""
        for path in self._folder.glob("*.part"):
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink(missing_ok=True)

    def stop(self) -> None:
        """Keep unfinished uploads: they can be continued."""

    def read(self, digest: str, offset: int, size: int) -> bytes:
        """Return a piece of a blob."""
        with self._artifacts.open(digest) as source:
            source.seek(offset, os.SEEK_SET)
            return source.read(size)

    def _path(self, project: str, digest: str) -> Path:
        safe = project if project != "-" else "_all"
        return self._folder / f"{safe}-{checked_digest(digest)}.part"
