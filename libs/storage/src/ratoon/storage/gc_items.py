"""Items of garbage collection, the references to them, and the choice of what to remove.

No resource declares the artifacts that it refers to: any 64 hexadecimal digits in a resource or JSON file of a service
count as a reference, and so do those in a referenced manifest. A false match only keeps an artifact longer. Young
items are never removed, because a reference may follow; `ArtifactStore.intact` resets the age of an artifact. A
service with its own directories registers them as `ratoon.gc_roots`.
"""

import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from ratoon.process.errors import FailedPrecondition, NotFound
from ratoon.process.identity import ProcessIdentity
from ratoon.storage.artifacts import LARGEST_MANIFEST, MANIFEST_HEAD, ArtifactStore, is_manifest
from ratoon.storage.database import Database

DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_LARGEST_JSON = 8 << 20
_ROWS = 1000


@dataclass(frozen=True)
class Item:
    """A file or directory: what it is, its size in bytes, seconds since 1970 of its last change, why it is needed."""

    path: Path
    kind: str
    size: int
    modified: float
    use: str = ""
    """Empty when nothing needs it."""
    store: ArtifactStore | None = field(default=None, compare=False)
    """The object store that it lies in; None: it is of this machine."""


@dataclass(frozen=True)
class Limits:
    """Age in seconds up to which unreferenced items are retained, and the maximum bytes of all items."""

    grace_s: float = 24 * 3600.0
    """Nothing younger goes, whatever the quota says."""
    keep_s: float = 7 * 24 * 3600.0
    """Older unreferenced items are removed, even below the quota."""
    quota_bytes: int | None = None


@dataclass(frozen=True)
class Removal:
    """Something that may go, and why."""

    item: Item
    why: str


def choose(items: Iterable[Item], limits: Limits, now: float) -> list[Removal]:
    """Return the unreferenced items beyond `keep_s`, and the oldest beyond `grace_s` until the quota is met."""
    everything = list(items)
    idle = sorted(
        (item for item in everything if not item.use and now - item.modified >= limits.grace_s),
        key=lambda item: (item.modified, str(item.path)),
    )
    left = sum(item.size for item in everything)
    chosen: list[Removal] = []
    for item in idle:
        age = f"nothing has referred to it for {_days(now - item.modified)}"
        if now - item.modified >= limits.keep_s:
            chosen.append(Removal(item, age))
        elif limits.quota_bytes is not None and left > limits.quota_bytes:
            chosen.append(Removal(item, f"{age}, and the quota is exceeded"))
        else:
            continue
        left -= item.size
    return chosen


def remove(removal: Removal) -> bool:
    """Remove an item unless it has changed since the survey; return whether it was removed.

    It is renamed first, so that no process can start to use it between the check and the removal. An object store
    cannot rename, so a short race remains there.
    """
    if removal.item.store is not None:
        gone = removal.item.store.delete_unchanged(removal.item.path.name, removal.item.modified)
        if gone:
            removal.item.store.disown(removal.item.path.name)
        return gone
    path = removal.item.path
    aside = path.with_name(f".garbage-{uuid.uuid4().hex}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    if newest(aside) > removal.item.modified:
        aside.rename(path)
        return False
    shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
    if removal.item.kind == "artifact":
        ArtifactStore(str(path.parents[2])).disown(path.name)
    return True


def artifacts(folder: Path) -> Iterator[Item]:
    """The blobs of a store's directory, whether needed or not, and what is left of ones that were never finished."""
    for path in (folder / "sha256").glob("*/*"):
        with suppress(FileNotFoundError):  # published or removed just now
            stat = path.stat()
            kind = "artifact" if DIGEST.fullmatch(path.name) else "unfinished artifact"
            yield Item(path, kind, stat.st_size, stat.st_mtime)


def objects(store: ArtifactStore) -> Iterator[Item]:
    """The blobs of an object store, whether needed or not."""
    for name, size, modified in store.blobs():
        yield Item(Path("sha256") / name[:2] / name, "artifact", size, modified, store=store)


def jobs(folder: Path, open_since: float) -> Iterator[Item]:
    """Job directories: needed while their process lives, and while work is open that is older than they are."""
    for path in folder.glob("*"):
        mark = ProcessIdentity.read(path)
        alive = mark is not None and mark.alive()
        modified = newest(path)
        use = "runs" if alive else "its result may be wanted" if modified >= open_since else ""
        yield Item(path, "job", size_of(path), modified, use)


def mentioned(database: Database) -> set[str]:
    """Return every digest that the resources of a service mention."""
    digests: set[str] = set()
    with database.read() as connection:
        for table in resource_tables(connection):
            rows = connection.execution_options(yield_per=_ROWS).execute(text(f"SELECT body FROM {table}"))
            for (body,) in rows:
                digests.update(DIGEST.findall(body))
    return digests


def mentioned_in_files(folder: Path) -> set[str]:
    """Every digest that the JSON files below a directory mention."""
    digests: set[str] = set()
    for path in folder.rglob("*.json"):
        with suppress(OSError):
            if path.stat().st_size <= _LARGEST_JSON:
                digests.update(DIGEST.findall(path.read_text(errors="replace")))
    return digests


def with_content(store: ArtifactStore, digests: Iterable[str]) -> set[str]:
    """These digests and all that manifests and other JSON blobs among them mention, however deep."""
    reached: set[str] = set()
    queue = set(digests)
    while queue:
        digest = queue.pop()
        reached.add(digest)
        queue |= _mentions(store, digest) - reached
    return reached


def open_work(database: Database) -> tuple[set[str], float]:
    """Return the names of a service's open operations, and the start of the oldest one (seconds since 1970)."""
    with database.read() as connection:
        names = set(connection.execute(text("SELECT name FROM operations")).scalars())
        since = [
            datetime.fromisoformat(time).timestamp()
            for table in resource_tables(connection)
            for time in connection.execute(
                text(f"SELECT create_time FROM {table} WHERE name IN (SELECT name FROM operations)")
            ).scalars()
        ]
    return names, min(since, default=float("inf"))


def newest(path: Path) -> float:
    """Return the time of the last change of a file, or of anything in a directory."""
    with suppress(FileNotFoundError):
        times = [newest(each) for each in path.iterdir()] if path.is_dir() else []
        return max(path.lstat().st_mtime, *times, 0.0)
    return 0.0


def size_of(path: Path) -> int:
    """Bytes of a file or of all files in a directory."""
    if not path.is_dir():
        return path.lstat().st_size
    return sum(each.lstat().st_size for each in path.rglob("*") if each.is_file())


def resource_tables(connection: Connection) -> list[str]:
    """The tables of a database that hold resources."""
    schema = inspect(connection)
    return [
        name
        for name in schema.get_table_names()
        if {"name", "create_time", "body"} <= {each["name"] for each in schema.get_columns(name)}
    ]


def _mentions(store: ArtifactStore, digest: str) -> set[str]:
    """The digests in a JSON blob: a manifest of any size, or another one that is not too large."""
    try:
        with store.open_as_it_is(digest) as blob:
            head = blob.read(MANIFEST_HEAD)
            if not head.lstrip().startswith(b"{"):
                return set()
            if store.size(digest) > (LARGEST_MANIFEST if is_manifest(head) else _LARGEST_JSON):
                return set()
            return set(DIGEST.findall((head + blob.read()).decode(errors="replace")))
    except (FailedPrecondition, NotFound):  # erased, or removed just now
        return set()


def _days(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"
