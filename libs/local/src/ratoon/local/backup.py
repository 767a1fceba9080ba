"""Back up an installation to one file, and restore an installation from that file.

All databases and the event log are copied as of one moment: all writers are blocked while a read transaction begins in
each database, and continue while the databases are copied. A backup therefore contains the state that a power failure
at that moment would leave, and a restored installation recovers in the same way: long-running operations start again,
and engines are started again. Artifacts are copied after the databases, so every artifact that a database refers to is
in the backup. This module knows services only by name.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from ratoon.process.errors import FailedPrecondition
from ratoon.process.files import OWNER_ONLY, replacing
from ratoon.runtime.settings import ServiceSettings
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.database import Database
from ratoon.storage.gc_items import DIGEST
from ratoon.storage.revisions import knows, revision_of

FORMAT = 1
MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_BUSY_S = 60.0


@dataclass(frozen=True)
class File:
    """One file of a backup: relative POSIX path, sha256 in hex, size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """Contents of a backup: creation time, database revision of each service, all files."""

    time: str
    revisions: dict[str, str]
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Total size of all files in bytes."""
        return sum(file.size for file in self.files)

    @property
    def damaged(self) -> list[str]:
        """Artifacts that were already damaged when the backup was created."""
        blobs = [file for file in self.files if file.path.startswith("artifacts/")]
        return [file.path for file in blobs if file.sha256 != PurePosixPath(file.path).name]

    def encoded(self) -> bytes:
        """Return the manifest as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode()

    @staticmethod
    def of(data: bytes) -> "Manifest":
        """Parse JSON; raise FailedPrecondition if this version cannot read it."""
        try:
            fields: dict[str, Any] = json.loads(data)
            files = tuple(File(**each) for each in fields["files"])
            manifest = Manifest(str(fields["time"]), dict(fields["revisions"]), files)
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(f"its {MANIFEST} cannot be read ({error})") from None
        if fields["format"] != FORMAT:
            raise FailedPrecondition(
                f"The backup has format {fields['format']}, but this version of Ratoon reads format {FORMAT}. "
                "Restore it with the version that created it.",
                reason="BACKUP_FROM_ELSEWHERE",
            )
        return manifest


def back_up(state: Path, services: Sequence[ServiceSettings], target: Path) -> Manifest:
    """Write a backup of the installation, which may be running, and return its manifest.

    Raise FailedPrecondition if the file exists, a part of the state is stored elsewhere, or a database is damaged.
    """
    if target.exists():
        raise FailedPrecondition(
            f"{target} exists. A backup never overwrites a file.", reason="BACKUP_EXISTS"
        )
    _check_all_here(state, services)
    with replacing(target, mode=OWNER_ONLY) as sink:
        return _write(state, services, target.parent, sink)


def restore(backup: Path, state: Path) -> Manifest:
    """Create an installation in a missing or empty directory. Every byte is verified before the directory appears.

    Raise FailedPrecondition if the directory is not empty, the backup is damaged, or a newer version created it.
    """
    if state.exists() and any(state.iterdir()):
        raise FailedPrecondition(
            f"{state} is not empty. Name another directory with --state, or move this one away.",
            reason="STATE_EXISTS",
        )
    state.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{state.name}.", dir=state.parent))
    try:
        manifest = _unpack(backup, fresh)
        os.sync()  # all files are on disk before the directory gets its name
        with suppress(FileNotFoundError):
            state.rmdir()
        fresh.rename(state)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return manifest


@contextmanager
def snapshot(databases: Sequence[Path]) -> Iterator[list[sqlite3.Connection]]:
    """Yield connections that read a snapshot of these SQLite files as of one moment, unaffected by later writes."""
    with ExitStack() as readers:
        seeing = [readers.enter_context(closing(_connect(path))) for path in databases]
        with ExitStack() as standstill:
            for path in databases:
                writer = standstill.enter_context(closing(_connect(path)))
                writer.execute("BEGIN IMMEDIATE")
            for reader in seeing:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield seeing


def _write(state: Path, services: Sequence[ServiceSettings], beside: Path, sink: BinaryIO) -> Manifest:
    """Write keys and files of the services, then the database snapshot, then the artifacts, then the manifest."""
    files: list[File] = []
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in _small_files(state, services):
            with suppress(FileNotFoundError):  # a spooled segment was sent just now
                files.append(_add_bytes(tar, _name(state, path), path.read_bytes()))
        with tempfile.TemporaryDirectory(prefix=".ratoon-", dir=beside) as folder:
            copies = _copies(state, services, Path(folder))
            revisions = {each.service: _revision(copies[_database(each)]) for each in services}
            files += [_add_file(tar, _name(state, path), copy) for path, copy in copies.items()]
        for path in sorted((state / "artifacts" / "sha256").glob("*/*")):
            with suppress(FileNotFoundError):  # removed by garbage collection just now
                if DIGEST.fullmatch(path.name):
                    files.append(_add_file(tar, _name(state, path), path))
        manifest = Manifest(datetime.now(UTC).isoformat(), revisions, tuple(files))
        _add_bytes(tar, MANIFEST, manifest.encoded())
    return manifest


