"""The artifact store: bytes by their sha256, and trees of them. It knows no resource and no user path.

Layout: `<root>/sha256/<first two>/<digest>`; of what was erased, `<root>/erased/<digest>` says why. A tree is a
canonical JSON manifest blob, `{"files": [{"path": "a/b", "sha256": "…", "size": 1}, …]}` sorted by path; its digest
names the whole directory.

A blob belongs to the projects that hold a marker of it, `<root>/owners/<first two>/<digest>/<project>`: the project
that stored its bytes, or a resource that refers to it. A digest alone is no permission. Callers of a project cannot
download what it seals, by a marker below `<root>/seals`, and those below the role ENGINEER not what is marked below
`<root>/restrictions`.
"""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import fsspec

from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.process.files import replacing

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PROJECT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_MANIFEST = re.compile(rb'\s{0,8}\{\s{0,8}"files"\s{0,8}:\s{0,8}\[')
MANIFEST_HEAD = 64
"""Upper bound of the bytes that `_MANIFEST` matches, so that the first bytes decide the kind of a blob."""
LARGEST_MANIFEST = 256 << 20
"""Bytes of the largest manifest that is read: more than a million files."""
_CHUNK = 1 << 20
_REMEMBERED_S, _REMEMBERED = 600.0, 100_000
"""Seconds, and number, of marks of ownership that are known without a query of the store."""
_LONGEST_PATH, _LONGEST_NAME = 1024, 255
_OWNERS, _SEALS, _RESTRICTIONS = "owners", "seals", "restrictions"
"""Directories of marks of blobs by project."""
_YOUNG_S = 1800.0
"""Age in seconds above which a reference to an object resets its age; the shortest grace period is an hour."""


@dataclass(frozen=True)
class TreeFile:
    """One file of a tree: relative POSIX path, sha256 in hex, size in bytes."""

    path: str
    sha256: str
    size: int


