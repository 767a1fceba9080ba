"""Rows of tables joined by a key, grouped and sorted, from Parquet, CSV, JSON Lines and Excel."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.worker.readers import Item, Rejection, SourceSpec, SourceUnreadable, read_source
from ratoon_ingestion.worker.readers.items import RowSettings

LEFT = [
    {"id": 1, "text": "first", "user": "u1", "n": 3},
    {"id": 2, "text": "second", "user": "u2", "n": 10},
    {"id": 3, "text": "third", "user": "u1", "n": 2},
    {"id": None, "text": "fourth", "user": None, "n": None},
]
RIGHT = [
    {"key": 1, "label": "a", "text": "not taken"},
    {"key": 2, "label": "b", "text": "not taken"},
    {"key": 2, "label": "c", "text": "not taken"},
    {"key": 9, "label": "d", "text": "not taken"},
]


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def table(rows: list[dict[str, Any]], format: Format) -> bytes:
    if format is Format.JSONL:
        return jsonl(rows)
    buffer = io.BytesIO()
    frame = pl.DataFrame(rows)
    write = {Format.CSV: frame.write_csv, Format.PARQUET: frame.write_parquet, Format.ARROW: frame.write_ipc}
    write[format](buffer)
    return buffer.getvalue()


class Bench:
    """Reads tables with settings for their rows."""

    def __init__(self, folder: Path) -> None:
        self.store, self.counts = ArtifactStore(str(folder)), Counter[str]()

    def source(
        self, records: list[dict[str, Any]], format: Format = Format.JSONL, **settings: Any
    ) -> SourceSpec:
        return SourceSpec("s", self.store.put_bytes(table(records, format)), format, **settings)

    def read(self, source: SourceSpec) -> list[Item | Rejection]:
        self.counts.clear()
        return list(read_source(source, self.store, counts=self.counts))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def items(entries: list[Item | Rejection]) -> list[tuple[str, str | None]]:
    return [(each.payload.decode(), each.label) for each in entries if isinstance(each, Item)]


@pytest.mark.parametrize("other", [Format.JSONL, Format.CSV, Format.PARQUET, Format.ARROW])
@pytest.mark.parametrize("format", [Format.JSONL, Format.CSV, Format.PARQUET, Format.ARROW])
def test_a_left_join_keeps_all_rows_and_counts_duplicates(bench, format, other):
    rows = RowSettings(other=bench.source(RIGHT, other), key="id", other_key="key")
    source = bench.source(LEFT, format, rows=rows, columns=Columns(label="label", named=("label",)))
    assert items(bench.read(source)) == [("first", "a"), ("second", "b"), ("third", None), ("fourth", None)]
    assert dict(bench.counts) == {
        "rows": 4, "other_rows": 4, "duplicate_keys": 1, "joined": 2, "unmatched": 2,
    }  # fmt: skip


def test_an_inner_join_rejects_rows_without_a_partner(bench):
    rows = RowSettings(other=bench.source(RIGHT), key="id", other_key="key", inner=True)
    entries = bench.read(bench.source(LEFT, rows=rows))
    assert items(entries) == [("first", "a"), ("second", "b")]
    assert [each.reason for each in entries if isinstance(each, Rejection)] == ["NO_PARTNER", "NO_PARTNER"]
    assert bench.counts["without_partner"] == 2


def test_groups_join_texts_in_the_order_of_a_column(bench):
    rows = RowSettings(group_by=("user",), sort_by=("n",), separator=" | ")
    assert items(bench.read(bench.source(LEFT, rows=rows))) == [
        ("third | first", None),
        ("second", None),
        ("fourth", None),
    ]
    assert bench.counts["groups"] == 3


@pytest.mark.parametrize(
    ("sort_by", "order"),
    [(("n",), ["fourth", "third", "first", "second"]), (("-n",), ["second", "first", "third", "fourth"])],
)
def test_numbers_are_sorted_as_numbers(bench, sort_by, order):
    for format in (Format.JSONL, Format.CSV):
        entries = bench.read(bench.source(LEFT, format, rows=RowSettings(sort_by=sort_by)))
        assert [text for text, _ in items(entries)] == order


def test_a_key_that_is_no_column_is_an_error_that_names_it(bench):
    for key, other_key in (("nokey", "key"), ("id", "nokey")):
        rows = RowSettings(other=bench.source(RIGHT), key=key, other_key=other_key)
        with pytest.raises(SourceUnreadable, match="no column 'nokey'"):
            bench.read(bench.source(LEFT, rows=rows))
    source = SourceSpec("s", bench.store.put_bytes(b"a text"), Format.TEXT, rows=RowSettings(sort_by=("n",)))
    with pytest.raises(SourceUnreadable, match="no table"):
        bench.read(source)


KEYS = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from(["1", "a", "", "é"]))


@settings(max_examples=60, deadline=None)
@given(left=st.lists(KEYS, min_size=1, max_size=12), right=st.lists(KEYS, max_size=12))
def test_any_join_gives_each_row_once(tmp_path_factory, left, right):
    bench = Bench(tmp_path_factory.mktemp("join"))
    rows = [{"key": key, "text": f"row {number}"} for number, key in enumerate(left)]
    others = [{"key": key, "label": f"label {number}"} for number, key in enumerate(right)]
    other = bench.source(others or [{"key": "never", "label": "x"}])
    entries = bench.read(bench.source(rows, rows=RowSettings(other=other, key="key")))
    first: dict[str, str] = {}
    for number, key in enumerate(right):
        if key not in (None, ""):
            first.setdefault(str(key), f"label {number}")
    expected = [
        (row["text"], None if row["key"] in (None, "") else first.get(str(row["key"]))) for row in rows
    ]
    assert items(entries) == expected
