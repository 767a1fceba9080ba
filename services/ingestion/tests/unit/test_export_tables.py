"""Tables of exports hold any text exactly, whatever characters it has."""

import csv
import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import to_json
from ratoon_ingestion.worker.batches import RECORDS
from ratoon_ingestion.worker.exports.columns import FLAT, flat, json_rows
from ratoon_ingestion.worker.exports.tables import JsonLines, LabelStudioTasks, csv_writer
from ratoon_ingestion.worker.exports.tokens import index_bytes

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ROWS = st.lists(st.tuples(TEXTS, st.none() | TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3)), max_size=6)


def batch(rows, example=None):
    """Records of a version with these texts, labels and attributes."""
    values = [
        {
            "record_id": f"{n:064x}",
            "text": text,
            "source_label": label,
            "licence": "CC0-1.0",
            "attributes": list(attributes.items()),
            "received_time": datetime(2026, 1, 2, tzinfo=UTC),
            "example": example,
        }
        for n, (text, label, attributes) in enumerate(rows)
    ]
    return pa.RecordBatch.from_pylist(values, RECORDS)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("tables") / "file"


@given(ROWS)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv_holds_each_text_exactly(path, rows):
    csv_writer(escape_formulas=False)(path, [batch(rows)])
    with path.open(encoding="utf-8", newline="") as stream:
        read = list(csv.DictReader(stream))
    assert [(row["text"], row["label"], json.loads(row["attributes"])) for row in read] == [
        (text, label or "", attributes) for text, label, attributes in rows
    ]


@given(ROWS)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tasks_of_label_studio_hold_each_text_exactly_with_the_id_of_the_record(path, rows):
    half = len(rows) // 2
    LabelStudioTasks()(path, [batch(rows[:half]), batch(rows[half:])])
    tasks = json.loads(path.read_text("utf-8"))
    assert [(task["data"]["text"], task["data"]["label"]) for task in tasks] == [
        (text, label) for text, label, _ in rows
    ]
    assert all(len(task["data"]["record_id"]) == 64 for task in tasks)


@given(ROWS)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_lines_hold_each_text_exactly_on_one_line(path, rows):
    JsonLines()(path, [batch(rows)])
    lines = path.read_bytes().decode("utf-8").split("\n")
    assert lines.pop() == ""
    read = [json.loads(line) for line in lines]
    assert [(row["text"], row["label"], row["attributes"]) for row in read] == rows


@given(ROWS)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_cell_begins_a_formula_once_formulas_are_escaped(path, rows):
    csv_writer(escape_formulas=True)(path, [batch(rows)])
    with path.open(encoding="utf-8", newline="") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    escaped = {cell[1:] for cell in cells if cell.startswith("'")}
    assert all(text in {*cells, *escaped} for text, _, _ in rows)


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (
            Record((Turn(Role.USER, "Q"),), ("yes", "no")),
            {"messages": [("user", "Q"), ("assistant", "yes")], "answers": ["yes", "no"]},
        ),
        (
            Record((Turn(Role.SYSTEM, "S"), Turn(Role.USER, "Q")), ("good",), rejected="bad", weight=2.0),
            {
                "prompt": [("system", "S"), ("user", "Q")],
                "chosen": [("assistant", "good")],
                "rejected": [("assistant", "bad")],
                "weight": 2.0,
            },
        ),
        (
            Record((Turn(Role.USER, "Q"),), ("poor",), is_good=False),
            {"prompt": [("user", "Q")], "completion": [("assistant", "poor")], "label": False},
        ),
    ],
)
def test_conversations_have_the_fields_that_chat_trainers_read(record, fields):
    (row,) = json_rows(flat(batch([("Q", record.answers[0], {})], to_json(record))))
    common = {"id", "language", "source", "license", "time", "attributes"}
    shown = {
        name: [(each["role"], each["content"]) for each in value]
        if isinstance(value, list) and isinstance(value[0], dict)
        else value
        for name, value in row.items()
        if name not in common
    }
    assert shown == fields


def test_a_part_of_an_older_release_has_the_same_columns():
    old = pa.RecordBatch.from_pylist(
        [{"record_id": "0" * 64, "text": "t", "label": "l", "attributes": []}],
        pa.schema(
            {
                "record_id": pa.string(),
                "text": pa.string(),
                "label": pa.string(),
                "attributes": pa.map_(pa.string(), pa.string()),
            }
        ),
    )
    rows = flat(old)
    assert rows.schema == FLAT
    assert (rows.column("label").to_pylist(), rows.column("example").null_count) == (["l"], 1)


def test_an_index_without_records_is_valid():
    data = index_bytes([], np.dtype("<u2"))
    assert len(data) == 34 + 8
    assert data[26:34] == (1).to_bytes(8, "little")
