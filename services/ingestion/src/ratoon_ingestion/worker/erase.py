"""An erasure: everything of a project that holds one of its records is written again without it.

Versions and parts are searched by their record ids, sources by deriving the id of each item again; what holds
none stays as it is. Nothing is replaced or deleted here: the result says what took the place of what.
"""

import hashlib
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon.jobs.v1.ingestion_jobs_pb2 import ErasureResult, ErasureSpec
from ratoon.storage.artifacts import ArtifactStore, TreeFile
from ratoon.tasks.kind import Record, Role
from ratoon.tasks.records import from_json
from ratoon.tasks.text import utf8
from ratoon_ingestion.domain.attachments import FOLDER, digests_in
from ratoon_ingestion.domain.conversations import SEGMENT_OF
from ratoon_ingestion.worker.attachments import digests_of, in_shards
from ratoon_ingestion.worker.curate import Progress, repeated
from ratoon_ingestion.worker.decoding import decoded, record_id_of
from ratoon_ingestion.worker.index.stored import index_store
from ratoon_ingestion.worker.names import names_of
from ratoon_ingestion.worker.readers import Item, SourceSpec, SourceUnreadable, read_source
from ratoon_ingestion.worker.readers.tables import has_examples
from ratoon_ingestion.worker.spec import source_of
from ratoon_ingestion.worker.tree import write_shard
from ratoon_ingestion.worker.writers import write_source

_TREE = b'{"files":['
_PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PAR1", _TREE)
"""How files begin whose texts do not stand in them as they are."""
_CHANGED = re.compile(r"[\s\"\\\x00-\x1f=]")
"""Characters that CSV, JSON or mail write otherwise, or break lines at."""
_STRETCH = 200
_MIN_MESSAGE_CHARS = 20
_CHUNK = 1 << 20


@dataclass
class _Outcome:
    """Replacements and traces so far."""

    versions: dict[str, ErasureResult.Replacement] = field(default_factory=dict)
    parts: list[ErasureResult.ReplacedPart] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    blobs: dict[str, None] = field(default_factory=dict)
    texts: dict[str, None] = field(default_factory=dict)
    payloads: set[bytes] = field(default_factory=set)
    """The texts themselves; they stay in this process."""
    incomplete: set[str] = field(default_factory=set)
    """Sources of which not every item could be read."""
    origins: set[str] = field(default_factory=set)
    """Sources that versions name as the origin of a record that goes."""
    indexes: dict[str, str] = field(default_factory=dict)
    attachments: dict[str, None] = field(default_factory=dict)
    """Files that a version refers to no more."""
    retained_attachments: dict[str, None] = field(default_factory=dict)
    """Files of records that go, which other records of a version have."""
    joined: set[str] = field(default_factory=set)
    """Sources whose rows were joined with those of a record that goes."""
    held_by_versions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    held_by_parts: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    def result(self) -> ErasureResult:
        """As the plan of an erasure reads it."""
        held = dict.fromkeys((*self.held_by_versions, *self.held_by_parts))
        return ErasureResult(
            versions=self.versions,
            parts=self.parts,
            sources=self.sources,
            unread_sources=self.unread,
            blobs=self.blobs,
            text_digests=self.texts,
            indexes=self.indexes,
            attachments=self.attachments,
            retained_attachments=self.retained_attachments,
            traces=map(self._trace, held),
        )

    def _trace(self, record_id: str) -> ErasureResult.Trace:
        places = self.held_by_parts.get(record_id, [])
        return ErasureResult.Trace(
            record_id=record_id,
            versions=self.held_by_versions.get(record_id, []),
            parts=[ErasureResult.Place(split=split, part=part) for split, part in places],
        )


