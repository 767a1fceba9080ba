"""Answers of other annotation tools come in and queues go out, over a real socket."""

import json

import pytest

from ratoon.labeling.v1 import annotation_pb2, queue_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.labeling.v1.labeling_service_pb2_grpc import LabelingServiceStub
from ratoon.process.errors import InvalidArgument
from ratoon.security.identity import Role

PROJECT = "projects/x"
VERSION = f"{PROJECT}/datasets/mail/versions/v1"
TEXTS = [
    "😀 Zoë lives in 北京.",
    "You have won a prize. Click now.",
    "Lunch at noon?",
    "The build is green again.",
]
CONFIG = """<View><Header value="Is it spam?"/><Text name="t" value="$text"/>
<Choices name="kind" toName="t"><Choice value="ham"/><Choice value="spam"/></Choices>
<Taxonomy name="topic" toName="t"><Choice value="x"/></Taxonomy></View>"""


@pytest.fixture(scope="module", autouse=True)
def dataset(datasets, put_dataset):
    datasets.ready[VERSION] = put_dataset([None] * len(TEXTS), "x-", texts=TEXTS)


@pytest.fixture(scope="module")
def guideline(labeling):
    """Creates a guideline from a config of Label Studio."""

    def create(name: str, config: str, **fields) -> annotation_pb2.Guideline:
        request = pb.CreateGuidelineRequest(
            parent=PROJECT,
            guideline_id=name,
            label_config=config,
            guideline=annotation_pb2.Guideline(**fields),
        )
        return labeling.CreateGuideline(request)

    return create


@pytest.fixture(scope="module")
def imported(labeling, artifacts):
    """Imports a file."""

    def run(content: str, guideline: str, format: str = "LABEL_STUDIO", version: str = VERSION, **fields):
        digest = artifacts.put_bytes(content.encode())
        artifacts.grant("x", digest)
        request = pb.ImportAnnotationsRequest(
            parent=PROJECT,
            dataset_version=version,
            guideline=guideline,
            digest=digest,
            format=f"EXCHANGE_FORMAT_{format}",
            **fields,
        )
        return labeling.ImportAnnotations(request)

    return run


def choice(value: str, name: str = "kind", **annotation):
    result = {"from_name": name, "to_name": "t", "type": "choices", "value": {"choices": [value]}}
    return {"completed_by": {"email": "ann@example.com"}, "result": [result], **annotation}


def test_an_export_of_label_studio_comes_in_once_and_all_of_it_is_counted(labeling, guideline, imported):
    created = guideline("kinds", CONFIG)
    assert (list(created.labels), created.instructions) == (["ham", "spam"], "Is it spam?")
    tasks = [
        {
            "id": 1,
            "data": {"text": TEXTS[1] + "\n"},
            "annotations": [
                choice("spam", updated_at="2026-01-02T03:04:05.000Z"),
                choice("ham", completed_by=7),
                choice("spam", was_cancelled=True),
                choice("eggs"),
            ],
            "drafts": [{}],
            "predictions": [choice("ham")],
        },
        {"id": 2, "data": {"text": "A text that is not here"}, "annotations": [choice("ham")]},
        {"id": 3, "data": {"image": "/data/upload/1/x.png"}, "annotations": [choice("ham")]},
        {"id": 4, "data": {"text": TEXTS[2], "record_id": "x-2"}, "annotations": [choice("x", "topic")]},
        "nothing",
    ]
    first = imported(json.dumps(tasks), created.name, control="kind", source="SOURCE_HUMAN")
    assert (first.created_count, first.existing_count) == (2, 0)
    assert dict(first.left_out_counts) == {
        "CANCELLED": 1,
        "BAD_ANSWER": 1,
        "DRAFT": 1,
        "PREDICTION": 1,
        "UNKNOWN_RECORD": 2,
        "UNKNOWN_CONTROL": 1,
        "MALFORMED": 1,
    }
    assert any("eggs" in each for each in first.problems)
    again = imported(json.dumps(tasks), created.name, control="kind", source="SOURCE_HUMAN")
    assert (again.created_count, again.existing_count) == (0, 2)
    stored = labeling.ListAnnotations(pb.ListAnnotationsRequest(parent=PROJECT)).annotations
    assert {(each.record_id, each.label, each.annotator) for each in stored} == {
        ("x-1", "spam", "ann@example.com"),
        ("x-1", "ham", "7"),
    }
    assert stored[0].create_time.ToJsonString() == "2026-01-02T03:04:05Z"


