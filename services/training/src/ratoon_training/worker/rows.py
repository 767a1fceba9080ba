"""Rows of a part of a split, in the order of their record ids and a few at a time. It does not know torch.

Each pass reads the file again, so that memory does not grow with the part.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon.tasks.kind import Record
from ratoon.tasks.kinds import TaskSpec, parse
from ratoon.tasks.records import BadRecord, record_of
from ratoon.tasks.text import encodable
from ratoon_training.domain.errors import DataMalformed
from ratoon_training.worker import spill

COLUMNS = ("record_id", "text", "label")
EXAMPLE = "example"
"""Column with the records that are more than a text and its answer; parts of an older release lack it."""
_SCHEMA = pa.schema([(name, pa.string()) for name in (*COLUMNS, EXAMPLE)])
_AT_ONCE = 512
"""Rows that are in memory at a time."""
_BUFFER = 1 << 20
"""Bytes of a column that are read at once."""

Value = TypeVar("Value")
Row = tuple[str, str | None, str | None, str | None]
"""Record id, text, label and example."""


class Values(Collection[Value], Generic[Value]):
    """Values that are made each time they are read; they are counted once, unless their number is known."""

    def __init__(self, make: Callable[[], Iterable[Value]], count: int | None = None) -> None:
        self._make, self._count = make, count

    def __iter__(self) -> Iterator[Value]:
        return iter(self._make())

    def __len__(self) -> int:
        if self._count is None:
            self._count = sum(1 for _ in self)
        return self._count

    def __contains__(self, value: object) -> bool:
        return any(each == value for each in self)


class Rows:
    """A part of a split. DataMalformed if its file has other columns, or ends in the middle."""

    def __init__(self, path: Path, part: str, task: TaskSpec) -> None:
        self._part, self._task = part, task
        self._path = path
        self._names = [name for name in (*COLUMNS, EXAMPLE) if name in self._columns()]
        if not set(COLUMNS) <= set(self._names):
            raise self._malformed(f"It has the columns {', '.join(self._columns())}")
        self.labels = frozenset[str | None]()
        """Labels of the part."""
        self._count = 0
        if not self._is_sorted():
            self._sort()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        lacks_examples = EXAMPLE not in self._names
        for batch in self._batches(self._names):
            columns = [batch.column(name).to_pylist() for name in self._names]
            if lacks_examples:
                columns.append([None] * batch.num_rows)
            yield from zip(*columns, strict=True)

    def records(self) -> Iterator[tuple[str, Record]]:
        """Yield record id and record of each row; DataMalformed for one that cannot be read."""
        return ((row[0], _record(self._task, *row)) for row in self)

    def labelled(self) -> Iterator[tuple[str, str, Record]]:
        """Yield record id, label and record of each row."""
        return ((row[0], row[2] or "", _record(self._task, *row)) for row in self)

    @property
    def texts(self) -> Values[str]:
        """The text of each row."""
        return Values(lambda: (text or "" for _, text, _, _ in self), len(self))

    @property
    def corpus(self) -> Values[str]:
        """All texts that a model from scratch reads and writes."""
        return Values(lambda: map(encodable, chain.from_iterable(map(_texts, self.records()))))

    def _columns(self) -> list[str]:
        try:
            names: list[str] = pq.read_schema(self._path).names
        except Exception as error:
            raise self._malformed(_first_line(error)) from None
        return names

    def _batches(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        try:
            with pq.ParquetFile(self._path, buffer_size=_BUFFER, pre_buffer=False) as file:
                yield from file.iter_batches(_AT_ONCE, columns=names, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise self._malformed(_first_line(error)) from None

    def _is_sorted(self) -> bool:
        """Return True if the rows are in the order of their ids; count them and their labels."""
        last, in_order, labels = "", True, set[str | None]()
        for batch in self._batches(["record_id", "label"]):
            ids = batch.column("record_id").cast(pa.string())
            self._count += len(ids)
            labels.update(pc.unique(batch.column("label")).to_pylist())
            if len(ids):
                rises = pc.all(pc.less_equal(ids[:-1], ids[1:]), min_count=0).as_py()
                in_order = in_order and bool(rises) and last <= ids[0].as_py()
                last = ids[-1].as_py()
        self.labels = frozenset(labels)
        return in_order

    def _sort(self) -> None:
        """Write the rows in the order of their ids, and read these from now on."""
        folder = self._path.with_name(f"{self._path.stem}-runs")
        folder.mkdir()
        path = folder / self._path.name
        ordered = spill.in_order(self, _SCHEMA, folder)
        with pq.ParquetWriter(path, _SCHEMA) as writer:
            while rows := list(islice(ordered, _AT_ONCE)):
                columns = zip(*rows, strict=True)
                writer.write_batch(
                    pa.record_batch([pa.array(each, pa.string()) for each in columns], schema=_SCHEMA)
                )
        self._path, self._names = path, [*COLUMNS, EXAMPLE]

    def _malformed(self, why: str) -> DataMalformed:
        return DataMalformed(
            f"The {self._part} part is not a Parquet file with the columns {', '.join(COLUMNS)}: {why}"
        )


def _texts(row: tuple[str, Record]) -> Iterator[str]:
    record = row[1]
    yield from (turn.content for turn in record.turns if turn.content)
    yield from (turn.reasoning for turn in record.turns if turn.reasoning)
    yield from record.answers
    yield from () if record.rejected is None else (record.rejected,)


def _record(
    task: TaskSpec, record_id: str, text: str | None, label: str | None, example: str | None
) -> Record:
    """Return the record of a row, its answers in their canonical form.

    The label takes the place of the answers in the example, unless it is one of several references.
    """
    try:
        known, record = record_of(text or "", None, example), record_of(text or "", label, example)
    except BadRecord as error:
        raise DataMalformed(f"Record {record_id[:12]} of the split cannot be read: {error}") from None
    if len(known.answers) > 1 and label in [parse(task, answer) for answer in known.answers]:
        record = known
    if not record.turns:
        return record
    rejected = record.rejected if record.rejected is None else parse(task, record.rejected) or record.rejected
    answers = tuple(parse(task, answer) or answer for answer in record.answers)
    return replace(record, answers=answers, rejected=rejected)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
