"""Wrong answers and records in the artifact store's parquet blobs, a few rows at a time: no read holds a whole blob."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice
from typing import Any, TypeVar

import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks import records
from ratoon.tasks.records import BadRecord
from ratoon_evaluation.application.ports import AnsweredRecord, WrongAnswer

_TEXT_CHARS = 20_000
"""Of a longer text only the start is returned."""
_BATCH_ROWS, _BATCH_BYTES = 500, 4 << 20
"""Rows, and about how many bytes, that are decoded at once."""
_WRONG_COLUMNS = tuple(each.name for each in fields(WrongAnswer))

V = TypeVar("V")


class ParquetAnswers:
    """Reads what the worker and ingestion wrote."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def wrong(self, digest: str, start: int, limit: int) -> tuple[Sequence[WrongAnswer], bool]:
        """At most `limit` rows of a wrong-answers blob from place `start` on, and whether more follow."""
        with self._artifacts.open(digest) as stream:
            rows = _rows(pq.ParquetFile(stream), start)
            answers = [_wrong_answer(row) for row in islice(rows, limit + 1)]
        return answers[:limit], len(answers) > limit

    def is_sealed(self, project: str, part: str) -> bool:
        """Return whether a part is one that callers of a project cannot download, such as the test part of a split."""
        return self._artifacts.is_sealed(project, part)

    def records(self, part: str, record_ids: Sequence[str]) -> Mapping[str, AnsweredRecord]:
        """Return these records of a part by record id; of long texts the start."""
        missing = set(record_ids)
        matches: dict[str, AnsweredRecord] = {}
        with self._artifacts.open(part) as stream:
            file = pq.ParquetFile(stream)
            for group in range(file.num_row_groups):
                if any(_may_hold(file, group, record_id) for record_id in missing):
                    here = _records(file, group, missing)
                    matches |= here
                    missing -= here.keys()
        return matches

    def answered_ids(self, digest: str) -> Sequence[str]:
        """Return the ids of the records that stored answers are about."""
        with self._artifacts.open(digest) as stream:
            ids: list[str] = pq.ParquetFile(stream).read(["record_id"]).column(0).to_pylist()
        return ids

    def predicted(self, digest: str, record_ids: Collection[str]) -> Mapping[str, str]:
        """Return stored answers to these records by record id."""
        with self._artifacts.open(digest) as stream:
            return dict(_texts(pq.ParquetFile(stream), record_ids))


def _texts(file: Any, record_ids: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the answers to these records, reading a few rows at a time."""
    for batch in file.iter_batches(_BATCH_ROWS, columns=["record_id", "predicted"], use_threads=False):
        for row in batch.to_pylist():
            if row["record_id"] in record_ids:
                yield row["record_id"], row["predicted"] or ""


def _rows(file: Any, start: int) -> Iterator[dict[str, Any]]:
    """The rows of a file of wrong answers from a place on; row groups before it are not read."""
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if start >= count:
            start -= count
            continue
        columns = [name for name in _WRONG_COLUMNS if name in file.schema_arrow.names]
        batches = file.iter_batches(_BATCH_ROWS, [group], columns, use_threads=False)
        yield from islice((row for batch in batches for row in batch.to_pylist()), start, None)
        start = 0


def _may_hold(file: Any, group: int, record_id: str) -> bool:
    """Whether the bounds of a row group say that it may hold a record."""
    column = file.schema_arrow.names.index("record_id")
    bounds = file.metadata.row_group(group).column(column).statistics
    return bounds is None or not bounds.has_min_max or bounds.min <= record_id <= bounds.max


def _wrong_answer(row: Mapping[str, Any]) -> WrongAnswer:
    return WrongAnswer(**{name: _cut(value) for name, value in row.items()})


def _cut(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_cut, value))
    return value[:_TEXT_CHARS] if isinstance(value, str) else value


def _records(file: Any, group: int, record_ids: set[str]) -> dict[str, AnsweredRecord]:
    """Return these records of a row group."""
    ids = file.read_row_group(group, columns=["record_id"]).column(0).to_pylist()
    places = [place for place, record_id in enumerate(ids) if record_id in record_ids]
    if not places:
        return {}
    known = file.schema_arrow.names
    texts, labels = (
        _values(file, group, places, column, _starts) if column in known else [""] * len(places)
        for column in ("text", "label")
    )
    references = (
        _values(file, group, places, "example", _references) if "example" in known else [()] * len(places)
    )
    matches = map(AnsweredRecord, texts, labels, references)
    return {ids[place]: record for place, record in zip(places, matches, strict=True)}


def _values(
    file: Any, group: int, places: Sequence[int], column: str, convert: Callable[[Any], list[V]]
) -> list[V]:
    """Return converted values of a column at places of a row group, a batch at a time."""
    metadata = file.metadata.row_group(group)
    rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES * metadata.num_rows // max(1, metadata.total_byte_size)))
    values: list[V] = []
    before = 0
    for batch in file.iter_batches(rows, [group], [column], use_threads=False):
        here = [place - before for place in places if before <= place < before + batch.num_rows]
        values += convert(batch.column(0).take(here))
        before += batch.num_rows
    return values


def _starts(texts: Any) -> list[str]:
    return [start or "" for start in pc.utf8_slice_codeunits(texts, 0, _TEXT_CHARS).to_pylist()]


def _references(examples: Any) -> list[tuple[str, ...]]:
    """Return the right answers of each record that has several."""
    return [_answers_of(example) for example in examples.to_pylist()]


def _answers_of(example: str | None) -> tuple[str, ...]:
    try:
        answers = records.from_json(example).answers if example else ()
    except BadRecord:
        return ()
    return tuple(each[:_TEXT_CHARS] for each in answers) if len(answers) > 1 else ()
