"""An erasure: everything of a project that holds one of its records is written again without it.

Versions and parts are looked through by their record ids, sources by deriving the id of each item anew; what holds
none stays as it is. Nothing is replaced or deleted here: the result says what took the place of what.
"""

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon.chassis.artifacts import ArtifactStore, TreeFile
from ratoon_ingestion.domain.erasures import Rewritten
from ratoon_ingestion.worker.curate import Progress, repeated
from ratoon_ingestion.worker.decoding import record_id_of
from ratoon_ingestion.worker.readers import Item, SourceSpec, SourceUnreadable, read_source
from ratoon_ingestion.worker.spec import EraseSpec
from ratoon_ingestion.worker.tree import write_shard
from ratoon_ingestion.worker.writers import write_source

JSON = dict[str, Any]


@dataclass
class _Found:
    """What was found and made so far."""

    versions: dict[str, Rewritten] = field(default_factory=dict)
    splits: dict[str, dict[str, Rewritten]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    blobs: dict[str, None] = field(default_factory=dict)
    texts: dict[str, None] = field(default_factory=dict)
    held_by_versions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    held_by_parts: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    def result(self) -> JSON:
        """As the plan of an erasure reads it."""
        held = dict.fromkeys((*self.held_by_versions, *self.held_by_parts))
        return {
            "versions": {name: asdict(made) for name, made in self.versions.items()},
            "splits": {
                name: {part: asdict(made) for part, made in parts.items()}
                for name, parts in self.splits.items()
            },
            "sources": self.sources,
            "unread_sources": self.unread,
            "blobs": list(self.blobs),
            "text_digests": list(self.texts),
            "traces": [
                {
                    "record_id": record_id,
                    "versions": self.held_by_versions.get(record_id, []),
                    "placements": self.held_by_parts.get(record_id, []),
                }
                for record_id in held
            ],
        }


def erase(spec: EraseSpec, report: Progress) -> JSON:
    """Write again what holds the records; returns what took the place of what, and the blobs that are to go."""
    store, found = ArtifactStore(spec.artifacts), _Found()
    doomed = _with_repetitions(spec, store)
    total = len(spec.versions) + len(spec.parts) + len(spec.sources)
    done = 0
    for name, digest in spec.versions:
        _redact_version(store, found, name, digest, doomed)
        done += 1
        report(0.9 * done / total, "Looking through versions", done=done, total=total)
    for split, part, digest in spec.parts:
        _redact_part(store, found, (split, part), digest, doomed)
        done += 1
        report(0.9 * done / total, "Looking through splits", done=done, total=total)
    read_before = {source for each in spec.version_sources for source in each}
    for source in spec.sources:
        try:
            _redact_source(spec, store, found, source, doomed)
        except SourceUnreadable:
            if source.name in read_before:
                raise
            found.unread.append(source.name)
        done += 1
        report(0.9 * done / total, "Looking through sources", done=done, total=total)
    return found.result()


def _with_repetitions(spec: EraseSpec, store: ArtifactStore) -> frozenset[str]:
    """The ids given and those of the same source texts that stand more than once, whichever of them was named."""
    ids: set[str] = set()
    for _, tree in spec.versions:
        for shard in _shards(store, tree):
            ids |= set(_table(store, shard.sha256, ["record_id"]).column("record_id").to_pylist())
    doomed: set[str] = set()
    for first in ids | set(spec.record_ids):
        family = _family(first, ids, spec.key)
        if not set(spec.record_ids).isdisjoint(family):
            doomed |= family
    return frozenset(doomed)


def _family(first: str, ids: Collection[str], key: bytes) -> set[str]:
    family, occurrence = {first}, 1
    while (name := repeated(first, occurrence, key)) in ids:
        family.add(name)
        occurrence += 1
    return family


def _redact_version(
    store: ArtifactStore, found: _Found, name: str, digest: str, doomed: Collection[str]
) -> None:
    files, gone = [], list[str]()
    for file in store.tree(digest):
        if not file.path.endswith(".parquet"):
            files.append(file)
            continue
        left, ids = _without(store, file.sha256, doomed)
        files.append(TreeFile(file.path, left, store.size(left)))
        if file.path.startswith("records-"):
            gone += ids
        if left != file.sha256:
            found.blobs[file.sha256] = None
    tree = store.put_manifest(files)
    if tree != digest:
        found.versions[name] = Rewritten(tree, len(gone))
        found.blobs[digest] = None
    for record_id in gone:
        found.held_by_versions[record_id].append(name)


def _redact_part(
    store: ArtifactStore, found: _Found, place: tuple[str, str], digest: str, doomed: Collection[str]
) -> None:
    left, ids = _without(store, digest, doomed)
    if left == digest:
        return
    split, part = place
    found.splits.setdefault(split, {})[part] = Rewritten(left, len(ids))
    found.blobs[digest] = None
    for record_id in ids:
        found.held_by_parts[record_id].append(place)


def _without(store: ArtifactStore, digest: str, doomed: Collection[str]) -> tuple[str, list[str]]:
    """A Parquet blob without the rows of these records, and their ids; the same blob when it holds none."""
    ids = _table(store, digest, ["record_id"]).column("record_id")
    is_doomed = pc.is_in(ids, pa.array(sorted(doomed), pa.string()))
    gone = ids.filter(is_doomed).to_pylist()
    if not gone:
        return digest, []
    table = _table(store, digest)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "left.parquet"
        write_shard(path, table.filter(pc.invert(is_doomed)))
        return store.put_file(path), gone


def _redact_source(
    spec: EraseSpec, store: ArtifactStore, found: _Found, source: SourceSpec, doomed: Collection[str]
) -> None:
    texts: dict[str, None] = {}

    def left() -> Iterator[Item]:
        for entry in read_source(source, store):
            if not isinstance(entry, Item):
                continue
            if record_id_of(entry, spec.key, source.encoding) in doomed:
                texts[_text_digest(entry.payload)] = None
            else:
                yield entry

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        write_source(source, left(), path)
        if not texts:
            return
        found.sources[source.name] = store.put_file(path)
    found.texts |= texts
    found.blobs |= dict.fromkeys((source.digest, *_tree_blobs(store, source, doomed, spec.key)))


def _tree_blobs(
    store: ArtifactStore, source: SourceSpec, doomed: Collection[str], key: bytes
) -> Iterator[str]:
    """The files of a source that is a tree of the store, as far as they are a doomed item."""
    with store.open(source.digest) as stream:
        if not stream.read(10).startswith(b'{"files":['):
            return
    files = {file.path: file.sha256 for file in store.tree(source.digest)}
    for entry in read_source(source, store):
        if (
            isinstance(entry, Item)
            and record_id_of(entry, key, source.encoding) in doomed
            and entry.path in files
        ):
            yield files[entry.path]


def _text_digest(payload: bytes) -> str:
    return hashlib.sha256(payload.decode("utf-8", errors="replace").strip().encode()).hexdigest()


def _shards(store: ArtifactStore, tree: str) -> list[TreeFile]:
    return [file for file in store.tree(tree) if file.path.startswith("records-")]


def _table(store: ArtifactStore, digest: str, columns: list[str] | None = None) -> pa.Table:
    with store.open(digest) as stream:
        return pq.read_table(stream, columns=columns)