def erase(spec: ErasureSpec, store: ArtifactStore, report: Progress) -> ErasureResult:
    """Write again what holds the records; returns what took the place of what, and the blobs that are to go."""
    outcome = _Outcome()
    sources = tuple(replace(source_of(each), withdrawn="") for each in spec.sources)
    key = bytes.fromhex(spec.record_key)
    doomed = _with_repetitions(spec, store)
    total = len(spec.versions) + len(spec.parts) + len(sources)
    done = 0
    for version in spec.versions:
        _redact_version(store, outcome, version.name, version.digest, doomed)
        done += 1
        report(0.9 * done / total, "Searching dataset versions", done=done, total=total)
    for part in spec.parts:
        _redact_part(store, outcome, part, doomed)
        done += 1
        report(0.9 * done / total, "Searching splits", done=done, total=total)
    read_before = {source for version in spec.versions for source in version.sources}
    for source in sources:
        try:
            _redact_source(key, store, outcome, source, doomed)
        except SourceUnreadable:
            if source.name in read_before:
                raise
            outcome.unread.append(source.name)
        done += 1
        report(0.9 * done / total, "Searching sources", done=done, total=total)
    report(0.9, "Searching near-duplicate indexes", done=done, total=total)
    _redact_indexes(store, outcome, spec, doomed)
    outcome.unread += [source.name for source in sources if _may_still_hold(store, outcome, source)]
    return outcome.result()


def _redact_indexes(
    store: ArtifactStore, outcome: _Outcome, spec: ErasureSpec, doomed: Collection[str]
) -> None:
    """Write again the near-duplicate indexes that hold a record, for the versions and parts without it."""
    renamed = {
        each.digest: outcome.versions[each.name].digest
        for each in spec.versions
        if each.name in outcome.versions
    }
    places = {(each.split, each.part): each.digest for each in spec.parts}
    renamed |= {places[each.split, each.part]: each.digest for each in outcome.parts}
    erased = names_of(sorted(doomed))
    with index_store(store) as indexes:
        for index in spec.indexes:
            left, gone = indexes.without(index, erased, renamed)
            if left != index:
                outcome.indexes[index] = left
                outcome.blobs |= dict.fromkeys(gone)


def _may_still_hold(store: ArtifactStore, outcome: _Outcome, source: SourceSpec) -> bool:
    """Whether a searched source may hold an erased text where it cannot be read.

    Another source over the same bytes held one, or one stands in an item that was rejected, such as a row without
    the column that was named.
    """
    if source.name in outcome.sources or source.name in outcome.unread:
        return False
    if source.digest in outcome.blobs:
        return True
    is_doubtful = source.name in outcome.incomplete or source.name in outcome.joined
    return is_doubtful and _holds(store, source.digest, outcome.payloads)


def _holds(store: ArtifactStore, digest: str, payloads: Collection[bytes]) -> bool:
    """Whether a blob may hold one of these texts, as it is or as JSON writes it; True for a compressed blob."""
    with store.open(digest) as stream:
        beginning = stream.read(len(_TREE))
    if beginning.startswith(_PACKED):
        return True
    sought = {form for payload in payloads for form in _forms(payload)}
    longest = max(map(len, sought), default=0)
    with store.open(digest) as stream:
        before = b""
        while sought and (chunk := stream.read(_CHUNK)):
            window = before + chunk
            if any(form in window for form in sought):
                return True
            before = window[-longest:]
    return False


def _forms(payload: bytes) -> Iterator[bytes]:
    """How the longest stretch of a text that no format changes may stand in a file."""
    text = payload.decode("utf-8", errors="replace").strip()
    stretch = max(_CHANGED.split(text), key=len)[:_STRETCH] or text
    yield stretch.encode()
    yield json.dumps(stretch)[1:-1].encode()


