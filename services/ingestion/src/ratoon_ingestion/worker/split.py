"""A split: a labelled dataset version in three Parquet blobs; the test part is sealed by keeping its digest secret.

Earlier test parts are compared by record, content and wording, so that nothing that was ever tested on trains
later, in any version. Records of an older training part can be mixed in (replay). Records are read and written in
blocks; memory holds a few numbers of each.
"""

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from ratoon.ingestion.v1.split_pb2 import Split as SplitMessage
from ratoon.jobs.v1.ingestion_jobs_pb2 import SplitResult, SplitSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.curation import Step
from ratoon_ingestion.domain.assignment import Folds, Part, Ratios, SplitMode, Withheld
from ratoon_ingestion.domain.conversations import has_free_text
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.worker.arrays import Arrays
from ratoon_ingestion.worker.assignment import OUTCOMES, Flags, Outcomes, assigned, outcome, sharing
from ratoon_ingestion.worker.augmenting import augmented, synonyms_of
from ratoon_ingestion.worker.cross_validation import MAX_RECORDS, LabelledTexts, cross_validated, joined
from ratoon_ingestion.worker.curate import Progress
from ratoon_ingestion.worker.index.segment import Layout, Segment
from ratoon_ingestion.worker.index.stored import IndexStore, index_store, layout_for
from ratoon_ingestion.worker.label_sets import Labels, SortedNames
from ratoon_ingestion.worker.labelled import Labelled, labelled_records
from ratoon_ingestion.worker.leakage import indexed, repeating, sketches_of
from ratoon_ingestion.worker.names import Names, Numbers, names_of
from ratoon_ingestion.worker.parts import PART, PartFile, Take, merged
from ratoon_ingestion.worker.references import sources_of_steps
from ratoon_ingestion.worker.replay import Pool
from ratoon_ingestion.worker.sorted_records import in_order, positions_of
from ratoon_ingestion.worker.stages import StageSettings
from ratoon_ingestion.worker.stored_records import (
    StoredRecords,
    local_records,
    stored_records,
    version_records,
)


class NothingToSplit(Exception):
    """No record has what the split needs."""

    code, reason = "FAILED_PRECONDITION", "NOTHING_TO_SPLIT"


_NEEDS = {
    SplitMode.STRATIFIED: "a label",
    SplitMode.TIME: "a received time",
    SplitMode.GROUPED: "a text",
    SplitMode.QUANTILES: "a number as their label",
    SplitMode.RANDOM: "a text",
}


def split(spec: SplitSpec, store: ArtifactStore, report: Progress) -> SplitResult:
    """Make the parts; returns their digests, counts and classes, and how many records were withheld, why."""
    with index_store(store) as indexes, tempfile.TemporaryDirectory(prefix="ratoon-split-") as folder:
        return _split(spec, store, indexes, Path(folder), report)


