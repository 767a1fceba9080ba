"""Ingestion reads the sources that pipeline runs make of feedback, as the records that the feedback means."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.kinds import TaskSpec, record_fault
from ratoon.tasks.records import record_of
from ratoon.tasks.regress import Regress
from ratoon_flywheel.adapters.ingestion import TrafficSources
from ratoon_flywheel.application.ports import FeedbackData
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.records import FeedbackRecord, Form, line
from ratoon_flywheel.domain.signals.traffic import LabelledExample, exported
from ratoon_ingestion import mapping
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.worker.readers.items import Item, Rejection, SourceSpec
from ratoon_ingestion.worker.readers.sources import read_source
from ratoon_labeling.domain import preferences
from ratoon_labeling.domain.ratings import COUNTS, Preference, Work
from ratoon_labeling.domain.tasks import Answer, Reason, Task, TaskState

from .test_stage_requests import Requests

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TURNS = (
    Turn(Role.SYSTEM, "Answer in one line."),
    Turn(Role.USER, "Wie wird das Wetter?"),
    Turn(
        Role.ASSISTANT,
        "",
        tool_calls='[{"function":{"arguments":"{}","name":"weather"},"id":"1","type":"function"}]',
    ),
    Turn(Role.TOOL, "sonnig, 21 °C", tool_call_id="1"),
)
TOOLS = '[{"function":{"name":"weather","parameters":{}},"type":"function"}]'
ATTRIBUTES = {"version": "projects/p/models/p/versions/v1.0", "user": "a1b2", "consent": "TRAINING"}
FEEDBACK = {
    FeedbackData.ANSWERS: (Form.CORRECTION, Record(TURNS, ("Sonnig.",), tools=TOOLS)),
    FeedbackData.PREFERENCES: (Form.PREFERENCE, Record(TURNS, ("Sonnig.",), rejected="Regen.", tools=TOOLS)),
    FeedbackData.UNPAIRED_PREFERENCES: (
        Form.UNPAIRED_PREFERENCE,
        Record(TURNS, ("Regen.",), is_good=False, tools=TOOLS),
    ),
}


def read(tmp_path: Path, task: TaskSpec, data: FeedbackData, lines: list[bytes]) -> list[Item | Rejection]:
    """Read lines as the source that a pipeline run makes of them."""
    store = ArtifactStore(str(tmp_path))
    channel = Requests()
    project = Project("projects/p", NOW, NOW, task)
    TrafficSources(channel).create(project, data, store.put_bytes(b"".join(lines)), "id")
    command = mapping.create_source(channel.sent["CreateSource"])
    source = SourceSpec("source", command.digest, command.format, command.licence, columns=command.columns)
    return list(read_source(source, store))


@pytest.mark.parametrize("data", FeedbackData)
def test_a_conversation_with_its_feedback_is_read_as_it_was_said(tmp_path, data):
    form, record = FEEDBACK[data]
    attributes = {**ATTRIBUTES, "feedback": form.value}
    (item,) = read(tmp_path, Generate(), data, [line(FeedbackRecord("id-1", NOW, form, record, attributes))])
    assert isinstance(item, Item)
    result = record_of("", None, item.payload.decode())
    assert result == record
    assert record_fault(Generate(), result) == ""
    assert (item.time, dict(item.attributes)) == (NOW, attributes)
    assert item.label == record.answers[0]


@pytest.mark.parametrize(
    ("task", "text", "answer"),
    [(Classify(("ham", "spam")), "Grüße\nund mehr", "spam"), (Regress(), "so lala", "3.5")],
)
def test_a_label_and_a_number_stay_beside_their_text(tmp_path, task, text, answer):
    row = exported(LabelledExample("id-1", "segment", ATTRIBUTES["version"], NOW, answer), text)
    (item,) = read(tmp_path, task, FeedbackData.ANSWERS, [row])
    assert isinstance(item, Item)
    assert (item.payload.decode(), item.label, item.time) == (text, answer, NOW)


@pytest.mark.parametrize(
    ("work", "answer", "expected"),
    [
        (
            Work.COMPARE,
            Answer("ann", "", preference=Preference.SECOND),
            Record(TURNS[:2], ("Regen.",), rejected="Sonnig."),
        ),
        (
            Work.RATE,
            Answer("ann", "", {"helpful": 1, "clear": 2}),
            Record(TURNS[:2], ("Sonnig.",), is_good=False),
        ),
    ],
    ids=["compare", "rate"],
)
def test_decisions_in_a_queue_are_read_as_preferences(tmp_path, work, answer, expected):
    candidates = ("Sonnig.", "Regen.")[: COUNTS[work]]
    task = Task(
        "projects/p/tasks/t",
        NOW,
        NOW,
        "r",
        "d",
        "projects/p/datasets/d/versions/v",
        Generate(),
        "",
        Reason.QUEUE,
        TaskState.DONE,
        answers=(answer,),
        work=work,
        candidates=candidates,
    )
    exported_line = preferences.line(task, TURNS[:2])
    assert exported_line is not None
    store = ArtifactStore(str(tmp_path))
    (item,) = read_source(SourceSpec("source", store.put_bytes(exported_line), Format.JSONL), store)
    assert isinstance(item, Item)
    assert record_of("", None, item.payload.decode()) == expected
