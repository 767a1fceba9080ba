"""Curated records by their rows: orders, groups and blocks as plain Python would make them."""

import random
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.worker import sorted_records
from ratoon_ingestion.worker.batches import CURATED, RECORDS
from ratoon_ingestion.worker.curated import Curated
from ratoon_ingestion.worker.deduplicate import deduplicate
from ratoon_ingestion.worker.names import hexadecimal, hexadecimals, is_first, names_of, order_of
from ratoon_ingestion.worker.sorted_records import Staying, in_id_order

NAMES = st.lists(
    st.sampled_from([f"{'0' * 15}{a}{'0' * 46}{b}{c}" for a in "01" for b in "01" for c in "ab"])
)


def row(number: int, **own: object) -> dict[str, object]:
    """A record with distinct shingles."""
    filled = {field.name: f"{field.name}{number}" for field in CURATED if field.type == pa.string()}
    return {
        **filled,
        "record_id": f"{number * 7919 % 1009:064x}",
        "content_digest": f"{number:064x}",
        "tokens": 3,
        "chars": 9,
        "steps": ["made"],
        "received_time": datetime(2026, 1, 1, tzinfo=UTC),
        "attributes": [],
        "example": None,
        "shingles": [number * 100 + each for each in range(5)],
        "simhash": 2**63 // (number + 1),
        "answers": "",
        **own,
    }


def table(rows: list[dict[str, object]], batch: int = 4) -> pa.Table:
    return pa.Table.from_batches(
        [
            pa.RecordBatch.from_pylist(rows[start : start + batch], schema=CURATED)
            for start in range(0, len(rows), batch)
        ],
        CURATED,
    )


@given(NAMES, st.data())
def test_the_order_of_names_is_that_of_their_digits(digits, data):
    names = names_of(digits)
    assert hexadecimals(names) == digits
    assert order_of(names).tolist() == sorted(range(len(digits)), key=digits.__getitem__)
    others = data.draw(st.permutations(digits))
    order = order_of(names, names_of(others))
    pairs = list(zip(digits, others, strict=True))
    assert order.tolist() == sorted(range(len(pairs)), key=pairs.__getitem__)
    ordered = [digits[place] for place in order]
    assert is_first(names, order).tolist() == [
        not place or ordered[place] != ordered[place - 1] for place in range(len(ordered))
    ]


@pytest.mark.parametrize("in_files", [False, True])
def test_rows_are_ordered_by_digest_id_label_source_and_path(tmp_path, in_files):
    rng = random.Random(4)
    rows = [
        row(
            number,
            record_id=f"{rng.randrange(2):064x}",
            content_digest=f"{rng.randrange(3):064x}",
            source_label=rng.choice([None, "a", "b"]),
            source=rng.choice("xy"),
            source_path=f"p{rng.randrange(4)}",
        )
        for number in range(60)
    ]
    keys = ("content_digest", "record_id", "source_label", "source", "source_path")
    expected = sorted(rows, key=lambda each: tuple(each[key] or "" for key in keys))
    order = Curated(table(rows, 7), tmp_path if in_files else None).in_order()
    assert [[rows[place][key] or "" for key in keys] for place in order] == [
        [each[key] or "" for key in keys] for each in expected
    ]


def test_blocks_hold_each_row_once(tmp_path):
    records = Curated(table([row(number) for number in range(50)]), tmp_path)
    chosen = np.array([3, 49, 4, 17, 18, 19, 20, 0])
    blocks = list(records.blocks(chosen, 3))
    assert [number for rows, _ in blocks for number in rows.tolist()] == sorted(chosen.tolist())
    assert all(1 <= block.num_rows <= 6 for _, block in blocks)
    digests = [digest for _, block in blocks for digest in block.column("content_digest").to_pylist()]
    assert digests == [f"{number:064x}" for number in sorted(chosen.tolist())]
    assert list(records.blocks(np.empty(0, np.int64), 3)) == []


def test_the_search_is_the_same_with_files_and_in_memory_in_any_order(tmp_path):
    rows = [row(number) for number in range(30)]
    rows += [row(number, record_id=f"{number + 5000:064x}", source_label=None) for number in range(0, 30, 3)]
    near = [[number * 100 + each for each in range(1, 5)] for number in range(30)]
    rows += [
        row(number, content_digest=f"{number + 900:064x}", shingles=near[number])
        for number in range(0, 30, 4)
    ]
    results = []
    for place, seed in enumerate((None, 1, 2)):
        mixed = rows if seed is None else random.Random(seed).sample(rows, len(rows))
        folder = tmp_path / str(place)
        folder.mkdir()
        unique = deduplicate(table(mixed), CurationConfig(), folder if seed else None)
        stays = [(mixed[each]["content_digest"], mixed[each]["record_id"]) for each in unique.rows.tolist()]
        clusters = [mixed[each]["record_id"] for each in unique.clusters.tolist()]
        results.append((stays, clusters, sorted(map(str, unique.rejected.to_pylist())), unique.counts))
    assert results[0] == results[1] == results[2]
    assert results[0][3]["exact_groups"] == 10
    assert results[0][3]["near_clusters"] == 8


@pytest.mark.parametrize("part", [3, 1000])
def test_records_leave_in_the_order_of_their_ids(tmp_path: Path, monkeypatch, part):
    monkeypatch.setattr(sorted_records, "_PART", part)
    records = Curated(table([row(number) for number in range(40)]), tmp_path)
    rows = np.random.default_rng(1).permutation(40)[:25]
    ids = names_of([f"{number * 31 % 37:064x}" for number in rows.tolist()])
    votes = {int(rows[3]): [{"label": "x", "source": "s", "time": None}]}
    marks = {int(rows[5]): {"earlier_equal": "ab"}}
    staying = Staying(rows, ids, np.roll(rows, 1), votes, marks)
    tables = list(in_id_order(records, staying, tmp_path))
    assert all(each.schema == RECORDS for each in tables)
    assert (len(tables) > 1) == (part == 3)
    written = pa.concat_tables(tables).to_pylist()
    assert [each["record_id"] for each in written] == sorted(hexadecimals(ids))
    of_digest = {f"{number:064x}": place for place, number in enumerate(rows.tolist())}
    for each in written:
        place = of_digest[each["content_digest"]]
        number = int(rows[place])
        assert each["record_id"] == hexadecimal(ids[place])
        assert each["cluster"] == hexadecimal(records.ids[staying.clusters[place]])
        assert each["label_votes"] == votes.get(number)
        assert each["source_label"] == (None if number in votes else f"source_label{number}")
        assert dict(each["attributes"]) == marks.get(number, {})
    assert not list(tmp_path.glob("part*"))