def _split(
    spec: SplitSpec, store: ArtifactStore, indexes: IndexStore, folder: Path, report: Progress
) -> SplitResult:
    report(0.05, "Reading records")
    version = version_records(store, spec.dataset_version)
    labels = Labels(store, spec.label_set, folder) if spec.label_set else None
    records = labelled_records(version, labels, spec.group_attribute, Arrays(folder))
    if not len(records):
        raise NothingToSplit(
            "No record of the dataset version has a label in the label set. Label some, then split."
        )
    report(0.3, "Comparing with earlier test parts", done=0, total=len(records), unit="records")
    tests = _EarlierTests(spec, store, indexes)
    tested = tests.repeated_in(version, records)
    report(0.6, "Assigning records", done=len(records), total=len(records), unit="records")
    outcomes = _assigned(spec, records, tested)
    report(0.7, "Writing parts", done=0, total=len(records), unit="records")
    parts = _written(records, outcomes, folder)
    validation = _cross_validated(spec, parts, report) if spec.folds.count else None
    report(0.8, "Mixing in replayed records")
    train, replayed, copies = _with_others(spec, store, records, outcomes, parts, tests, folder)
    result = _stored(store, {**parts, Part.TRAIN: train}, spec)
    result.replayed, result.augmented = replayed, copies
    result.withheld.update(_withheld(records, outcomes))
    if validation is not None:
        result.cross_validation.CopyFrom(validation)
    report(0.95, "Indexing the test part")
    test = result.parts[Part.TEST].digest
    result.test_index = tests.index_with(test, parts[Part.TEST])
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
            texts = stored_records(store, *lacking).texts()
            self._stored.append(indexes.stored(indexed(texts, indexes, self._layout(*lacking))))
        of_version = indexes.covering([spec.version_index], [spec.dataset_version])
        self._version = of_version[0].segment if of_version else None
        self.segments = [indexes.usable(each.segment, spec.threshold) for each in self._stored]

    def repeated_in(self, version: StoredRecords, records: Labelled) -> Flags:
        """Return which records repeat one of a test part, with their clusters."""
        repeats = np.zeros(len(records), np.bool_)
        if not any(map(len, self.segments)):
            return repeats
        if self._version is None:
            self._version = indexed(version.texts(), self._indexes, self._layout(self._spec.dataset_version))
            self.version_index = self._indexes.put([self._version])
        sketches = sketches_of(records.texts(), self._version)
        start = 0
        for block in repeating(sketches, self.segments, self._spec.threshold):
            repeats[start : start + len(block)] = block
            start += len(block)
        return sharing(repeats, records.columns.clusters)

    def index_with(self, digest: str, part: PartFile) -> str:
        """Store the index of these test parts and one more; returns its digest."""
        return self._indexes.grown(self._stored, self._segment(part, digest))

    def also(self, *parts: PartFile) -> list[Segment]:
        """Return the segments of the test parts and of other parts of this split."""
        return [*self.segments, *map(self._segment, parts)]

    def _segment(self, part: PartFile, *covers: str) -> Segment:
        """Return a segment of a part of this split."""
        return indexed(local_records(part.path).texts(), self._indexes, self._layout(*covers), self._version)

    def _layout(self, *covers: str) -> Layout:
        return layout_for(self._spec.threshold, *covers)


def _assigned(spec: SplitSpec, records: Labelled, tested: Flags) -> Outcomes:
    mode, ratios = SplitMode(spec.mode), Ratios(spec.ratios.train, spec.ratios.validation, spec.ratios.test)
    outcomes = assigned(
        records.columns,
        mode,
        ratios,
        spec.seed,
        tested,
        records.training_only,
        records.originals,
        Folds(spec.folds.count, spec.folds.fold),
    )
    if not np.isin(outcomes, [outcome(part) for part in Part]).any():
        raise NothingToSplit(f"No record could be assigned: the split needs records with {_NEEDS[mode]}.")
    return outcomes


def _withheld(records: Labelled, outcomes: Outcomes) -> dict[str, int]:
    """Count the records that are in no part, by the reason."""
    counts = {
        reason.value: int((outcomes == outcome(reason)).sum())
        for reason in OUTCOMES
        if isinstance(reason, Withheld)
    }
    counts[Withheld.NO_LABEL.value] += records.unlabelled
    return {reason: count for reason, count in counts.items() if count}


def _written(records: Labelled, outcomes: Outcomes, folder: Path) -> dict[Part, PartFile]:
    """Write the parts, in record id order, so that equal parts have equal digests."""
    parts = {part: PartFile(folder / f"{part.value}.parquet") for part in Part}
    for rows, table in records.blocks():
        for part, file in parts.items():
            mine = np.flatnonzero(outcomes[rows] == outcome(part))
            if mine.size:
                file.add(table.take(pa.array(mine)))
    for file in parts.values():
        file.finish()
    return parts


