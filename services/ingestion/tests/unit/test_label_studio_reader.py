"""Tasks of Label Studio as items: text, agreed label, and tasks whose content is elsewhere."""

import json

import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.records import from_json
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.worker.readers.items import Item, Rejection, SourceSpec
from ratoon_ingestion.worker.readers.sources import read_source


@pytest.fixture
def read(tmp_path):
    """Read tasks by the reader of the format."""
    store = ArtifactStore(str(tmp_path))

    def run(tasks, **columns):
        digest = store.put_bytes(json.dumps(tasks, ensure_ascii=False).encode())
        source = SourceSpec("projects/p/sources/s", digest, Format.LABEL_STUDIO, columns=Columns(**columns))
        return list(read_source(source, store))

    return run


def chosen(label, **fields):
    result = {"from_name": "a", "type": "choices", "value": {"choices": [label]}}
    return {"completed_by": 1, "result": [result], **fields}


def test_a_task_is_an_item_with_the_label_that_its_annotations_agree_on(read):
    first, second, third, bare = read(
        [
            {
                "id": 7,
                "data": {"text": "你好 😀", "lang": "zh"},
                "annotations": [chosen("ham"), chosen("ham")],
            },
            {"id": 8, "data": {"review": "Well."}, "annotations": [chosen("ham"), chosen("spam")]},
            {"id": 9, "data": {"text": "c"}, "annotations": [chosen("spam", was_cancelled=True)]},
            {"text": "a task of an import"},
        ],
        attributes=("lang",),
    )
    assert (first.path, first.payload.decode(), first.label) == ("task-7", "你好 😀", "ham")
    assert first.attributes == {"label_studio_task": "7", "lang": "zh"}
    assert (second.payload, second.label) == (b"Well.", None)
    assert third.label is None
    assert isinstance(bare, Item)
    assert bare.payload == b"a task of an import"


def compared(*sides, to_name="first,second"):
    return [
        {
            "completed_by": number,
            "result": [
                {"from_name": "pw", "to_name": to_name, "type": "pairwise", "value": {"selected": side}}
            ],
        }
        for number, side in enumerate(sides)
    ]


def record_in(item):
    record = from_json(item.payload.decode())
    return record.turns[-1].content, record.answers, record.rejected


def test_a_task_that_compares_two_texts_is_a_preference(read):
    pair = {"first": "北京", "second": "上海 😀", "record_id": "r1", "task": "t"}
    ours, tie, bare = read(
        [
            {
                "id": 1,
                "data": {"text": "Capital of China?", **pair},
                "annotations": compared("left", "left", "right"),
            },
            {
                "id": 2,
                "data": {"text": "Capital of China?", **pair},
                "annotations": compared("left", "right"),
            },
            {"id": 3, "data": pair, "annotations": compared("left")},
        ]
    )
    assert record_in(ours) == ("Capital of China?", ("北京",), "上海 😀")
    assert ours.attributes["label_studio_task"] == "1"
    assert (tie.path, tie.reason, "no better one" in tie.detail) == ("task-2", Rejected.BAD_ROW, True)
    assert "needs a prompt and two texts; it has first, second, record_id, task" in bare.detail


def test_the_texts_of_a_comparison_are_named_or_follow_the_prompt(read):
    data = {"question": "2 + 2?", "answer1": "5", "answer2": "4"}
    task = {"id": 1, "data": data, "annotations": compared("right", to_name="a1,a2")}
    assert record_in(read([task])[0]) == ("2 + 2?", ("4",), "5")
    more = {"id": 1, "data": {**data, "note": "easy"}, "annotations": compared("right", to_name="a1,a2")}
    (unknown,) = read([more])
    assert "answer for the left text" in unknown.detail
    (named,) = read([more], answer="answer2", rejected="answer1", prompt="note")
    assert record_in(named) == ("easy", ("5",), "4")


def test_a_task_whose_content_is_not_in_the_export_is_rejected_with_its_address(read):
    upload, empty, broken = read(
        [{"id": 1, "data": {"image": "/data/upload/1/x.png"}}, {"id": 2, "data": {"n": 3}}, 5]
    )
    assert (upload.reason, upload.detail.removeprefix("line 1: ")) == (
        Rejected.NO_TEXT,
        "/data/upload/1/x.png is not in the export",
    )
    assert empty.detail.endswith("the task has no text")
    assert isinstance(broken, Rejection)
    assert broken.reason is Rejected.BAD_ROW
