"""Wrong answers and their texts are read a few rows at a time, whatever their blobs hold."""

import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon_evaluation.adapters import answers as adapter
from ratoon_evaluation.adapters.answers import ParquetAnswers
from ratoon_evaluation.application.handlers import BadCase, _fitting
from ratoon_evaluation.application.ports import WrongAnswer


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def put(store: ArtifactStore, path: Path, rows: pa.Table, group: int) -> str:
    pq.write_table(rows, path, row_group_size=group)
    return store.put_file(path)


def ids(count: int) -> list[str]:
    return [f"r{number:04}" for number in range(count)]


def test_wrong_answers_come_page_by_page_across_row_groups(store, tmp_path):
    rows = pa.table({"record_id": ids(25), "label": ["a"] * 25, "predicted": ["b"] * 25})
    digest = put(store, tmp_path / "wrong.parquet", rows, 4)
    reader, answers, more = ParquetAnswers(store), [], True
    while more:
        page, more = reader.wrong(digest, len(answers), 7)
        answers += page
    assert [row.record_id for row in answers] == ids(25)
    assert reader.wrong(digest, 25, 7) == ([], False)


def test_texts_are_read_from_their_row_groups_and_lost_ones_are_left_out(store, tmp_path):
    rows = pa.table({"record_id": ids(90), "text": [f"text {number}" for number in range(90)]})
    digest = put(store, tmp_path / "part.parquet", rows, 20)
    record_ids = ["r0000", "r0019", "r0020", "r0089", "gone"]
    texts = ParquetAnswers(store).texts(digest, record_ids)
    assert texts == {"r0000": "text 0", "r0019": "text 19", "r0020": "text 20", "r0089": "text 89"}


def test_only_the_row_groups_that_may_hold_a_record_are_read(store, tmp_path, monkeypatch):
    rows = pa.table({"record_id": ids(90), "text": ["a"] * 90})
    digest = put(store, tmp_path / "part.parquet", rows, 10)
    read: list[int] = []
    texts = adapter._texts
    monkeypatch.setattr(
        adapter,
        "_texts",
        lambda file, group, record_ids: read.append(group) or texts(file, group, record_ids),
    )
    assert len(ParquetAnswers(store).texts(digest, ["r0011", "r0055"])) == 2
    assert read == [1, 5]


def test_the_memory_of_a_read_does_not_grow_with_what_is_stored(store, tmp_path):
    """Arrow counts its own memory; Python's is measured."""
    rows = pa.table({"record_id": ids(40), "text": ["x" * 1_000_000] * 40})
    digest = put(store, tmp_path / "part.parquet", rows, 4)
    tracemalloc.start()
    texts = ParquetAnswers(store).texts(digest, ids(40))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {len(text) for text in texts.values()} == {20_000}
    assert peak < 8_000_000


def test_a_page_of_wrong_answers_fits_into_a_message():
    cases = [BadCase("d", WrongAnswer("r", "a", "b"), "x" * 20_000) for _ in range(100)]
    assert len(_fitting(cases)) == 35
    assert len(_fitting([BadCase("d", WrongAnswer("r", "a", "b"), "x" * 900_000)])) == 1
    assert _fitting([]) == []
