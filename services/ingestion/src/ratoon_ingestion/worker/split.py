"""A split: a labelled dataset version in three Parquet blobs; the test part is sealed by keeping its digest secret.

Earlier test parts are compared by record, content and wording, so that nothing that was ever tested on trains
later, in any version. Records of an older training part can be mixed in (replay).
"""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.jobs.v1.ingestion_jobs_pb2 import SplitResult, SplitSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import Step
from ratoon_ingestion.domain.assignment import (
    Assignment,
    Candidate,
    Part,
    Ratios,
    SplitMode,
    Withheld,
    by_quantile,
    by_time,
    divided,
    grouped,
    replayed,
    stratified,
    with_copies,
    with_training_only,
)
from ratoon_ingestion.domain.conversations import has_free_text, is_preference
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.mixtures import COPY_OF
from ratoon_ingestion.worker.augmenting import AUGMENTED, augmented, synonyms_of
from ratoon_ingestion.worker.batches import ATTRIBUTES
from ratoon_ingestion.worker.curate import Progress
from ratoon_ingestion.worker.index.segment import Layout, Segment
from ratoon_ingestion.worker.index.stored import IndexStore, index_store, layout_for
from ratoon_ingestion.worker.leakage import (
    Texts,
    first_without_match,
    indexed,
    known_sketches,
    repeating,
)
from ratoon_ingestion.worker.references import sources_of_steps
from ratoon_ingestion.worker.stages import StageSettings
from ratoon_ingestion.worker.stored_records import read_columns, read_version, texts_of

PART = pa.schema(
    {
        "record_id": pa.string(),
        "content_digest": pa.string(),
        "text": pa.string(),
        "label": pa.string(),
        "language": pa.string(),
        "chars": pa.int32(),
        "cluster": pa.string(),
        "attributes": ATTRIBUTES,
        "example": pa.string(),
    }
)
"""The columns of a part. Those of older releases have no `example`, which is null in each of their rows."""


_SELECTION, _ACTIVE = "selection", "ACTIVE"
"""Column of a label set, and its value for records that a labelling queue drew by uncertainty."""
_CLASS_CHARS = 200
"""Maximum length of a label that is counted as a class."""


class NothingToSplit(Exception):
    """No record has what the split needs."""

    code, reason = "FAILED_PRECONDITION", "NOTHING_TO_SPLIT"


class AmbiguousLabels(Exception):
    """A label set gives one record two labels."""

    code, reason = "FAILED_PRECONDITION", "LABEL_SET_AMBIGUOUS"


@dataclass(frozen=True)
class _Plan:
    records: pa.Table
    assignment: Assignment
    unlabelled: int
    has_numbers: bool
    """True if the labels are numbers."""


def split(spec: SplitSpec, store: ArtifactStore, report: Progress) -> SplitResult:
    """Make the parts; returns their digests, counts and classes, and how many records were withheld, why."""
    with index_store(store) as indexes:
        return _split(spec, store, indexes, report)


def _split(spec: SplitSpec, store: ArtifactStore, indexes: IndexStore, report: Progress) -> SplitResult:
    report(0.05, "Reading records")
    version = read_version(store, spec.dataset_version)
    records, unlabelled = _labelled(version, _labels(store, spec.label_set))
    if not records.num_rows:
        raise NothingToSplit(
            "No record of the dataset version has a label in the label set. Label some, then split."
        )
    report(0.3, "Comparing with earlier test parts", done=0, total=records.num_rows, unit="records")
    tests = _EarlierTests(spec, store, indexes)
    tested = tests.repeated_in(version, texts_of(records))
    report(0.6, "Assigning records", done=records.num_rows, total=records.num_rows, unit="records")
    assignment = _assign(spec, records, tested, _actively_drawn(store, spec.label_set))
    if not assignment.parts:
        raise NothingToSplit(
            f"No record could be assigned: the split needs records with {_NEEDS[SplitMode(spec.mode)]}."
        )
    plan = _Plan(records, assignment, unlabelled, SplitMode(spec.mode) is SplitMode.QUANTILES)
    parts = {part: _rows(plan, part) for part in Part}
    report(0.8, "Mixing in replayed records")
    mixed = _with_replay(spec, store, parts, tests)
    replayed_count = mixed[Part.TRAIN].num_rows - parts[Part.TRAIN].num_rows
    copies = _copies(spec, store, parts[Part.TRAIN], version)
    mixed[Part.TRAIN] = pa.concat_tables([mixed[Part.TRAIN], copies])
    result = _stored(store, plan, mixed, replayed_count)
    result.augmented = copies.num_rows
    report(0.95, "Indexing the test part")
    result.test_index = tests.index_with(result.parts[Part.TEST].digest, mixed[Part.TEST])
    result.version_index = tests.version_index
    return result