def _copies(state: Path, services: Sequence[ServiceSettings], folder: Path) -> dict[Path, Path]:
    """Copy each database and the event log as of one moment."""
    log = state / "events" / "events.sqlite"
    paths = [*map(_database, services), *([log] if log.exists() else [])]
    copies = {path: folder / path.name for path in paths}
    with snapshot(paths) as connections:
        for (path, copy), connection in zip(copies.items(), connections, strict=True):
            with closing(sqlite3.connect(copy)) as target:
                connection.backup(target)
                _check_whole(path, target)
    return copies


def _check_whole(path: Path, copy: sqlite3.Connection) -> None:
    """Raise FailedPrecondition if a database is damaged, because its backup could not be used."""
    try:
        (problem,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        problem = str(error)
    if problem != "ok":
        raise FailedPrecondition(
            f"{path} is damaged ({problem}). Restore an older backup.", reason="DATABASE_DAMAGED"
        )


def _unpack(backup: Path, folder: Path) -> Manifest:
    """Unpack and verify the files of a backup in an empty directory."""
    manifest: Manifest | None = None
    digests: dict[str, str] = {}
    try:
        with tarfile.open(backup, "r|") as tar:
            for member in tar:
                source = tar.extractfile(member)
                if source is None:
                    raise _damaged(f"{member.name!r} is not a file")
                if member.name == MANIFEST:
                    manifest = Manifest.of(source.read())
                else:
                    digests[member.name] = _put(source, folder / _checked_path(member.name))
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(str(error)) from None
    if manifest is None:
        raise _damaged(f"it has no {MANIFEST}")
    _check_files(manifest, digests)
    _check_revisions(manifest)
    return manifest


def _check_files(manifest: Manifest, digests: dict[str, str]) -> None:
    """Check that the files are exactly those of the manifest, with the same bytes."""
    expected = {file.path: file.sha256 for file in manifest.files}
    wrong = sorted(
        name for name in expected.keys() | digests.keys() if expected.get(name) != digests.get(name)
    )
    if wrong:
        raise _damaged(f"{len(wrong)} files differ from the manifest, such as {wrong[0]}")


def _check_revisions(manifest: Manifest) -> None:
    unknown = [service for service, at in manifest.revisions.items() if not knows(service, at)]
    if unknown:
        raise FailedPrecondition(
            f"A newer version of Ratoon created this backup (newer databases: {', '.join(unknown)}). "
            "Restore it with that version.",
            reason="BACKUP_FROM_ELSEWHERE",
        )


def _check_all_here(state: Path, services: Sequence[ServiceSettings]) -> None:
    """Raise FailedPrecondition if a part of the state is outside the state directory."""
    for each in services:
        places = {
            "database": each.database_url.startswith(f"sqlite:///{state}/"),
            "artifacts": ArtifactStore(each.artifacts_url).folder == state / "artifacts",
            "keys": each.keys == state / "keys",
            "event log": not each.events,
        }
        elsewhere = [name for name, here in places.items() if not here]
        if elsewhere:
            raise FailedPrecondition(
                f"The state of {each.service} is not all in {state} (stored elsewhere: {', '.join(elsewhere)}). Stop "
                "Ratoon, so that all parts are of one moment, and back up each part with its own tools (pg_dump for "
                "PostgreSQL).",
                reason="STATE_ELSEWHERE",
            )


def _small_files(state: Path, services: Sequence[ServiceSettings]) -> Iterator[Path]:
    """Yield keys, reports, and the files that services store next to their databases."""
    paths = [each.folder / name for each in services for name in each.backup_paths]
    for place in (state / "keys", state / "demo", *paths):
        if place.is_file():
            yield place
        elif place.is_dir():
            yield from (path for path in sorted(place.rglob("*")) if path.is_file())


def _database(service: ServiceSettings) -> Path:
    return Path(service.database_url.removeprefix("sqlite:///"))


def _revision(copy: Path) -> str:
    with closing(Database(f"sqlite:///{copy}")) as database:
        return revision_of(database)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)


def _name(state: Path, path: Path) -> str:
    return path.relative_to(state).as_posix()


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> File:
    return _add(tar, name, BytesIO(data), len(data))


def _add_file(tar: tarfile.TarFile, name: str, path: Path) -> File:
    with path.open("rb") as source:
        return _add(tar, name, source, path.stat().st_size)


def _add(tar: tarfile.TarFile, name: str, source: BinaryIO, size: int) -> File:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    hashed = _Hashed(source)
    tar.addfile(member, cast(BinaryIO, hashed))
    return File(name, hashed.hasher.hexdigest(), size)


class _Hashed:
    """A reader that hashes the bytes it returns."""

    def __init__(self, source: BinaryIO) -> None:
        self._source, self.hasher = source, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        data = self._source.read(size)
        self.hasher.update(data)
        return data


def _put(source: Any, path: Path) -> str:
    """Write a file that only its owner may read; return its sha256."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    hashed = _Hashed(source)
    with os.fdopen(descriptor, "wb") as sink:
        while chunk := hashed.read(_CHUNK):
            sink.write(chunk)
    return hashed.hasher.hexdigest()


def _checked_path(name: str) -> PurePosixPath:
    """Return the path of a member, which must be inside the target directory."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts:
        raise _damaged(f"{name!r} points outside the target directory")
    return path


def _damaged(what: str) -> FailedPrecondition:
    return FailedPrecondition(f"The backup is damaged: {what}. Use another backup.", reason="BACKUP_DAMAGED")
