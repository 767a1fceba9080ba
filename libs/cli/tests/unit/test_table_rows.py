"""Rows of CSV files as records."""

import json

import pytest


def test_rows_become_records_with_their_fields_as_text(ratoon, tmp_path):
    file, out = tmp_path / "t.csv", tmp_path / "t.jsonl"
    file.write_text("age,city,ok\n41,Köln,yes\n,Ulm,no\n3,Bonn,\n", encoding="utf-8-sig")
    status, _, errors = ratoon("datasets", "rows", str(file), "--label", "ok", "--out", str(out))
    assert status == 0, errors
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [json.loads(record["text"]) for record in records] == [
        {"age": "41", "city": "Köln"},
        {"age": None, "city": "Ulm"},
        {"age": "3", "city": "Bonn"},
    ]
    assert [record.get("label") for record in records] == ["yes", "no", None]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a,b\n1,2\n", "has no column 'ok'"),
        (b"a,a,ok\n1,2,3\n", "more than once"),
        (b"a,ok\n1,2,3\n", "more fields than the header"),
        (b"\xff\xfe,ok\n", "no CSV file in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(ratoon, tmp_path, content, sentence):
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    status, _, errors = ratoon("datasets", "rows", str(file), "--label", "ok", "--out", str(tmp_path / "o"))
    assert status == 2
    assert sentence in " ".join(errors.replace("│", " ").split())