class _EarlierTests:
    """The sealed test parts that a split compares with, by their indexes; what has none is indexed here, once."""

    def __init__(self, spec: SplitSpec, store: ArtifactStore, indexes: IndexStore) -> None:
        self._spec, self._indexes = spec, indexes
        self.version_index = ""
        """Digest of an index of the dataset version that was built here; empty: it had one, or needs none."""
        self._stored = indexes.covering(spec.earlier_indexes, spec.earlier_tests)
        covered = {digest for each in self._stored for digest in each.covers}
        lacking = [digest for digest in spec.earlier_tests if digest not in covered]
        if lacking:
            texts = texts_of(pa.concat_tables(_part(store, digest) for digest in lacking))
            self._stored.append(indexes.stored(indexed(texts, indexes, self._layout(*lacking))))
        of_version = indexes.covering([spec.version_index], [spec.dataset_version])
        self._version = of_version[0].segment if of_version else None
        self.segments = [indexes.usable(each.segment, spec.threshold) for each in self._stored]

    def repeated_in(self, version: pa.Table, texts: Texts) -> set[str]:
        """Return the ids of records that repeat one of a test part, with their clusters."""
        if not any(map(len, self.segments)):
            return set()
        if self._version is None:
            self._version = indexed(
                texts_of(version), self._indexes, self._layout(self._spec.dataset_version)
            )
            self.version_index = self._indexes.put([self._version])
        sketches = known_sketches(texts, self._version)
        return texts.with_clusters(set(repeating(texts, sketches, self.segments, self._spec.threshold)))

    def index_with(self, digest: str, part: pa.Table) -> str:
        """Store the index of these test parts and one more; returns its digest."""
        return self._indexes.grown(self._stored, self._segment(part, digest))

    def also(self, *parts: pa.Table) -> list[Segment]:
        """Return the segments of the test parts and of other parts of this split."""
        return [*self.segments, *map(self._segment, parts)]

    def _segment(self, part: pa.Table, *covers: str) -> Segment:
        """Return a segment of a part of this split."""
        return indexed(texts_of(part), self._indexes, self._layout(*covers), self._version)

    def _layout(self, *covers: str) -> Layout:
        return layout_for(self._spec.threshold, *covers)


def _part(store: ArtifactStore, digest: str) -> pa.Table:
    return read_columns(store, digest, PART.names).cast(PART)


def _labels(store: ArtifactStore, digest: str) -> Mapping[str, str] | None:
    """Labels by record id; None when no label set was named (then sources' own labels count)."""
    if not digest:
        return None
    table = read_columns(store, digest, ["record_id", "label"])
    labels: dict[str, str] = {}
    for record_id, label in zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True):
        if labels.setdefault(record_id, label) != label:
            raise AmbiguousLabels(
                f"The label set gives record {record_id} the labels {labels[record_id]!r} and {label!r}. "
                "Resolve the conflict first."
            )
    return labels


