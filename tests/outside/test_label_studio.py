"""The exchange with a real Label Studio: it imports what is written here, and what it exports is read here."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import label_studio as server
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks import label_studio as exchange
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.label_studio import Fault, Left, Marks, Response
from ratoon.tasks.records import from_json
from ratoon.tasks.regress import Regress
from ratoon_ingestion.domain.sources import Columns, Format
from ratoon_ingestion.worker.readers.items import SourceSpec
from ratoon_ingestion.worker.readers.sources import read_source

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(600)]
TEXT = "😀 Zoë lives in 北京. مرحبا"
SPANS = json.dumps(
    [
        {"start": 2, "end": 5, "label": "PER", "text": "Zoë"},
        {"start": 15, "end": 17, "label": "LOC", "text": "北京"},
    ],
    ensure_ascii=False,
)
BOXES = '[{"x": 0.1, "y": 0.25, "width": 0.5, "height": 0.3, "label": "car"}]'


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.LabelStudio]:
    with server.running(Path(tmp_path_factory.mktemp("label-studio"))) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "task", "marks", "answer"),
    [
        ("one label", Classify(("ham", "spam")), None, "spam"),
        ("several labels", Classify(("a", "b", "c"), multi_label=True), None, "a\nc"),
        ("number", Regress(min=-1, max=5), None, "2.5"),
        ("text", Generate(), None, "two\nlines"),
        ("spans", Generate(), Marks(("PER", "LOC")), SPANS),
        ("boxes", Generate(), Marks(("car",), are_boxes=True), BOXES),
    ],
)
def test_what_is_written_is_imported_and_comes_back_from_its_export(studio, name, task, marks, answer):
    project = studio.create_project(f"Exchange: {name}", exchange.config_of(task, "Read it.", marks))
    given = [
        Response(answer, "ann", is_gold=True),
        Response(answer, "rules", is_prediction=True, score=0.75),
    ]
    data = {"text": TEXT, "record_id": "r1", "image": "https://example.com/a.png"}
    body = [exchange.task_with(data, given, task, marks)]
    imported = studio.call("POST", f"/api/projects/{project}/import", body)
    assert (imported["task_count"], imported["annotation_count"], imported["prediction_count"]) == (1, 1, 1)
    (exported,) = studio.call(
        "GET", f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=true"
    )
    assert exported["data"] == data
    (detail,) = studio.call("GET", f"/api/tasks?project={project}&fields=all")["tasks"]
    exported["predictions"] = detail["predictions"]
    back = [each for each in exchange.given(exported, TEXT) if isinstance(each, Response)]
    assert [(each.answer, each.annotator, each.is_gold) for each in back if not each.is_prediction] == [
        (answer, "ann", True)
    ]
    assert [(each.answer, each.annotator, each.score) for each in back if each.is_prediction] == [
        (answer, "rules", 0.75)
    ]
    config = exchange.parsed_config(studio.call("GET", f"/api/projects/{project}")["label_config"])
    assert exchange.task_of(config.control()) == (task, marks)


def test_comparisons_are_imported_and_come_back_as_preferences(studio, tmp_path):
    project = studio.create_project("Compare", exchange.config_of_comparison("Which one is right?"))
    data = {"text": TEXT, "record_id": "r1"}
    body = [
        exchange.comparison_with(data, ("北京 😀", "Paris"), [Response("PREFERENCE_SECOND", "ann")]),
        exchange.comparison_with({"text": "No answer yet"}, ("a", "b"), []),
    ]
    imported = studio.call("POST", f"/api/projects/{project}/import", body)
    assert (imported["task_count"], imported["annotation_count"]) == (2, 1)
    export = studio.call("GET", f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=true")
    store = ArtifactStore(str(tmp_path))
    digest = store.put_bytes(json.dumps(export).encode())
    source = SourceSpec("projects/p/sources/s", digest, Format.LABEL_STUDIO, columns=Columns())
    compared, unanswered = read_source(source, store)
    record = from_json(compared.payload.decode())
    assert ([each.content for each in record.turns], record.answers) == ([TEXT], ("Paris",))
    assert record.rejected == "北京 😀"
    assert unanswered.payload.decode() == "No answer yet"
    config = exchange.parsed_config(studio.call("GET", f"/api/projects/{project}")["label_config"])
    assert (config.control().tag, config.control().to_name) == ("Pairwise", "first,second")


def test_what_people_do_there_is_read_with_what_is_no_answer(studio):
    project = studio.create_project(
        "People",
        '<View><Text name="t" value="$text"/><Choices name="kind" toName="t"><Choice value="ham"/>'
        '<Choice value="spam"/></Choices><Rating name="stars" toName="t" maxRating="7"/></View>',
    )
    studio.call("POST", f"/api/projects/{project}/import", [{"text": TEXT}])
    (task,) = studio.call("GET", f"/api/tasks?project={project}&fields=all")["tasks"]
    kind = {"from_name": "kind", "to_name": "t", "type": "choices", "value": {"choices": ["ham"]}}
    stars = {"from_name": "stars", "to_name": "t", "type": "rating", "value": {"rating": 6}}
    path = f"/api/tasks/{task['id']}/annotations/"
    studio.call("POST", path, {"result": [kind, stars]})
    studio.call("POST", path, {"result": [], "was_cancelled": True})
    studio.call("POST", f"/api/tasks/{task['id']}/drafts", {"result": [kind]})
    (exported,) = studio.call(
        "GET", f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=true"
    )
    read = list(exchange.given(exported, TEXT, "stars"))
    assert [(each.answer, each.annotator) for each in read if isinstance(each, Response)] == [("6", "1")]
    faults = [each.fault for each in read if isinstance(each, Left)]
    assert faults.count(Fault.CANCELLED) == 1
    assert faults.count(Fault.UNKNOWN_CONTROL) == 1