def _with_repetitions(spec: ErasureSpec, store: ArtifactStore) -> frozenset[str]:
    """The requested ids and those of the same source texts: repetitions, augmented copies, segments and their text.

    If the request says so, also those of records that have an attachment of one of them.
    """
    key, ids = bytes.fromhex(spec.record_key), set[str]()
    texts: dict[str, set[str]] = defaultdict(set)
    holders: dict[str, set[str]] = defaultdict(set)
    for version in spec.versions:
        for shard in _shards(store, version.digest):
            table = _table(store, shard.sha256, ["record_id", "attributes"])
            ids |= set(table.column("record_id").to_pylist())
            _add_segments(texts, table)
            if spec.shared_attachments:
                _add_holders(holders, table)
    for part in spec.parts:
        ids |= set(_table(store, part.digest, ["record_id"]).column("record_id").to_pylist())
    doomed = set(spec.record_ids)
    families = [{text, *segments} for text, segments in texts.items()]
    families += [family for family in holders.values() if len(family) > 1]
    families += [family for first in ids | doomed if len(family := _family(first, ids, key)) > 1]
    while more := [family for family in families if not family.isdisjoint(doomed) and not family <= doomed]:
        doomed.update(*more)
    return frozenset(doomed)


def _add_segments(texts: dict[str, set[str]], table: pa.Table) -> None:
    """Add the segments of a shard to those of their texts."""
    parents = pc.map_lookup(table.column("attributes"), SEGMENT_OF, "first").to_pylist()
    for parent, record_id in zip(parents, table.column("record_id").to_pylist(), strict=True):
        if parent:
            texts[parent].add(record_id)


def _add_holders(holders: dict[str, set[str]], table: pa.Table) -> None:
    """Add the records of a shard to those of their attachments."""
    columns = (table.column(name).to_pylist() for name in ("attributes", "record_id"))
    for attributes, record_id in zip(*columns, strict=True):
        for digest in digests_in(dict(attributes or ())):
            holders[digest].add(record_id)


def _family(first: str, ids: Collection[str], key: bytes) -> set[str]:
    family, occurrence = {first}, 1
    while (name := repeated(first, occurrence, key)) in ids:
        family.add(name)
        occurrence += 1
    return family


def _redact_version(
    store: ArtifactStore, outcome: _Outcome, name: str, digest: str, doomed: Collection[str]
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
            outcome.origins |= _origins(store, file.sha256, ids)
        if left != file.sha256:
            outcome.blobs[file.sha256] = None
    files = _with_own_attachments(store, digest, files, gone, outcome) if gone else files
    tree = store.put_manifest(files)
    if tree != digest:
        outcome.versions[name] = ErasureResult.Replacement(digest=tree, erased_count=len(gone))
        outcome.blobs[digest] = None
    for record_id in gone:
        outcome.held_by_versions[record_id].append(name)


def _with_own_attachments(
    store: ArtifactStore, version: str, files: list[TreeFile], ids: Collection[str], outcome: _Outcome
) -> list[TreeFile]:
    """Return the files of a version without the attachments that no record of it has any more."""
    if not any(file.path.startswith(FOLDER) for file in files):
        return files
    held = in_shards(store, [file.sha256 for file in files if file.path.startswith("records-")])
    gone = {file.sha256 for file in files if file.path.startswith(FOLDER)} - held
    outcome.attachments |= dict.fromkeys(sorted(gone))
    outcome.retained_attachments |= dict.fromkeys(sorted(_attachments_of(store, version, ids) & held))
    return [file for file in files if not (file.path.startswith(FOLDER) and file.sha256 in gone)]


def _attachments_of(store: ArtifactStore, version: str, ids: Collection[str]) -> set[str]:
    """Return the attachments of records of a version."""
    digests = set[str]()
    for shard in _shards(store, version):
        table = _table(store, shard.sha256, ["record_id", "attributes"])
        is_one = pc.is_in(table.column("record_id"), pa.array(sorted(ids), pa.string()))
        digests |= digests_of(table.column("attributes").filter(is_one))
    return digests


def _origins(store: ArtifactStore, digest: str, ids: Collection[str]) -> set[str]:
    """The sources that a shard's records came from."""
    if not ids:
        return set()
    table = _table(store, digest, ["record_id", "source"])
    chosen = table.filter(pc.is_in(table.column("record_id"), pa.array(sorted(ids), pa.string())))
    return set(chosen.column("source").to_pylist())


def _redact_part(
    store: ArtifactStore, outcome: _Outcome, part: ErasureSpec.Part, doomed: Collection[str]
) -> None:
    left, ids = _without(store, part.digest, doomed)
    if left == part.digest:
        return
    replaced = ErasureResult.ReplacedPart(
        split=part.split, part=part.part, digest=left, erased_count=len(ids)
    )
    outcome.parts.append(replaced)
    outcome.blobs[part.digest] = None
    for record_id in ids:
        outcome.held_by_parts[record_id].append((part.split, part.part))


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
    key: bytes, store: ArtifactStore, outcome: _Outcome, source: SourceSpec, doomed: Collection[str]
) -> None:
    texts: dict[str, None] = {}

    def left() -> Iterator[Item]:
        for entry in read_source(source, store):
            if not isinstance(entry, Item):
                outcome.incomplete.add(source.name)
                continue
            if record_id_of(entry, key, source.encoding) in doomed:
                texts.update(dict.fromkeys(_text_digests(entry, source.encoding)))
                outcome.payloads.add(_longest_text(entry))
            else:
                yield entry

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        write_source(source, left(), path, source.rows is None and has_examples(source, store))
        if not texts:
            if source.name in outcome.origins:
                # its settings for reading differed when that version was created
                outcome.unread.append(source.name)
            return
        outcome.sources[source.name] = store.put_file(path)
        outcome.joined |= {source.rows.other.name} if source.rows and source.rows.other else set()
    outcome.texts |= texts
    outcome.blobs |= dict.fromkeys((source.digest, *_tree_blobs(store, source, doomed, key)))