def _actively_drawn(store: ArtifactStore, digest: str) -> frozenset[str]:
    """Return the records that were labelled because a model was uncertain about them: none of them is tested on."""
    if not digest:
        return frozenset()
    with store.open(digest) as file:
        table = pq.ParquetFile(file)
        if _SELECTION not in table.schema_arrow.names:
            return frozenset()
        rows = table.read(["record_id", _SELECTION]).to_pylist()
    return frozenset(row["record_id"] for row in rows if row[_SELECTION] == _ACTIVE)


def _labelled(records: pa.Table, labels: Mapping[str, str] | None) -> tuple[pa.Table, int]:
    """The records with a `label`, and how many have none and were left out. Preferences bring their own."""
    if labels is None:
        return records.append_column("label", records.column("source_label")), 0
    columns = (records[name].to_pylist() for name in ("record_id", "source_label", "attributes"))
    assigned = [
        labels.get(values.get(COPY_OF, record_id), label if is_preference(values) else None)
        for record_id, label, attributes in zip(*columns, strict=True)
        for values in (dict(attributes or ()),)
    ]
    rows = [row for row, label in enumerate(assigned) if label is not None]
    labelled = records.take(pa.array(rows, pa.int64()))
    label_column = pa.array([assigned[row] for row in rows], pa.string())
    return labelled.append_column("label", label_column), len(assigned) - len(rows)


def _assign(
    spec: SplitSpec, records: pa.Table, tested: set[str], training_only: frozenset[str]
) -> Assignment:
    columns = [
        records.column(name).to_pylist() for name in ("record_id", "label", "cluster", "received_time")
    ]
    groups = _groups(records, spec.group_attribute)
    candidates = [Candidate(*row) for row in zip(*columns, groups, strict=True)]
    candidates = [
        replace(candidate, label=None) if is_free else candidate
        for candidate, is_free in zip(candidates, _free_texts(records), strict=True)
    ]
    ratios = Ratios(spec.ratios.train, spec.ratios.validation, spec.ratios.test)
    mode = SplitMode(spec.mode)
    originals = _groups(records, COPY_OF)
    once = [each for each, original in zip(candidates, originals, strict=True) if not original]
    once, bound = divided(once, training_only)
    until = None
    if mode is SplitMode.TIME:
        assignment = by_time(once, ratios, tested)
        until = _test_begin(assignment, once)
    else:
        assignment = _BY_SEED[mode](once, ratios, spec.seed, tested)
    assignment = with_training_only(assignment, bound, tested, until)
    return with_copies(assignment, dict(zip(columns[0], originals, strict=True)))


def _test_begin(assignment: Assignment, candidates: Sequence[Candidate]) -> datetime | None:
    """Return the time at which validation or test begins; None if there is neither."""
    held_out = [
        each.time
        for each in candidates
        if each.time is not None and assignment.parts.get(each.record_id) in (Part.VALIDATION, Part.TEST)
    ]
    return min(held_out, default=None)


_NEEDS = {
    SplitMode.STRATIFIED: "a label",
    SplitMode.TIME: "a received time",
    SplitMode.GROUPED: "a text",
    SplitMode.QUANTILES: "a number as their label",
}
_BY_SEED = {
    SplitMode.STRATIFIED: stratified,
    SplitMode.GROUPED: grouped,
    SplitMode.QUANTILES: by_quantile,
}
"""Assignments that draw records by the seed."""


def _groups(records: pa.Table, attribute: str) -> list[str]:
    """Return the value of an attribute for each record; empty where there is none."""
    if not attribute:
        return [""] * records.num_rows
    return [dict(row or ()).get(attribute, "") for row in records.column("attributes").to_pylist()]


def _free_texts(table: pa.Table) -> list[bool]:
    """Whether the label of each record is a text of its own, such as an answer, not a class."""
    labels, attributes = table["label"].to_pylist(), table["attributes"].to_pylist()
    return [
        len(label or "") > _CLASS_CHARS or has_free_text(dict(row or ()))
        for label, row in zip(labels, attributes, strict=True)
    ]


