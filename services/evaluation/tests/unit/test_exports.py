"""Wrong answers become lines that a source reads."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import from_json, to_json
from ratoon_evaluation.adapters.exports import JsonLinesExports
from ratoon_evaluation.application.ports import WrongPart

RECORD = Record((Turn(Role.SYSTEM, "Be brief."), Turn(Role.USER, "Say\nhello")), ("hello", "hi"))


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def put(store: ArtifactStore, path: Path, columns: dict[str, list[str | None]]) -> str:
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return store.put_file(path)


def lines(store: ArtifactStore, digest: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in store.read(digest).decode().split("\n")[:-1]]


@pytest.fixture
def new(store, tmp_path) -> WrongPart:
    ids: list[str | None] = ["a", "b", "c", "d"]
    part = {
        "record_id": ids,
        "text": ["Say\nhello", "two\u2028lines", "x" * 50_000, None],
        "label": ["hello", "zwei", "long", "gone"],
        "example": [to_json(RECORD), None, None, None],
    }
    wrong = {"record_id": ["c", "a", "b", "d"], "predicted": ["no" * 900, "bye", None, "?"]}
    return WrongPart(
        "new", put(store, tmp_path / "w.parquet", wrong), put(store, tmp_path / "p.parquet", part)
    )


def test_records_come_whole_with_their_answers_and_erased_ones_are_left_out(store, new):
    export = JsonLinesExports(store).write("p", [new], 100, free_text=False)
    first, second, third = lines(store, export.digest)
    assert export.records == 3
    assert from_json(json.dumps(first.pop("example"))) == RECORD
    assert first == {"id": "a", "text": "Say\nhello", "label": "hello", "domain": "new", "predicted": "bye"}
    assert second["text"] == "two\u2028lines"
    assert (len(str(third["text"])), len(str(third["predicted"]))) == (50_000, 1000)
    assert store.owned("p", export.digest)


@pytest.mark.parametrize(("limit", "expected"), [(1, ["c"]), (2, ["a", "c"]), (4, ["a", "b", "c", "c"])])
def test_the_worst_answers_come_first_part_by_part(store, tmp_path, new, limit, expected):
    labelled = {"record_id": ["c"], "text": ["again"], "label": ["ham"]}
    wrong = {"record_id": ["c"], "predicted": ["spam"]}
    old = WrongPart(
        "old", put(store, tmp_path / "w2.parquet", wrong), put(store, tmp_path / "p2.parquet", labelled)
    )
    export = JsonLinesExports(store).write("p", [new, old], limit, free_text=False)
    assert [line["id"] for line in lines(store, export.digest)] == expected


def test_free_text_of_several_lines_is_an_example(store, tmp_path):
    part = {"record_id": ["a"], "text": ["Write a poem"], "label": ["Roses are red,\nviolets are blue."]}
    wrong = {"record_id": ["a"], "predicted": ["No."]}
    new = WrongPart("new", put(store, tmp_path / "w", wrong), put(store, tmp_path / "p", part))
    (line,) = lines(store, JsonLinesExports(store).write("p", [new], 9, free_text=True).digest)
    assert from_json(json.dumps(line["example"])) == Record(
        (Turn(Role.USER, "Write a poem"),), ("Roses are red,\nviolets are blue.",)
    )
    (line,) = lines(store, JsonLinesExports(store).write("p", [new], 9, free_text=False).digest)
    assert "example" not in line


def test_several_labels_are_a_list(store, tmp_path):
    part = {"record_id": ["a", "b"], "text": ["one", "two"], "label": ["billing\nurgent", "other"]}
    wrong = put(store, tmp_path / "w.parquet", {"record_id": ["a", "b"], "predicted": ["other", "billing"]})
    each = WrongPart("new", wrong, put(store, tmp_path / "p.parquet", part))
    export = JsonLinesExports(store).write("p", [each], 10, free_text=False)
    assert [row["label"] for row in lines(store, export.digest)] == [["billing", "urgent"], "other"]


def test_wrong_answers_to_tests_of_suites_hold_their_texts(store, tmp_path):
    wrong = {"record_id": ["a", "b", "c"], "text": ["one", None, "three"], "label": ["ham", "spam", ""],
             "references": [None, None, ["x", "y"]], "predicted": ["spam", "ham", None]}  # fmt: skip
    tests = WrongPart("hard/typos", put(store, tmp_path / "w.parquet", wrong), "")
    rows = lines(store, JsonLinesExports(store).write("p", [tests], 10, free_text=False).digest)
    assert [(row["id"], row["text"], row["label"], row["predicted"], row["domain"]) for row in rows] == [
        ("a", "one", "ham", "spam", "hard/typos"),
        ("c", "three", "x", "", "hard/typos"),
    ]
    assert JsonLinesExports(store).write("p", [tests, tests], 1, free_text=False).records == 1
    gone = WrongPart("hard/old", tests.wrong, "0" * 64)
    assert JsonLinesExports(store).write("p", [gone], 10, free_text=False).records == 0