def _tree_blobs(
    store: ArtifactStore, source: SourceSpec, doomed: Collection[str], key: bytes
) -> Iterator[str]:
    """The files of a source that is a tree of the store, as far as they are a doomed item."""
    with store.open(source.digest) as stream:
        if not stream.read(len(_TREE)).startswith(_TREE):
            return
    files = {file.path: file.sha256 for file in store.tree(source.digest)}
    for entry in read_source(source, store):
        if isinstance(entry, Item) and record_id_of(entry, key, source.encoding) in doomed:
            # a file that is an mbox holds its mails, and an archive its members
            places = (entry.path, *map(str, PurePosixPath(entry.path).parents))
            if (blob := next((files[place] for place in places if place in files), None)) is not None:
                yield blob


def _longest_text(item: Item) -> bytes:
    """The text of an item by which it is searched in files of other formats."""
    if not item.kind.is_example:
        return item.payload
    record = from_json(item.payload.decode())
    texts = [turn.content for turn in record.turns] + [*record.answers, record.rejected or ""]
    return max(texts, key=len).encode()


def _text_digests(item: Item, encoding: str) -> Iterator[str]:
    """By which captured traffic finds an item's text: as it came, and as a record has it."""
    source = decoded(item.kind, item.payload, item.path, encoding)
    blocks = (text for text, _ in source.blocks)
    for text in (
        item.payload.decode("utf-8", errors="replace"),
        source.text(),
        *blocks,
        *_of_record(source.record),
    ):
        yield hashlib.sha256(utf8(text.strip())).hexdigest()


def _of_record(record: Record | None) -> Iterator[str]:
    """The messages of the user and the answers of an example, but for short ones, which many conversations share."""
    if record is not None:
        messages = (turn.content for turn in record.turns if turn.role == Role.USER)
        for text in (*messages, *record.answers, record.rejected or ""):
            if len(text) >= _MIN_MESSAGE_CHARS:
                yield text


def _shards(store: ArtifactStore, tree: str) -> list[TreeFile]:
    return [file for file in store.tree(tree) if file.path.startswith("records-")]


def _table(store: ArtifactStore, digest: str, columns: list[str] | None = None) -> pa.Table:
    with store.open(digest) as stream:
        return pq.read_table(stream, columns=columns)