def _rows(plan: _Plan, part: Part) -> pa.Table:
    ids = plan.records.column("record_id").to_pylist()
    rows = [row for row, record_id in enumerate(ids) if plan.assignment.parts.get(record_id) is part]
    return plan.records.take(pa.array(rows, pa.int64())).select(PART.names).cast(PART)


def _with_replay(
    spec: SplitSpec, store: ArtifactStore, parts: Mapping[Part, pa.Table], tests: _EarlierTests
) -> dict[Part, pa.Table]:
    """The parts with older training records mixed in, none of which is tested on here or was anywhere."""
    mixed = dict(parts)
    if not spec.replay.count:
        return mixed
    pool = _originals(_part(store, spec.replay.train))
    texts, segments = texts_of(pool), tests.also(parts[Part.TEST], parts[Part.VALIDATION])
    trained = set(parts[Part.TRAIN].column("record_id").to_pylist())

    def excluded(compared: Texts) -> set[str]:
        return set(repeating(compared, compared.sketches(), segments, spec.threshold))

    ids = texts.record_ids
    order = replayed((each for each in ids if each not in trained), len(ids), spec.seed)
    chosen = set(first_without_match(texts, order, spec.replay.count, excluded))
    rows = [row for row, record_id in enumerate(ids) if record_id in chosen]
    old = pool.take(pa.array(rows, pa.int64()))
    marked = [
        [*((name, value) for name, value in row if name != "replayed"), ("replayed", "yes")]
        for row in old.column("attributes").to_pylist()
    ]
    old = old.set_column(PART.get_field_index("attributes"), "attributes", pa.array(marked, ATTRIBUTES))
    mixed[Part.TRAIN] = pa.concat_tables([parts[Part.TRAIN], old])
    return mixed


def _originals(part: pa.Table) -> pa.Table:
    """The rows of a part that are no augmented copies."""
    rows = [AUGMENTED not in dict(row or ()) for row in part.column("attributes").to_pylist()]
    return part.filter(pa.array(rows, pa.bool_()))


def _copies(spec: SplitSpec, store: ArtifactStore, train: pa.Table, version: pa.Table) -> pa.Table:
    """Copies of training records by the step `augment`, if the curation of the version has it."""
    if not spec.HasField("augmentation"):
        return train.slice(0, 0)
    step, key = Step(spec.augmentation.name, dict(spec.augmentation.params)), bytes.fromhex(spec.record_key)
    references = sources_of_steps(StageSettings(key, CurationConfig()), spec.step_sources, store)
    references.check(step)
    taken = set(version.column("record_id").to_pylist())
    return augmented(train, step, synonyms_of(step, references), taken, key, spec.seed)


def _stored(
    store: ArtifactStore, plan: _Plan, parts: Mapping[Part, pa.Table], replayed_count: int
) -> SplitResult:
    withheld = Counter(reason.value for reason in plan.assignment.withheld.values())
    if plan.unlabelled:
        withheld[Withheld.NO_LABEL.value] = plan.unlabelled
    return SplitResult(
        parts={
            part.value: SplitResult.Part(
                digest=_put(store, table),
                records=table.num_rows,
                classes=_classes(plan, table),
            )
            for part, table in parts.items()
        },
        replayed=replayed_count,
        withheld=withheld,
    )


def _classes(plan: _Plan, table: pa.Table) -> Counter[str]:
    """Count the records of each label; numbers and free texts are no classes."""
    if plan.has_numbers:
        return Counter()
    rows = zip(table["label"].to_pylist(), _free_texts(table), strict=True)
    return Counter(label or "" for label, is_free in rows if not is_free)


def _put(store: ArtifactStore, table: pa.Table) -> str:
    """Store a part in record id order, so that equal parts have equal digests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.parquet"
        pq.write_table(table.sort_by("record_id"), path, compression="zstd", row_group_size=500)
        return store.put_file(path)