def _cross_validated(
    spec: SplitSpec, parts: Mapping[Part, PartFile], report: Progress
) -> SplitMessage.CrossValidation | None:
    """Return the scores of a classical model on the folds of what is not tested; None where labels are no classes."""
    if SplitMode(spec.mode) is SplitMode.QUANTILES:
        return None
    report(0.75, "Cross-validating a classical model")
    columns, left = ["text", "label", "cluster", "attributes"], MAX_RECORDS
    texts: list[str] = []
    labels: list[str] = []
    pairs: list[tuple[str, str]] = []
    shares = {part: file.records for part, file in parts.items() if part is not Part.TEST}
    for part, count in shares.items():
        count_of_part = -(-left * count // max(1, sum(shares.values())))
        for _, rows in local_records(parts[part].path).blocks(columns):
            rows = rows.slice(0, count_of_part)
            count_of_part -= rows.num_rows
            attributes = [dict(row or ()) for row in rows.column("attributes").to_pylist()]
            texts += rows.column("text").to_pylist()
            labels += [
                "" if has_free_text(each) else label or ""
                for each, label in zip(attributes, rows.column("label").to_pylist(), strict=True)
            ]
            pairs += [
                (cluster, each.get(spec.group_attribute, ""))
                for each, cluster in zip(attributes, rows.column("cluster").to_pylist(), strict=True)
            ]
    return cross_validated(LabelledTexts(texts, labels, joined(pairs)), spec.folds.count, spec.seed)


def _with_others(
    spec: SplitSpec,
    store: ArtifactStore,
    records: Labelled,
    outcomes: Outcomes,
    parts: Mapping[Part, PartFile],
    tests: _EarlierTests,
    folder: Path,
) -> tuple[PartFile, int, int]:
    """Return the training part with older training records and copies mixed in, and how many of either there are."""
    train = parts[Part.TRAIN]
    ids = records.ids[outcomes == outcome(Part.TRAIN)]
    take = partial(local_records(train.path).take, columns=PART.names)
    sources: list[tuple[Names, Take]] = [(ids, take)]
    if spec.replay.count:
        pool = Pool(stored_records(store, spec.replay.train), Arrays(_subfolder(folder, "replay")))
        segments = tests.also(parts[Part.TEST], parts[Part.VALIDATION])
        chosen = pool.chosen(ids, spec.replay.count, spec.seed, segments, spec.threshold)
        sources.append((pool.ids[chosen], lambda rows: pool.take(chosen[rows])))
    replayed = sum(len(each) for each, _ in sources[1:])
    if spec.HasField("augmentation"):
        path, names = _copies(spec, store, records.version, train, _subfolder(folder, "copies"))
        sources.append((names, partial(local_records(path).take, columns=PART.names)))
    if len(sources) == 1:
        return train, 0, 0
    mixed = merged(sources, folder / "mixed.parquet")
    return mixed, replayed, mixed.records - train.records - replayed


def _copies(
    spec: SplitSpec, store: ArtifactStore, version: StoredRecords, train: PartFile, folder: Path
) -> tuple[Path, Names]:
    """Write copies of training records by the step `augment` of the version's curation, in record id order."""
    step, key = Step(spec.augmentation.name, dict(spec.augmentation.params)), bytes.fromhex(spec.record_key)
    references = sources_of_steps(StageSettings(key, CurationConfig()), spec.step_sources, store)
    references.check(step)
    synonyms = synonyms_of(step, references)
    taken = SortedNames(_ids(version, Arrays(folder)))
    names: list[Names] = [np.empty((0, 4), np.uint64)]
    with pa.ipc.new_file(str(folder / "copies.arrow"), PART) as sink:
        for _, rows in local_records(train.path).blocks(PART.names, size=500):
            copies = augmented(rows, step, synonyms, taken, key, spec.seed)
            names.append(names_of(copies.column("record_id").to_pylist()))
            for batch in copies.to_batches():
                sink.write_batch(batch)
    ids = np.concatenate(names)
    positions = positions_of(ids)
    part = PartFile(folder / "copies.parquet")
    with pa.memory_map(str(folder / "copies.arrow")) as source:
        for table in in_order(_positioned(source, positions), len(ids), PART, folder, source.size()):
            part.add(table)
    part.finish()
    return part.path, ids[np.argsort(positions)]


def _positioned(source: pa.MemoryMappedFile, positions: Numbers) -> Iterator[tuple[Numbers, pa.Table]]:
    file, start = pa.ipc.open_file(source), 0
    for number in range(file.num_record_batches):
        batch = file.get_batch(number)
        yield positions[start : start + batch.num_rows], pa.Table.from_batches([batch])
        start += batch.num_rows


def _ids(version: StoredRecords, arrays: Arrays) -> Names:
    """Return the ids of all records of a version."""
    ids: Names = arrays(len(version), np.uint64, 4)
    for start, block in version.blocks(["record_id"]):
        ids[start : start + block.num_rows] = names_of(block.column("record_id").to_pylist())
    return ids


def _subfolder(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def _stored(store: ArtifactStore, parts: Mapping[Part, PartFile], spec: SplitSpec) -> SplitResult:
    """Store the parts; numbers are no classes."""
    has_numbers = SplitMode(spec.mode) is SplitMode.QUANTILES
    result = SplitResult()
    for part, file in parts.items():
        stored = result.parts[part.value]
        stored.digest, stored.records = store.put_file(file.path), file.records
        if not has_numbers:
            stored.classes.update(file.classes)
    return result
