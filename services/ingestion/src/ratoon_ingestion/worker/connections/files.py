"""Files and objects of a file system that fsspec knows: those are read that are new or changed since the last listing.

Objects of archive formats that are no archives themselves become one tree; any other object becomes a blob of its own,
byte for byte. An object that changes while it is read is left to the next reading, and links and devices are never
followed. The position is the listing: path and mark (size, time or ETag) of each object that was read or set aside. An
object that is gone or changed can be withdrawn (`live_items`).
"""

import fnmatch
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from ratoon.jobs.v1 import ingestion_jobs_pb2 as pb
from ratoon.process.errors import RatoonError
from ratoon.storage.artifacts import ArtifactStore, TreeFile
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.connections.common import (
    JSON,
    Reading,
    ReadingFailed,
    count_records,
    cursor_of,
)
from ratoon_ingestion.worker.connections.live_items import LiveItems
from ratoon_ingestion.worker.curate import Progress
from ratoon_ingestion.worker.filetypes import archive_kind
from ratoon_ingestion.worker.readers.items import SourceSpec, SourceUnreadable, clean_path
from ratoon_ingestion.worker.readers.withdrawn import WHOLE
from ratoon_ingestion.worker.spec import source_of

_CHUNK = 1 << 20
_MAX_LISTED = 1_000_000
_MAX_BLOBS = 100
"""Sources of one reading, each an object."""
_TREE_FORMATS = (Format.MAIL_ARCHIVE, Format.TEXT_ARCHIVE)
_MARKS = ("ETag", "etag", "checksum", "LastModified", "last_modified", "updated", "mtime", "ino", "size")


@dataclass(frozen=True)
class _Object:
    """An object: its path relative to the address, the path for the file system, its mark and size."""

    path: str
    full: str
    mark: str
    size: int


def read_files(
    spec: pb.ReadingSpec, credentials: JSON, store: ArtifactStore, folder: Path, report: Progress
) -> pb.ReadingResult:
    """Read new and changed objects, at most `max_items` and `max_bytes`, in the order of their paths."""
    place = _Place(spec, credentials)
    reading, cursor = Reading(), cursor_of(store, spec.cursor)
    known, live = cursor.get("objects", {}), LiveItems(spec, store, cursor, reading)
    listed = sorted(place.list(reading), key=lambda each: each.path)
    reading.listed = len(listed)
    marks = {each.path: each.mark for each in listed}
    done = {path: mark for path, mark in known.items() if path in marks}
    if gone := [path for path in known if path not in place.present]:
        reading.vanished = len(gone)
        withdrawn = live.remove_absent(place.present)
        stays = f"{withdrawn:,} of them are withdrawn" if live.is_on else "their records stay"
        reading.note(f"{len(gone):,} objects that were read before are gone; {stays}.")
    fresh = [each for each in listed if known.get(each.path) != each.mark]
    taker = _Taker(spec, store, folder, reading, place, live)
    for number, each in enumerate(fresh):
        if taker.is_full(each):
            reading.more = True
            break
        report(number / len(fresh), "Reading", done=number, total=len(fresh), unit="objects")
        if taker.take(each):
            done[each.path] = each.mark
    taker.end()
    return reading.result(store, {"objects": done, **live.stored()}, f"{len(done):,} objects")


