"""Wrong answers and their texts are read a few rows at a time, whatever their blobs hold."""

import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import to_json
from ratoon_evaluation.adapters import answers as adapter
from ratoon_evaluation.adapters.answers import ParquetAnswers
from ratoon_evaluation.application.bad_cases import BadCase, _fitting
from ratoon_evaluation.application.ports import AnsweredRecord, WrongAnswer


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
    records = ParquetAnswers(store).records(digest, record_ids)
    assert {record_id: record.text for record_id, record in records.items()} == {
        "r0000": "text 0",
        "r0019": "text 19",
        "r0020": "text 20",
        "r0089": "text 89",
    }


def test_only_the_row_groups_that_may_hold_a_record_are_read(store, tmp_path, monkeypatch):
    rows = pa.table({"record_id": ids(90), "text": ["a"] * 90})
    digest = put(store, tmp_path / "part.parquet", rows, 10)
    read: list[int] = []
    records = adapter._records
    monkeypatch.setattr(
        adapter,
        "_records",
        lambda file, group, record_ids: read.append(group) or records(file, group, record_ids),
    )
    assert len(ParquetAnswers(store).records(digest, ["r0011", "r0055"])) == 2
    assert read == [1, 5]


def test_the_memory_of_a_read_does_not_grow_with_what_is_stored(store, tmp_path):
    """Arrow counts its own memory; Python's is measured."""
    rows = pa.table({"record_id": ids(40), "text": ["x" * 1_000_000] * 40})
    digest = put(store, tmp_path / "part.parquet", rows, 4)
    tracemalloc.start()
    records = ParquetAnswers(store).records(digest, ids(40))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {len(record.text) for record in records.values()} == {20_000}
    assert peak < 8_000_000


def test_a_page_of_wrong_answers_fits_into_a_message():
    cases = [BadCase("d", WrongAnswer("r", "a", "b"), AnsweredRecord("x" * 20_000)) for _ in range(100)]
    assert len(_fitting(cases)) == 34
    assert len(_fitting([BadCase("d", WrongAnswer("r", "a", "b"), AnsweredRecord("x" * 900_000))])) == 1
    assert _fitting([]) == []


def test_long_answers_of_a_page_count_for_its_size():
    answer = WrongAnswer("r", "a" * 20_000, "b" * 20_000, "c" * 20_000)
    assert len(_fitting([BadCase("d", answer, AnsweredRecord("x" * 20_000, "", ("y" * 20_000,)))] * 10)) == 7


def test_answers_of_both_models_come_with_their_score_and_are_cut(store, tmp_path):
    rows = pa.table(
        {
            "record_id": ["r1", "r2"],
            "label": ["right", "y" * 30_000],
            "predicted": ["wrong", "z" * 30_000],
            "reference_predicted": ["other", None],
            "score": [0.25, None],
            "label_logprob": [0.0, 0.0],
        }
    )
    (first, second), more = ParquetAnswers(store).wrong(put(store, tmp_path / "w.parquet", rows, 9), 0, 5)
    assert first == WrongAnswer("r1", "right", "wrong", "other", 0.25)
    assert (len(second.label), len(second.predicted), second.reference_predicted) == (20_000, 20_000, None)
    assert not more


def test_a_record_with_several_right_answers_shows_them(store, tmp_path):
    several = to_json(Record((Turn(Role.USER, "Say hello"),), ("hello", "hi " * 10_000)))
    rows = pa.table(
        {
            "record_id": ids(4),
            "text": ["a", "b", "c", "d"],
            "example": [several, to_json(Record((Turn(Role.USER, "b"),), ("one",))), None, "no JSON"],
        }
    )
    records = ParquetAnswers(store).records(put(store, tmp_path / "p.parquet", rows, 2), ids(4))
    assert [len(each) for each in records["r0000"].references] == [5, 20_000]
    assert [records[each].references for each in ids(4)[1:]] == [(), (), ()]
    assert [records[each].text for each in ids(4)] == ["a", "b", "c", "d"]


def test_a_right_answer_that_only_the_part_holds_is_shown_until_it_is_erased(store, tmp_path):
    rows = pa.table({"record_id": ids(2), "text": ["a", "b"], "label": ["right", None]})
    records = ParquetAnswers(store).records(put(store, tmp_path / "p.parquet", rows, 2), ids(2))
    cases = [BadCase("d", WrongAnswer(each, predicted="no"), records[each]) for each in ids(2)]
    assert [case.label for case in cases] == ["right", ""]
    assert BadCase("d", WrongAnswer("gone", predicted="no"), AnsweredRecord()).label == ""
