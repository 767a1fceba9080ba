"""Batches of an Arrow file that are read when they are used, and the shingles in them by the records' rows."""

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pytest

from ratoon_ingestion.worker.shingle_sets import ShingleSets, placed
from ratoon_ingestion.worker.stored_batches import StoredBatches, batches_of, mapped_batches

LISTS = [[3, 9], [], [1], [2**63, 2**64 - 1, 7], [], [5, 6]]


def table(size: int) -> pa.Table:
    column = pa.array(LISTS, pa.list_(pa.uint64()))
    names = [str(number) for number in range(len(LISTS))]
    whole = pa.table({"name": names, "shingles": column})
    return pa.concat_tables([whole.slice(start, size) for start in range(0, len(LISTS), size)])


@pytest.mark.parametrize("size", [1, 2, 4, 6])
@pytest.mark.parametrize("is_mapped", [False, True])
def test_rows_and_shingles_are_those_of_the_file(tmp_path, size, is_mapped):
    batches = written(tmp_path, table(size)) if is_mapped else batches_of(table(size))
    assert len(batches) == len(LISTS)
    assert batches.starts.tolist() == [*range(0, len(LISTS), size), len(LISTS)]
    sets = ShingleSets(batches.numbers, np.zeros(len(LISTS), np.int64), np.zeros(len(LISTS), np.int32))
    for start, batch in batches:
        rows = slice(start, start + batch.num_rows)
        sets.starts[rows], sets.counts[rows] = placed(batch.column("shingles"), sets.flat)
    assert [sets[row].tolist() for row in range(len(sets))] == LISTS
    for row in range(len(LISTS)):
        batch, place = batches.of_row(row)
        assert batch.column("name")[place].as_py() == str(row)
    flat, offsets = sets.gathered(np.array([5, 1, 3, 3]))
    assert flat.tolist() == [*LISTS[5], *LISTS[3], *LISTS[3]]
    assert offsets.tolist() == [0, 2, 2, 5, 8]


def written(folder, rows: pa.Table) -> StoredBatches:
    path = folder / "rows.arrow"
    with pa.ipc.new_file(str(path), rows.schema) as sink:
        for batch in rows.to_batches():
            sink.write_batch(batch)
    return mapped_batches(path)


def test_a_file_without_rows_has_no_shingles():
    batches = batches_of(table(6).slice(0, 0))
    assert len(batches) == 0
    assert list(ShingleSets.of(pa.array([], pa.list_(pa.uint64()))).gathered(np.zeros(0, np.int64))[1]) == [0]
