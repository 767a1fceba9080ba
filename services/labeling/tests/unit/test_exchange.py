"""Files of other annotation tools: what they hold, and marks that move with their words."""

import json

import pytest

from ratoon.tasks.generate import Form, Generate
from ratoon.tasks.regress import Regress
from ratoon_labeling.domain.errors import BadExchange
from ratoon_labeling.domain.exchange import Format, Incoming, LeftOut, answers_in, moved_marks, spec_of_config
from ratoon_labeling.domain.marks import Boxes, Spans


def read(format: Format, content: str, control: str = "") -> list[object]:
    entries = answers_in(format, content.encode(), control)
    return [each.reason if isinstance(each, LeftOut) else (each.answer, each.annotator) for each in entries]


def test_lines_and_tables_hold_one_answer_each():
    lines = '{"text": "a", "label": ["x", "y"], "annotator": "ann"}\n\n{"text": "b"}\n7\n'
    assert read(Format.JSONL, lines) == [("x\ny", "ann"), "EMPTY", "MALFORMED"]
    table = 'text,label,annotator\r\n"a, b",spam,ann\r\nc,,bob\r\n'
    assert read(Format.CSV, "\ufeff" + table) == [("spam", "ann"), "EMPTY"]


def test_records_of_argilla_hold_submitted_responses_of_one_question():
    record = {
        "id": "1",
        "fields": {"prompt": "Is it spam?"},
        "metadata": {"record_id": "r1"},
        "suggestions": {"label": {"value": "ham", "agent": "m"}},
        "responses": {
            "label": [
                {"value": "spam", "user_id": "u1"},
                {"value": "ham", "user_id": "u2", "status": "draft"},
                {"value": None, "user_id": "u3"},
                "nothing",
            ],
            "why": [{"value": "because", "user_id": "u1"}],
        },
    }
    assert read(Format.ARGILLA, json.dumps([record, 3])) == [
        "PREDICTION",
        ("spam", "u1"),
        "DRAFT",
        "EMPTY",
        "DRAFT",
        "UNKNOWN_CONTROL",
        "MALFORMED",
    ]
    entries = list(answers_in(Format.ARGILLA, json.dumps([record]).encode(), "why"))
    assert Incoming("r1", "Is it spam?", "because", "u1") in entries


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"sentiment": "spam"}, "spam"),
        ({"sentiment": {"choices": ["a", "c"]}}, "a\nc"),
        ({"answer": {"text": ["one", "two"]}}, "one\ntwo"),
        ({"score": [{"number": 2.5}]}, "2.5"),
        ({"score": [{"rating": 4}]}, "4"),
        (
            {"spans": [{"start": 0, "end": 3, "text": "Ann", "labels": ["PER"]}]},
            '[{"start": 0, "end": 3, "label": "PER", "text": "Ann"}]',
        ),
    ],
)
def test_answers_are_read_from_the_export_json_min_too(fields, answer):
    row = {"text": "Ann wins", "id": 7, **fields, "annotator": 3, "annotation_id": 1, "lead_time": 2.0}
    row |= {"created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:06Z"}
    (read,) = answers_in(Format.LABEL_STUDIO, json.dumps([row]).encode())
    assert isinstance(read, Incoming)
    assert (read.text, read.answer, read.annotator) == ("Ann wins", answer, "3")
    assert list(answers_in(Format.LABEL_STUDIO, json.dumps([{**row, "id": 8}]).encode(), "other")) != [read]


@pytest.mark.parametrize(
    ("format", "content", "message"),
    [
        (Format.LABEL_STUDIO, b"[{", "no JSON"),
        (Format.JSONL, b"{]", "no JSON"),
        (Format.CSV, b"\xff\xfe", "not in UTF-8"),
        (Format.LABEL_STUDIO, b"[" * 100_000, "no JSON"),
    ],
)
def test_what_has_not_the_format_is_refused(format, content, message):
    with pytest.raises(BadExchange, match=message):
        list(answers_in(format, content))


def test_marks_move_with_their_words():
    before, after = "  Ann met Ann.", "Ann met Ann."
    second = json.dumps([{"start": 10, "end": 13, "label": "PER"}])
    assert json.loads(moved_marks(second, before, after) or "") == [{"start": 8, "end": 11, "label": "PER"}]
    assert moved_marks(second, before, "Ann met Bob.") is None
    assert moved_marks(second, before, before) == second


def test_a_config_gives_what_annotators_enter():
    spans = '<View><Labels name="l" toName="t"><Label value="PER"/></Labels></View>'
    assert spec_of_config(spans) == (Spans(("PER",)), "")
    boxes = '<View><RectangleLabels name="l" toName="t"><Label value="car"/></RectangleLabels></View>'
    assert spec_of_config(boxes) == (Boxes(("car",)), "")
    both = '<View><TextArea name="a" toName="t"/><Rating name="b" toName="t"/></View>'
    assert spec_of_config(both)[0] == Generate(Form.TEXT)
    assert spec_of_config(both, "b")[0] == Regress(min=1, max=5)
    with pytest.raises(BadExchange, match="no control 'c'"):
        spec_of_config(both, "c")
