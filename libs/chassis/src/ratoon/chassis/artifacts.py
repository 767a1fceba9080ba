"""The artifact store: bytes by their sha256, and trees of them. It knows no resource and no user path.

Layout: `<root>/sha256/<first two>/<digest>`. A tree is a canonical JSON manifest blob,
`{"files": [{"path": "a/b", "sha256": "…", "size": 1}, …]}` sorted by path; its digest names the whole folder.
"""

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

import fsspec

from ratoon.chassis.errors import FailedPrecondition, InvalidArgument, NotFound

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class TreeFile:
    """One file of a tree: relative POSIX path, sha256 in hex, size in bytes."""

    path: str
    sha256: str
    size: int


class ArtifactStore:
    """Content-addressed blobs below an fsspec URL (`file:///…`, a plain folder, `s3://bucket/prefix`)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")
        self._local = "file" in (
            self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,)
        )

    def put_bytes(self, data: bytes) -> str:
        """Store these bytes; returns their digest."""
        digest = hashlib.sha256(data).hexdigest()
        if not self.exists(digest):
            with self._publish(digest) as sink:
                sink.write(data)
        return digest

    def put_file(self, path: Path) -> str:
        """Store a file of this machine; returns its digest."""
        digest = file_digest(path)
        if not self.exists(digest):
            with self._publish(digest) as sink, path.open("rb") as source:
                shutil.copyfileobj(source, sink, _CHUNK)
        return digest

    def open(self, digest: str) -> BinaryIO:
        """A reader of the blob; NotFound when it is not here."""
        try:
            return cast(BinaryIO, self._fs.open(self._path(digest), "rb"))
        except FileNotFoundError:
            raise NotFound(f"Artifact {digest} is not in the store.", reason="ARTIFACT_NOT_FOUND") from None

    def read(self, digest: str) -> bytes:
        """The whole blob, checked against its digest."""
        with self.open(digest) as source:
            data = source.read()
        _check(digest, hashlib.sha256(data).hexdigest())
        return data

    def exists(self, digest: str) -> bool:
        """Whether the blob is in the store."""
        return bool(self._fs.exists(self._path(digest)))

    def size(self, digest: str) -> int:
        """The blob's size in bytes; NotFound when it is not here."""
        try:
            return int(self._fs.size(self._path(digest)))
        except FileNotFoundError:
            raise NotFound(f"Artifact {digest} is not in the store.", reason="ARTIFACT_NOT_FOUND") from None

    def fetch(self, digest: str, path: Path) -> Path:
        """Copy the blob to a file of this machine, atomically and checked; a file that is there already is kept."""
        if path.exists() and file_digest(path) == digest:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        hasher = hashlib.sha256()
        try:
            with self.open(digest) as source, temporary.open("wb") as sink:
                while chunk := source.read(_CHUNK):
                    hasher.update(chunk)
                    sink.write(chunk)
            _check(digest, hasher.hexdigest())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def put_tree(self, folder: Path) -> str:
        """Store every file below the folder and a manifest of them; returns the manifest's digest."""
        files = [
            TreeFile(path.relative_to(folder).as_posix(), self.put_file(path), path.stat().st_size)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
        return self.put_manifest(files)

    def put_manifest(self, files: list[TreeFile]) -> str:
        """Store a manifest over blobs that are in the store already; returns the tree's digest."""
        return self.put_bytes(manifest_bytes(files))

    def tree(self, digest: str) -> list[TreeFile]:
        """The files of a tree; FailedPrecondition when the blob is no manifest."""
        try:
            rows = json.loads(self.read(digest))["files"]
            files = [TreeFile(str(row["path"]), str(row["sha256"]), int(row["size"])) for row in rows]
        except (ValueError, KeyError, TypeError):
            raise FailedPrecondition(f"Artifact {digest} is no tree.", reason="ARTIFACT_NOT_A_TREE") from None
        for file in files:
            _relative(file.path)
        return files

    def fetch_tree(self, digest: str, folder: Path) -> Path:
        """Copy a tree to a folder of this machine, every file checked; files that are there already are kept."""
        for file in self.tree(digest):
            self.fetch(file.sha256, folder / _relative(file.path))
        return folder

    def delete(self, digest: str) -> None:
        """Remove the blob; none there is no error."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._path(digest))

    def _path(self, digest: str) -> str:
        if not _DIGEST.fullmatch(digest):
            raise InvalidArgument(f"{digest!r} is no sha256 digest in lowercase hex.", reason="BAD_DIGEST")
        return f"{self._root}/sha256/{digest[:2]}/{digest}"

    @contextmanager
    def _publish(self, digest: str) -> Iterator[BinaryIO]:
        """A writer whose content appears under the digest at once and whole, or not at all."""
        final = self._path(digest)
        temporary = f"{final}.{uuid.uuid4().hex}"
        self._fs.makedirs(final.rpartition("/")[0], exist_ok=True)
        try:
            with self._fs.open(temporary, "wb") as sink:
                yield cast(BinaryIO, sink)
                if self._local:
                    sink.flush()
                    os.fsync(sink.fileno())
            self._fs.mv(temporary, final)
        except BaseException:
            with suppress(FileNotFoundError):
                self._fs.rm_file(temporary)
            raise


def manifest_bytes(files: list[TreeFile]) -> bytes:
    """The canonical JSON of a tree's manifest."""
    rows = [{"path": f.path, "sha256": f.sha256, "size": f.size} for f in sorted(files, key=lambda f: f.path)]
    return json.dumps({"files": rows}, separators=(",", ":"), sort_keys=True).encode()


def file_digest(path: Path) -> str:
    """The sha256 of a file in lowercase hex."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _relative(path: str) -> PurePosixPath:
    """A tree's path, which may only go down."""
    pure = PurePosixPath(path)
    if (
        pure.is_absolute()
        or not pure.parts
        or any(part in ("..", ".") for part in pure.parts)
        or "\\" in path
    ):
        raise InvalidArgument(f"A tree may not hold the path {path!r}.", reason="BAD_TREE_PATH")
    return pure


def _check(expected: str, actual: str) -> None:
    if expected != actual:
        raise FailedPrecondition(
            f"Artifact {expected} is damaged: its bytes hash to {actual}. Restore it from a backup or rebuild it.",
            reason="ARTIFACT_DAMAGED",
        )