def test_spans_are_counted_in_code_points_and_those_out_of_the_text_are_left_out(
    labeling, guideline, imported
):
    config = '<View><Labels name="l" toName="t"><Label value="PER"/><Label value="LOC"/></Labels></View>'
    created = guideline("names", config, instructions="Mark names.")
    assert list(created.marks.spans.labels) == ["PER", "LOC"]

    def span(start: int, end: int, label: str, **value):
        return {
            "from_name": "l",
            "type": "labels",
            "value": {"start": start, "end": end, "labels": [label], **value},
        }

    good = [span(3, 6, "PER", text="Zoë"), span(16, 18, "LOC", text="北京")]
    task = {
        "data": {"text": "  " + TEXTS[0]},
        "annotations": [
            {"completed_by": 1, "result": [span(5, 8, "PER", text="Zoë")]},
            {"completed_by": 2, "result": [span(90, 95, "PER")]},
        ],
    }
    whole = {"data": {"text": TEXTS[0]}, "annotations": [{"completed_by": 3, "result": good}]}
    result = imported(json.dumps([task, whole]), created.name)
    assert (result.created_count, dict(result.left_out_counts)) == (2, {"OUT_OF_TEXT": 1})
    stored = labeling.ListAnnotations(pb.ListAnnotationsRequest(parent=PROJECT)).annotations
    marks = {each.annotator: json.loads(each.label) for each in stored if each.guideline == created.name}
    assert marks["1"] == [{"start": 2, "end": 5, "label": "PER", "text": "Zoë"}]
    assert [each["text"] for each in marks["3"]] == ["Zoë", "北京"]


@pytest.mark.parametrize("format", ["LABEL_STUDIO", "JSONL", "CSV", "ARGILLA"])
def test_a_queue_goes_out_and_its_answers_come_back(
    labeling, state, datasets, put_dataset, artifacts, guideline, imported, format
):
    name = f"out-{format.lower().replace('_', '-')}"
    version = VERSION.replace("v1", name)
    texts = [f"{text} {name}" for text in TEXTS]
    datasets.ready[version] = put_dataset([None] * len(texts), f"{name}-", texts=texts)
    created = guideline(name, CONFIG)
    rules = [{"label": "ham", "keywords": ["build"]}]
    spec = queue_pb2.Queue(
        dataset_version=version, guideline=created.name, pre_labels={"origin": "ORIGIN_RULES", "rules": rules}
    )
    queue = labeling.CreateQueue(pb.CreateQueueRequest(parent=PROJECT, queue_id=name, queue=spec))
    refill = labeling.CreateRefill(pb.CreateRefillRequest(parent=queue.name, refill={"size": 5}))
    *_, ended = labeling.WatchRefill(pb.WatchRefillRequest(name=refill.name), timeout=60)
    assert (ended.task_count, ended.pre_labelled_count) == (4, 1)
    ann = LabelingServiceStub(state.as_role(Role.ANNOTATOR, "labeling", key=f"ann-{name}"))
    for _ in range(3):
        task = ann.ClaimTask(pb.ClaimTaskRequest(parent=PROJECT, queue=queue.name)).task
        ann.CompleteTask(pb.CompleteTaskRequest(name=task.name, label="spam"))
    out = labeling.ExportQueue(pb.ExportQueueRequest(name=queue.name, format=f"EXCHANGE_FORMAT_{format}"))
    assert (out.task_count, out.answer_count, out.without_text_count) == (4, 3, 0)
    content = artifacts.read(out.digest).decode()
    assert artifacts.owned("x", out.digest)
    assert out.size_bytes == len(content.encode())
    assert bool(out.label_config) is (format == "LABEL_STUDIO")
    assert all(text in content for text in texts[1:])
    back = imported(content, created.name, format, version, source="SOURCE_HUMAN")
    assert back.created_count == 3
    assert set(back.left_out_counts) <= {"PREDICTION", "EMPTY"}


@pytest.mark.parametrize(
    ("content", "format", "message"),
    [
        ("[", "LABEL_STUDIO", "no JSON"),
        ("{", "JSONL", "no JSON"),
        ("", "UNSPECIFIED", "format is missing"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(guideline, imported, content, format, message):
    name = guideline(f"bad-{format.lower().replace('_', '-')}", CONFIG).name
    with pytest.raises(InvalidArgument, match=message):
        imported(content, name, format)


def test_a_config_without_a_known_control_and_a_file_of_others_are_refused(labeling, guideline):
    with pytest.raises(InvalidArgument, match="Taxonomy"):
        guideline("none", '<View><Taxonomy name="a" toName="t"/></View>')
    with pytest.raises(InvalidArgument, match="Give label_config, or labels"):
        guideline("both", CONFIG, labels=["a", "b"])
    name = guideline("mine", CONFIG).name
    request = pb.ImportAnnotationsRequest(
        parent=PROJECT, dataset_version=VERSION, guideline=name, digest="0" * 64, format="EXCHANGE_FORMAT_CSV"
    )
    with pytest.raises(InvalidArgument, match="upload the file first"):
        labeling.ImportAnnotations(request)
