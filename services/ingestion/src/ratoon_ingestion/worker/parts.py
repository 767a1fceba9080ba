"""The parts of a split as Parquet files, written in blocks: equal parts have equal bytes."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon_ingestion.domain.conversations import KIND_ATTRIBUTE, RecordKind, has_free_text
from ratoon_ingestion.worker.batches import ATTRIBUTES
from ratoon_ingestion.worker.names import Names, Numbers, order_of

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
ROWS = 2_500
"""Records that are read and written at a time."""
_GROUP = 500
_CLASS_CHARS = 200
"""Maximum length of a label that is counted as a class."""
_FREE_KINDS = pa.array([kind.value for kind in RecordKind if has_free_text({KIND_ATTRIBUTE: kind})])

Take = Callable[[Numbers], pa.Table]
"""Returns some rows, schema PART."""


class PartFile:
    """A part that grows; memory holds one row group."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = 0
        self.classes: Counter[str] = Counter()
        """Records of each label; free texts are no classes."""
        self._waiting = PART.empty_table()
        self._writer = pq.ParquetWriter(path, PART, compression="zstd")

    def add(self, rows: pa.Table) -> None:
        """Add rows, which follow those before in record id order."""
        self.records += rows.num_rows
        self.classes += classes_of(rows)
        self._waiting = pa.concat_tables([self._waiting, rows.select(PART.names).cast(PART)])
        self._write(self._waiting.num_rows // _GROUP * _GROUP)

    def finish(self) -> None:
        """Write what is left."""
        self._write(self._waiting.num_rows)
        self._writer.close()

    def _write(self, count: int) -> None:
        if count:
            rows = self._waiting.slice(0, count).combine_chunks()
            self._writer.write_table(rows, row_group_size=_GROUP)
            self._waiting = self._waiting.slice(count).combine_chunks()


def classes_of(rows: pa.Table) -> Counter[str]:
    """Count the records of each label; free texts are no classes."""
    labels = pc.fill_null(rows.column("label"), "").filter(
        pc.invert(is_free(rows.column("label"), kinds(rows)))
    )
    return Counter({each["values"]: each["counts"] for each in pc.value_counts(labels).to_pylist()})


def kinds(rows: pa.Table) -> pa.ChunkedArray:
    """Return the kind of each record that is no text; null for texts."""
    return pc.map_lookup(rows.column("attributes"), KIND_ATTRIBUTE, "last")


def is_free(labels: pa.ChunkedArray, record_kinds: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whether the label of each record is a text of its own, such as an answer, not a class."""
    is_long = pc.greater(pc.fill_null(pc.utf8_length(labels), 0), _CLASS_CHARS)
    return pc.or_(is_long, pc.is_in(record_kinds, _FREE_KINDS))


def merged(sources: Sequence[tuple[Names, Take]], path: Path) -> PartFile:
    """Write one part of the rows of several; of rows with equal ids, those of the first come first."""
    starts = np.cumsum([0, *(len(ids) for ids, _ in sources)])
    order = order_of(np.concatenate([ids for ids, _ in sources]))
    part = PartFile(path)
    for begin in range(0, len(order), ROWS):
        rows = order[begin : begin + ROWS]
        of = np.searchsorted(starts, rows, "right") - 1
        tables = [take(rows[of == number] - starts[number]) for number, (_, take) in enumerate(sources)]
        places = np.argsort(np.argsort(of, kind="stable"), kind="stable")
        part.add(pa.concat_tables(tables).combine_chunks().take(pa.array(places)))
    part.finish()
    return part
