"""Tasks of Label Studio as items: text, agreed label, and tasks whose content is elsewhere."""

import json

import pytest

from ratoon.storage.artifacts import ArtifactStore
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
