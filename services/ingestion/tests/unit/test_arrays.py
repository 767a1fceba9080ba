"""Arrays in files, rows in the order of their keys part by part, and the profile of lengths and values."""

import gc
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon_ingestion.worker import arrays
from ratoon_ingestion.worker.arrays import Arrays, equal_rows, sort_into
from ratoon_ingestion.worker.batches import RECORDS
from ratoon_ingestion.worker.duplicates import Clusters, near_duplicates
from ratoon_ingestion.worker.names import is_first, order_of
from ratoon_ingestion.worker.profile import Counts, CurationConfig, ProfileBuilder
from ratoon_ingestion.worker.shingle_sets import ShingleSets


@pytest.fixture(params=[False, True], ids=["memory", "files"])
def in_parts(request, tmp_path, monkeypatch) -> Arrays:
    """Arrays of which 7 rows are sorted, and 5 read, at a time."""
    monkeypatch.setattr(arrays, "_PART", 7)
    monkeypatch.setattr(arrays.blocks, "__defaults__", (5,))
    return Arrays(tmp_path if request.param else None)


KEYS = {
    "hashes": lambda random: random.integers(0, 1 << 64, 500, np.uint64),
    "few": lambda random: random.integers(0, 9, 300, np.uint64),
    "bands": lambda random: random.integers(0, 40, 200).astype(np.uint32) << 24,
    "quarters": lambda random: random.integers(0, 1 << 16, 400).astype(np.uint16),
    "rows": lambda random: np.minimum(np.arange(300), random.integers(0, 300, 300)),
    "one": lambda random: np.zeros(100, np.uint64),
    "none": lambda random: np.zeros(0, np.uint32),
}


@pytest.mark.parametrize("kind", KEYS)
def test_rows_are_in_the_order_of_their_keys_and_equal_ones_together(in_parts, kind):
    keys = KEYS[kind](np.random.default_rng(3))
    order = in_parts(len(keys), np.int64)
    parts = list(sort_into(order, keys))
    assert order.tolist() == np.argsort(keys, kind="stable").tolist()
    assert [row for part in parts for row in order[part]] == order.tolist()
    groups = [group.tolist() for group in equal_rows(keys, in_parts)]
    values, counts = np.unique(keys, return_counts=True)
    assert groups == [np.flatnonzero(keys == value).tolist() for value in values[counts > 1]]


def test_names_with_equal_beginnings_are_ordered_by_the_rest(in_parts):
    random = np.random.default_rng(1)
    names, others = (random.integers(0, 4, (200, 4)).astype(np.uint64) << np.uint64(60) for _ in range(2))
    order = order_of(names, others, arrays=in_parts)
    expected = sorted(range(200), key=lambda row: (*names[row].tolist(), *others[row].tolist(), row))
    assert order.tolist() == expected
    distinct = len({tuple(row) for row in names.tolist()})
    assert int(is_first(names, order).sum()) == distinct


def test_an_array_of_a_directory_is_a_file_that_ends_with_it(tmp_path):
    numbers = Arrays(tmp_path).numbers(100_000)
    assert numbers.sum() == sum(range(100_000))
    assert not os.listdir(tmp_path)
    maps = Path("/proc/self/maps")
    assert str(tmp_path) in maps.read_text()
    del numbers
    gc.collect()
    assert str(tmp_path) not in maps.read_text()


def test_the_search_in_parts_names_the_same_clusters(in_parts, monkeypatch):
    random = np.random.default_rng(5)
    sets = [np.unique(random.integers(0, 1 << 63, 40).astype(np.uint64)) for _ in range(60)]
    sets += [np.unique(np.append(each[1:], each[0] ^ np.uint64(1))) for each in sets[::3]]
    shingles = ShingleSets.of(pa.array([each.tolist() for each in sets], pa.list_(pa.uint64())))
    hashes = random.integers(0, 1 << 63, len(sets)).astype(np.uint64)
    similar = near_duplicates(shingles, hashes, 0.8, scratch=in_parts._folder)
    monkeypatch.undo()
    assert similar.roots.tolist() == near_duplicates(shingles, hashes, 0.8).roots.tolist()
    assert similar.roots.tolist() == [*range(60), *range(0, 60, 3)]
    assert similar.candidates["confirmed"] == 20


def test_a_pair_is_remembered_until_another_takes_its_place():
    clusters = Clusters(memoryview(np.arange(10)))
    assert not clusters.was_compared(1, 2)
    assert clusters.was_compared(1, 2)
    assert not clusters.was_compared(2, 3)
    assert clusters.was_compared(1, 2)


@pytest.mark.parametrize("in_files", [False, True])
def test_lengths_and_values_of_a_profile_are_those_of_all_records(tmp_path, in_files):
    random = np.random.default_rng(2)
    chars = random.integers(1, 5_000, 2_003)
    builder = ProfileBuilder(tmp_path if in_files else None)
    for start in range(0, len(chars), 500):
        part = chars[start : start + 500].tolist()
        rows = [
            {
                "chars": each,
                "tokens": each // 5,
                "record_id": "00",
                "attributes": [("number", str(each % 97)), ("few", "x"), ("many", str(each))],
            }
            for each in part
        ]
        builder.add(pa.Table.from_pylist(rows, RECORDS))
    profile = builder.result(Counts(len(chars), len(chars), {}), CurationConfig(), {})
    for name, lengths in (("chars", chars), ("tokens", chars // 5)):
        values = np.quantile(lengths.astype(np.int32), (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1))
        names = ("p0", "p5", "p25", "p50", "p75", "p95", "p100")
        expected = {key: round(float(value), 1) for key, value in zip(names, values, strict=True)}
        assert profile[name] == {"mean": round(float(lengths.mean()), 1), **expected}
    assert profile["tokens_total"] == int((chars // 5).sum())
    assert profile["attributes"] == {
        "few": {"x": 2_003},
        "many": {"distinct": len(set(chars.tolist())), "records": 2_003},
        "number": {"distinct": 97, "records": 2_003},
    }
