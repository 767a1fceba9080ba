"""Wrong answers and texts in the artifact store's parquet blobs, a few rows at a time: no read holds a whole blob."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore
from ratoon_evaluation.application.ports import WrongAnswer

_TEXT_CHARS = 20_000
"""Of a longer text only the start is returned."""
_BATCH_ROWS, _BATCH_BYTES = 500, 4 << 20
"""Rows, and about how many bytes, that are decoded at once."""


class ParquetAnswers:
    """Reads what the worker and ingestion wrote."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def wrong(self, digest: str, start: int, limit: int) -> tuple[Sequence[WrongAnswer], bool]:
        """At most `limit` rows of a wrong-answers blob from place `start` on, and whether more follow."""
        with self._artifacts.open(digest) as stream:
            rows = _rows(pq.ParquetFile(stream), start)
            answers = [WrongAnswer(**row) for row in islice(rows, limit + 1)]
        return answers[:limit], len(answers) > limit

    def texts(self, part: str, record_ids: Sequence[str]) -> Mapping[str, str]:
        """The texts of these records in a part; of long ones the start."""
        missing = set(record_ids)
        texts: dict[str, str] = {}
        with self._artifacts.open(part) as stream:
            file = pq.ParquetFile(stream)
            for group in range(file.num_row_groups):
                if any(_may_hold(file, group, record_id) for record_id in missing):
                    here = _texts(file, group, missing)
                    texts |= here
                    missing -= here.keys()
        return texts


def _rows(file: Any, start: int) -> Iterator[dict[str, Any]]:
    """The rows of a file of wrong answers from a place on; row groups before it are not read."""
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if start >= count:
            start -= count
            continue
        columns = ["record_id", "label", "predicted"]
        batches = file.iter_batches(_BATCH_ROWS, [group], columns, use_threads=False)
        yield from islice((row for batch in batches for row in batch.to_pylist()), start, None)
        start = 0


def _may_hold(file: Any, group: int, record_id: str) -> bool:
    """Whether the bounds of a row group say that it may hold a record."""
    column = file.schema_arrow.names.index("record_id")
    bounds = file.metadata.row_group(group).column(column).statistics
    return bounds is None or not bounds.has_min_max or bounds.min <= record_id <= bounds.max


def _texts(file: Any, group: int, record_ids: set[str]) -> dict[str, str]:
    """The starts of these records' texts in a row group."""
    ids = file.read_row_group(group, columns=["record_id"]).column(0).to_pylist()
    places = [place for place, record_id in enumerate(ids) if record_id in record_ids]
    texts: dict[str, str] = {}
    if not places:
        return texts
    metadata = file.metadata.row_group(group)
    rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES * metadata.num_rows // max(1, metadata.total_byte_size)))
    before = 0
    for batch in file.iter_batches(rows, [group], ["text"], use_threads=False):
        here = [place for place in places if before <= place < before + batch.num_rows]
        starts = pc.utf8_slice_codeunits(batch.column(0).take([p - before for p in here]), 0, _TEXT_CHARS)
        texts |= zip((ids[place] for place in here), starts.to_pylist(), strict=True)
        before += batch.num_rows
    return texts