class ArtifactStore:
    """Content-addressed blobs below an fsspec URL (`file:///…`, a plain directory, `s3://bucket/prefix`)."""

    def __init__(self, url: str) -> None:
        self.url = url
        others_write_too = {"use_listings_cache": False} if "://" in url else {}
        self._fs, root = fsspec.core.url_to_fs(url, **others_write_too)
        self._root = str(root).rstrip("/")
        self._local = "file" in (
            self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,)
        )
        self._verified: dict[str, tuple[int, int, int]] = {}
        """Inode, size and time of change of the files whose bytes were checked, by digest."""
        self._owned: dict[tuple[str, str], float] = {}
        """Time at which a project was marked as an owner of a digest (seconds of the monotonic clock)."""
        self._withheld: set[tuple[str, str, str]] = set()

    def put_bytes(self, data: bytes) -> str:
        """Store these bytes; returns their digest. A damaged blob of this digest is replaced."""
        digest = hashlib.sha256(data).hexdigest()
        if self._is_stored(digest):
            return digest
        if self._local:
            with self._publish(digest) as sink:
                sink.write(data)
        else:
            self._fs.pipe_file(self._path(digest), data)
        return digest

    def put_file(self, path: Path) -> str:
        """Store a file of this machine; returns its digest. A damaged blob of this digest is replaced."""
        digest = file_digest(path)
        if self._is_stored(digest):
            return digest
        if self._local:
            with self._publish(digest) as sink, path.open("rb") as source:
                shutil.copyfileobj(source, sink, _CHUNK)
        else:
            self._fs.put_file(str(path), self._path(digest))
        return digest

    def open(self, digest: str) -> BinaryIO:
        """A reader of the blob; NotFound when it is not here, FailedPrecondition when its file is damaged.

        A file is hashed when this process opens it first, and again when it was changed since.
        """
        if self._local:
            self._check_file(digest)
        return self.open_as_it_is(digest)

    def read(self, digest: str) -> bytes:
        """The whole blob, checked against its digest."""
        with self.open_as_it_is(digest) as source:
            data = source.read()
        _check(digest, hashlib.sha256(data).hexdigest())
        return data

    def exists(self, digest: str) -> bool:
        """Return whether the blob is in the store."""
        return bool(self._fs.exists(self._path(digest)))

    @property
    def folder(self) -> Path | None:
        """The directory of the store; None when it is no directory of this machine."""
        return Path(self._root) if self._local else None

    def intact(self, digest: str) -> bool:
        """Return whether the blob is in the store and, in a directory, still has its bytes; object stores see to that.

        The caller is about to refer to it: from now on its file counts as young and is not collected.
        """
        if not self._local:
            return self._renew_object(digest)
        try:
            self._check_file(digest)
            self._renew(digest)
        except (FailedPrecondition, NotFound, FileNotFoundError):
            return False
        return True

    def size(self, digest: str) -> int:
        """The blob's size in bytes; NotFound when it is not here."""
        try:
            return int(self._fs.size(self._path(digest)))
        except FileNotFoundError:
            raise _missing(digest) from None

    def fetch(self, digest: str, path: Path) -> Path:
        """Copy the blob to a file of this machine, atomically and checked; a file that is there already is kept."""
        if path.exists() and file_digest(path) == digest:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        hasher = hashlib.sha256()
        with self.open_as_it_is(digest) as source, replacing(path, durable=False) as sink:
            while chunk := source.read(_CHUNK):
                hasher.update(chunk)
                sink.write(chunk)
            _check(digest, hasher.hexdigest())
        return path

    def put_tree(self, folder: Path) -> str:
        """Store every file below the directory and a manifest of them; returns the manifest's digest."""
        files = [
            TreeFile(path.relative_to(folder).as_posix(), self.put_file(path), path.stat().st_size)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
        return self.put_manifest(files)

    def put_manifest(self, files: list[TreeFile]) -> str:
        """Store a manifest over blobs that are in the store already; returns the tree's digest."""
        check_entries(files)
        return self.put_bytes(manifest_bytes(files))

    def tree(self, digest: str) -> list[TreeFile]:
        """The files of a tree; FailedPrecondition when the blob is no manifest, InvalidArgument for a bad entry."""
        if not self._is_tree(digest):
            raise _not_a_tree(digest)
        try:
            rows = json.loads(self.read(digest))["files"]
            files = [TreeFile(row["path"], row["sha256"], row["size"]) for row in rows]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _not_a_tree(digest) from None
        check_entries(files)
        return files

    def check_if_tree(self, digest: str) -> None:
        """InvalidArgument, with the entry's name, if the blob is a manifest with a bad entry; any other blob passes."""
        if self._is_tree(digest):
            self.tree(digest)

    def check_tree(self, digest: str) -> list[TreeFile]:
        """The files of a tree that a request names: each blob is in the store, with the size that the tree states."""
        files = self.tree(digest)
        if not files:
            raise InvalidArgument(f"The tree {digest} has no files.", reason="BAD_TREE")
        for file in files:
            try:
                size = self.size(file.sha256)
            except NotFound:
                raise _bad_entry(file.path, f"its blob {file.sha256} is not in the store") from None
            if size != file.size:
                raise _bad_entry(file.path, f"the tree states {file.size} bytes, its blob has {size}")
        return files

    def fetch_tree(self, digest: str, folder: Path) -> Path:
        """Copy a tree to a directory of this machine, every file checked; files that are there already are kept."""
        files = self.tree(digest)
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            self.fetch(file.sha256, folder / _relative(file.path))
        return folder

    def owned(self, project: str, digest: str) -> bool:
        """Return whether a blob belongs to a project; the same for one that is not in the store."""
        if not _PROJECT.fullmatch(project):
            return False
        if self._remembers(project, digest):
            return True
        return bool(self._fs.exists(self._marker(project, digest)))

    def grant(self, project: str, digest: str) -> None:
        """Let a blob that is in the store, and the files of a tree, belong to a project; else nothing happens.

        The files are marked first: who owns a tree owns its files.
        """
        if (
            not _PROJECT.fullmatch(project)
            or not _DIGEST.fullmatch(digest)
            or self._remembers(project, digest)
        ):
            return
        if self.exists(digest):
            for each in (*self._members(digest), digest):
                self._mark_owner(project, each)

    def check_owned_tree(self, project: str, digest: str) -> None:
        """InvalidArgument when a blob is a tree with a file that does not belong to the project."""
        for entry in self._members(digest):
            if not self.owned(project, entry):
                raise InvalidArgument(
                    f"The tree {digest} names {entry}, which projects/{project} has not: upload the files of a tree "
                    "before the tree.",
                    reason="TREE_FILE_MISSING",
                )

    def seal(self, project: str, digest: str) -> None:
        """Withhold a blob from callers of a project, whatever its owner: it holds records of test parts."""
        self._withhold(project, digest, _SEALS)

    def restrict(self, project: str, digest: str) -> None:
        """Withhold a blob of raw data from callers below the role ENGINEER of a project.

        The files of a tree are not withheld: annotators see the images among them, and others do not know
        their digests.
        """
        self._withhold(project, digest, _RESTRICTIONS)

    def is_sealed(self, project: str, digest: str) -> bool:
        """Return whether a blob is withheld from callers of a project; `-`: of any project."""
        return self._is_withheld(project, digest, _SEALS)

    def is_restricted(self, project: str, digest: str) -> bool:
        """Return whether a blob is withheld from callers below the role ENGINEER of a project; `-`: of any project."""
        return self._is_withheld(project, digest, _RESTRICTIONS)

    def _withhold(self, project: str, digest: str, kind: str) -> None:
        if (
            (project, digest, kind) in self._withheld
            or not _PROJECT.fullmatch(project)
            or not _DIGEST.fullmatch(digest)
        ):
            return
        if len(self._withheld) >= _REMEMBERED:
            self._withheld.clear()
        self._put_empty(self._marker(project, digest, kind))
        self._withheld.add((project, digest, kind))

    def _is_withheld(self, project: str, digest: str, kind: str) -> bool:
        if _PROJECT.fullmatch(project):
            return bool(self._fs.exists(self._marker(project, digest, kind)))
        return bool(self._fs.exists(self._marker("", digest, kind).rstrip("/")))

    def disown(self, digest: str) -> None:
        """Forget the owners, seals and restrictions of a blob that is gone, except those that were marked just now."""
        for kind in (_OWNERS, _SEALS, _RESTRICTIONS):
            folder = self._marker("", digest, kind).rstrip("/")
            with suppress(FileNotFoundError):
                for path in self._fs.find(folder):
                    if (age := self._age(path)) is not None and age > _YOUNG_S:
                        self._fs.rm_file(path)
            if self._local:
                with suppress(OSError):  # marked concurrently
                    Path(folder).rmdir()

    def note(self, name: str) -> None:
        """Remember that something was done for the whole store."""
        self._put_empty(f"{self._root}/owners/.{name}")

    def noted(self, name: str) -> float | None:
        """Return the age in seconds of a note on the whole store; None without one."""
        return self._age(f"{self._root}/owners/.{name}")

    def _age(self, path: str) -> float | None:
        """Seconds since a file or object was written; None when there is none."""
        try:
            changed = Path(path).stat().st_mtime if self._local else _changed(self._fs.info(path))
        except FileNotFoundError:
            return None
        return max(0.0, time.time() - changed)

    def _members(self, digest: str) -> list[str]:
        """The digests of a tree's files; none for a blob that is no tree."""
        try:
            return [file.sha256 for file in self.tree(digest)]
        except (FailedPrecondition, InvalidArgument):
            return []

    def _is_tree(self, digest: str) -> bool:
        """Return whether a blob may be a manifest: by its beginning and size, so that no other is read whole for it."""
        with self.open_as_it_is(digest) as blob:
            return is_manifest(blob.read(MANIFEST_HEAD)) and self.size(digest) <= LARGEST_MANIFEST

    def _mark_owner(self, project: str, digest: str) -> None:
        """Write a marker, or make one that is there young."""
        if len(self._owned) >= _REMEMBERED:
            self._owned.clear()
        if not self._remembers(project, digest):
            self._put_empty(self._marker(project, digest))
            self._owned[project, digest] = time.monotonic()

    def _remembers(self, project: str, digest: str) -> bool:
        return time.monotonic() - self._owned.get((project, digest), -_REMEMBERED_S) < _REMEMBERED_S

    def _put_empty(self, path: str) -> None:
        if self._local:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
        else:
            self._fs.pipe_file(path, b"")

    def _marker(self, project: str, digest: str, kind: str = _OWNERS) -> str:
        self._path(digest)  # refuses what is no digest
        return f"{self._root}/{kind}/{digest[:2]}/{digest}/{project}"

    def delete(self, digest: str) -> None:
        """Remove the blob; none there is no error."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._path(digest))

    def blobs(self) -> Iterator[tuple[str, int, float]]:
        """Name, size in bytes and last change (seconds since 1970) of everything that an object store holds."""
        for path, info in self._fs.find(f"{self._root}/sha256", detail=True).items():
            yield str(path).rpartition("/")[2], int(info["size"]), _changed(info)

    def delete_unchanged(self, digest: str, since: float) -> bool:
        """Remove an object unless it was put again after `since`; whether it went."""
        try:
            if _changed(self._fs.info(self._path(digest))) > since:
                return False
        except FileNotFoundError:
            return False
        self.delete(digest)
        return True

    def erase(self, digest: str, why: str) -> None:
        """Remove the blob for good: to read it, or to store it again, is refused with this sentence from now on."""
        self._fs.makedirs(f"{self._root}/erased", exist_ok=True)
        self._fs.pipe_file(self._tombstone(digest), why.encode())
        self.delete(digest)

    def check_not_erased(self, digest: str) -> None:
        """FailedPrecondition when what has this digest was erased."""
        try:
            why = self._fs.cat_file(self._tombstone(digest)).decode()
        except FileNotFoundError:
            return
        raise FailedPrecondition(f"Artifact {digest} was erased: {why}", reason="ARTIFACT_ERASED")

    def _is_stored(self, digest: str) -> bool:
        """Return whether the blob is there and whole; FailedPrecondition when it may not be stored again."""
        if self.intact(digest):
            return True
        self.check_not_erased(digest)
        return False

    def open_as_it_is(self, digest: str) -> BinaryIO:
        """A reader of the blob that does not hash it first; NotFound when it is not here."""
        try:
            return cast(BinaryIO, self._fs.open(self._path(digest), "rb"))
        except FileNotFoundError:
            self.check_not_erased(digest)
            raise _missing(digest) from None

    def _check_file(self, digest: str) -> None:
        """FailedPrecondition when the blob's file has other bytes than its digest says."""
        path = Path(self._path(digest))
        try:
            mark = _mark(path)
        except FileNotFoundError:
            self.check_not_erased(digest)
            raise _missing(digest) from None
        if self._verified.get(digest) != mark:
            _check(digest, file_digest(path))
            self._verified[digest] = mark

    def _renew(self, digest: str) -> None:
        """Make the file of a whole blob as young as a new one."""
        path = Path(self._path(digest))
        os.utime(path)
        self._verified[digest] = _mark(path)

    def _renew_object(self, digest: str) -> bool:
        """Return whether an object exists; one that is not young is copied over itself to reset its age."""
        path = self._path(digest)
        try:
            info = self._fs.info(path)
        except FileNotFoundError:
            return False
        if time.time() - _changed(info) > _YOUNG_S:
            copy = {"MetadataDirective": "REPLACE"} if "s3" in self._fs.protocol else {}
            self._fs.cp_file(path, path, **copy)
        return True

    def _path(self, digest: str) -> str:
        if not _DIGEST.fullmatch(digest):
            raise InvalidArgument(f"{digest!r} is no sha256 digest in lowercase hex.", reason="BAD_DIGEST")
        return f"{self._root}/sha256/{digest[:2]}/{digest}"

    def _tombstone(self, digest: str) -> str:
        """Return the path of the reason of an erasure; a digest that is none is refused."""
        return f"{self._root}/erased/{self._path(digest).rpartition('/')[2]}"

    @contextmanager
    def _publish(self, digest: str) -> Iterator[BinaryIO]:
        """A writer in a directory, whose content appears under the digest at once and whole, or not at all.

        An object store does that on its own: an object appears when it is whole.
        """
        final = Path(self._path(digest))
        final.parent.mkdir(parents=True, exist_ok=True)
        with replacing(final) as sink:
            yield sink


def is_manifest(data: bytes) -> bool:
    """Return whether bytes, or the first of them, begin as the manifest of a tree does."""
    return _MANIFEST.match(data) is not None


def manifest_bytes(files: list[TreeFile]) -> bytes:
    """The canonical JSON of a tree's manifest."""
    rows = [{"path": f.path, "sha256": f.sha256, "size": f.size} for f in sorted(files, key=lambda f: f.path)]
    return json.dumps({"files": rows}, separators=(",", ":"), sort_keys=True).encode()


def file_digest(path: Path) -> str:
    """The sha256 of a file in lowercase hex."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _mark(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file does: inode, size, time of change."""
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _changed(info: Mapping[str, Any]) -> float:
    """Return the time of the last write of an object in seconds since 1970, as reported by its store."""
    when: datetime | float = info.get("LastModified") or info["created"]
    return when.timestamp() if isinstance(when, datetime) else when


def check_entries(files: Iterable[TreeFile]) -> None:
    """InvalidArgument, with the entry's name, unless every entry is a file of its own below one directory."""
    seen: set[str] = set()
    for file in files:
        _relative(file.path)
        if file.path in seen:
            raise _bad_entry(file.path, "it stands twice in the tree")
        if not isinstance(file.sha256, str) or not _DIGEST.fullmatch(file.sha256):
            raise _bad_entry(file.path, "its sha256 is no digest in lowercase hex")
        if not isinstance(file.size, int) or isinstance(file.size, bool) or file.size < 0:
            raise _bad_entry(file.path, "its size is no number of bytes")
        seen.add(file.path)
    for path in seen:
        for parent in PurePosixPath(path).parents:
            if str(parent) in seen:
                raise _bad_entry(str(parent), f"it is a file, and the directory of {path!r} as well")


def _relative(path: str) -> PurePosixPath:
    """A tree's path, which may only go down and is written in one way."""
    if not isinstance(path, str) or not path:
        raise _bad_entry(path, "a path is a text that names a file")
    pure = PurePosixPath(path)
    if pure.is_absolute() or "\\" in path or any(part in ("..", ".") for part in path.split("/")):
        raise _bad_entry(path, "a path is relative, without '..', '.' and backslashes")
    if "\0" in path or str(pure) != path:
        raise _bad_entry(path, "a path has no NUL and no empty parts")
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in path):
        raise _bad_entry(path, "a path is text that UTF-8 can encode: rename the file")
    if len(path) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME for part in pure.parts):
        raise _bad_entry(
            path[:80], f"a path has up to {_LONGEST_PATH} characters, {_LONGEST_NAME} bytes a part"
        )
    return pure


def _bad_entry(path: object, why: str) -> InvalidArgument:
    return InvalidArgument(f"A tree may not hold {path!r}: {why}.", reason="BAD_TREE_PATH")


def _not_a_tree(digest: str) -> FailedPrecondition:
    return FailedPrecondition(
        f"Artifact {digest} is no tree of files: state the artifact digest of a version, of a training run or of an "
        "uploaded directory.",
        reason="ARTIFACT_NOT_A_TREE",
    )


def _missing(digest: str) -> NotFound:
    return NotFound(f"Artifact {digest} is not in the store.", reason="ARTIFACT_NOT_FOUND")


def _check(expected: str, actual: str) -> None:
    if expected != actual:
        raise FailedPrecondition(
            f"Artifact {expected} is damaged: its bytes hash to {actual}. Restore it from a backup or rebuild it.",
            reason="ARTIFACT_DAMAGED",
        )