class _Place:
    """The address of a connection, as a file system and a path in it."""

    def __init__(self, spec: pb.ReadingSpec, credentials: JSON) -> None:
        options: JSON = {**credentials, "use_listings_cache": False, "skip_instance_cache": True}
        self.fs, root = fsspec.core.url_to_fs(spec.url, **options)
        self.root = str(root).rstrip("/")
        self._pattern = spec.pattern
        self.present = set[str]()
        """Paths of all objects that were listed, whether the pattern matches them or not."""
        self.is_local = "file" in _protocols(self.fs)
        if self.is_local:
            self._check_below(spec)

    def list(self, reading: Reading) -> Iterator[_Object]:
        """Yield the objects below the address that the pattern matches."""
        count = 0
        for full, info in self._walk() if self.is_local else self._find():
            path = full.removeprefix(self.root).lstrip("/") or full.rpartition("/")[2]
            self.present.add(path)
            if self._pattern and not fnmatch.fnmatchcase(path, self._pattern):
                continue
            if info is None:
                reading.skip("NOT_A_FILE", f"{path} is a link or a device, which is not followed.")
                continue
            count += 1
            if count > _MAX_LISTED:
                raise ReadingFailed(
                    "TOO_MANY_OBJECTS",
                    f"There are more than {_MAX_LISTED:,} objects. Create one connection for each subdirectory.",
                )
            yield _Object(path, full, _mark(info), int(info.get("size") or 0))

    def mark_of(self, each: _Object) -> str:
        """Return the present mark of an object; FileNotFoundError if it is gone."""
        if self.is_local:
            return _mark(_local_info(os.lstat(each.full)) or {})
        return _mark(self.fs.info(each.full))

    def open(self, each: _Object) -> BinaryIO:
        """Open an object; no link is followed."""
        if self.is_local:
            handle = os.open(each.full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            return os.fdopen(handle, "rb")
        opened: BinaryIO = self.fs.open(each.full, "rb")
        return opened

    def _find(self) -> Iterator[tuple[str, JSON | None]]:
        objects: dict[str, JSON] = self.fs.find(self.root, detail=True)
        if not objects and self.fs.isfile(self.root):
            objects = {self.root: self.fs.info(self.root)}
        yield from ((path, info) for path, info in objects.items() if not path.endswith("/"))

    def _walk(self) -> Iterator[tuple[str, JSON | None]]:
        """Yield regular files with their info, and None for links and devices."""
        if not os.path.lexists(self.root):
            raise ReadingFailed(
                "NOT_FOUND", f"There is no directory {self.root}. Check the url of the connection."
            )
        if not os.path.isdir(self.root):
            yield self.root, _local_info(os.lstat(self.root))
            return

        def refuse(error: OSError) -> None:
            raise error

        for directory, folders, files in os.walk(self.root, onerror=refuse):
            links = [name for name in folders if os.path.islink(os.path.join(directory, name))]
            for name in (*files, *links):
                full = os.path.join(directory, name)
                try:
                    yield full, _local_info(os.lstat(full))
                except FileNotFoundError:
                    continue

    def _check_below(self, spec: pb.ReadingSpec) -> None:
        """Refuse a directory that a link leads out of the operator's."""
        allowed = os.path.realpath(str(fsspec.core.url_to_fs(spec.endpoint)[1]))
        actual = os.path.realpath(self.root)
        if actual != allowed and not actual.startswith(f"{allowed.rstrip('/')}/"):
            raise ReadingFailed(
                "CONNECTION_NOT_ALLOWED",
                f"{spec.url} leads out of {spec.endpoint} by a link. Name the directory itself.",
            )
        self.root = actual


class _Taker:
    """Reads objects into the store, within the bounds of one reading."""

    def __init__(
        self,
        spec: pb.ReadingSpec,
        store: ArtifactStore,
        folder: Path,
        reading: Reading,
        place: _Place,
        live: LiveItems,
    ) -> None:
        self._spec, self._store, self._reading, self._place = spec, store, reading, place
        self._live = live
        self._source = source_of(spec.source)
        self._temporary = folder / "object"
        self._tree: list[TreeFile] = []

    def is_full(self, each: _Object) -> bool:
        """Return whether an object has to wait for the next reading."""
        reading, spec = self._reading, self._spec
        if reading.taken >= spec.max_items or len(reading.blobs) >= _MAX_BLOBS:
            return True
        return reading.taken > 0 and each.size <= spec.max_bytes < reading.size_bytes + each.size

    def take(self, each: _Object) -> bool:
        """Read an object. Returns whether it is done with, read or set aside for good."""
        if each.size > self._spec.max_bytes:
            self._reading.skip("TOO_LARGE", f"{each.path} has {each.size:,} bytes, more than max_bytes.")
            self._live.remove(each.path)
            return True
        try:
            self._copy(each)
            if self._place.mark_of(each) != each.mark:
                raise _ChangedMeanwhile
            return self._stored(each)
        except FileNotFoundError:
            self._reading.skip("VANISHED", f"{each.path} was deleted while the place was read.")
        except _ChangedMeanwhile:
            self._reading.skip(
                "CHANGED_WHILE_READ", f"{each.path} changed while it was read; it is read again."
            )
        except (PermissionError, IsADirectoryError) as error:
            self._reading.skip(
                "NOT_READABLE", f"{each.path} cannot be read ({type(error).__name__}); it is tried again."
            )
        finally:
            self._temporary.unlink(missing_ok=True)
        return False

    def end(self) -> None:
        """Make one blob of the objects that are no archives."""
        if self._tree:
            digest = self._store.put_manifest(sorted(self._tree, key=lambda file: file.path))
            added = self._add(digest, "")
            for file in self._tree:
                if added:
                    self._live.put(file.path, len(self._reading.blobs) - 1, clean_path(file.path))
                else:
                    self._live.remove(file.path)

    def _copy(self, each: _Object) -> None:
        size = 0
        with self._place.open(each) as source, self._temporary.open("wb") as sink:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > self._spec.max_bytes:
                    raise _ChangedMeanwhile
                sink.write(chunk)

    def _stored(self, each: _Object) -> bool:
        """Store an object; what an earlier reading stored of it is withdrawn, whether it gives records or not."""
        in_tree = len(self._tree)
        before = len(self._reading.blobs)
        done = self._store_object(each)
        if len(self._reading.blobs) > before:
            self._live.put(each.path, before, WHOLE)
        elif len(self._tree) == in_tree:
            self._live.remove(each.path)
        return done

    def _store_object(self, each: _Object) -> bool:
        size = self._temporary.stat().st_size
        if not size:
            self._reading.skip("EMPTY", f"{each.path} is empty.")
            return True
        try:
            digest = self._store.put_file(self._temporary)
        except RatoonError as error:  # it was erased
            self._reading.skip(error.reason, f"{each.path} is left out: {error}")
            return True
        if self._source.format in _TREE_FORMATS and not self._is_archive():
            self._tree.append(TreeFile(each.path, digest, size))
        elif not self._add(digest, each.path):
            return True
        self._reading.taken += 1
        self._reading.size_bytes += size
        return True

    def _is_archive(self) -> bool:
        with self._temporary.open("rb") as file:
            return archive_kind(file.read(512)) is not None

    def _add(self, digest: str, path: str) -> bool:
        """Add a blob with its number of records. Returns False if no reader can read it: it is set aside."""
        source: SourceSpec = replace(self._source, digest=digest)
        try:
            records, rejected = count_records(source, self._store)
        except SourceUnreadable as error:
            self._reading.skip(error.reason, f"{path or 'The objects'} cannot be read: {error}")
            return False
        what = path or "The objects"
        if not records:
            self._reading.skip("NO_RECORDS", f"{what}: {rejected:,} items, none of which is a record.")
            return False
        if rejected:
            self._reading.note(f"{what}: {rejected:,} items are no records.")
        self._reading.blobs.append(pb.ReadingResult.Blob(digest=digest, records=records, title=path[-200:]))
        return True


class _ChangedMeanwhile(Exception):
    """The object is another one now."""


def _local_info(status: os.stat_result) -> JSON | None:
    if not stat.S_ISREG(status.st_mode):
        return None
    return {"size": status.st_size, "mtime": status.st_mtime_ns, "ino": status.st_ino}


def _mark(info: JSON) -> str:
    """Return what distinguishes the contents of an object, as far as its file system says."""
    return " ".join(f"{info[name]}" for name in _MARKS if info.get(name) is not None)


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)
