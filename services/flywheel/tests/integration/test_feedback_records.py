"""Feedback on captured conversations becomes records, and what is erased or not allowed becomes none."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from ratoon.storage import outbox
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.database import Database
from ratoon.storage.migrations import migrate
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import Role, Turn
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.regress import Regress
from ratoon.testkit.clock import FakeClock
from ratoon.testkit.postgresql import Databases
from ratoon_flywheel import mapping
from ratoon_flywheel.adapters import tables
from ratoon_flywheel.adapters.answers import AnswerTables
from ratoon_flywheel.adapters.traffic import ArtifactSegments
from ratoon_flywheel.application.commands import ExportFeedback
from ratoon_flywheel.application.examples import Export, export_feedback, export_records, feedback_records
from ratoon_flywheel.application.forgetting import ForgettingProcedure
from ratoon_flywheel.application.intake import read_segment
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.pipelines.runs import Window
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.feedback import Feedback, checked, feedback_label, preference
from ratoon_flywheel.domain.signals.forgetting import Forgetting, RewriteSegments
from ratoon_flywheel.domain.signals.records import Form
from ratoon_flywheel.domain.signals.traffic import (
    NotedText,
    Presence,
    TrafficSegment,
    content_digest,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
P = "projects/mail"
V1 = f"{P}/models/mail/versions/v1.0"
SEGMENT = f"{P}/trafficSegments/s"
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
TOOLS = [{"type": "function", "function": {"name": "weather"}}]
DIALOGUE = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Rain in Köln?"}]},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "dry", "tool_call_id": "c1"},
]


@dataclass
class Traffic:
    """A project with captured traffic and feedback on it, without services."""

    store: Store
    segments: ArtifactSegments
    task: TaskSpec
    index: AnswerTables = field(default_factory=AnswerTables)
    count: int = 0

    def capture(self, *rows: dict[str, object]) -> None:
        project = Project(P, NOW, NOW, self.task)
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        digest = self.segments.write([zstandard.compress(lines)])
        taken = read_segment(SEGMENT, digest, project, self.segments, 1000)
        with self.store.write() as tx:
            tx.create(project)
            tx.create(TrafficSegment(SEGMENT, NOW, NOW, "d", digest, len(rows), NOW, NOW))
            self.index.add(tx, P, taken.answers)
            self.index.note(tx, P, SEGMENT, taken.texts)

    def say(self, answer_id: str, **words: object) -> Feedback:
        self.count += 1
        time = NOW + timedelta(minutes=self.count)
        feedback = checked(
            Feedback(f"{P}/feedback/f{self.count}", time, time, answer_id, V1, **words), self.task
        )
        with self.store.write() as tx:
            tx.create(feedback)
            if feedback.is_on_answer:
                self.index.put_feedback(tx, P, feedback_label(feedback, self.task))
            if feedback.rejected_answer_id:
                self.index.put_preference(tx, P, preference(feedback))
        return feedback

    def records(self, purpose: Consent = Consent.TRAINING):
        project, window = Project(P, NOW, NOW, self.task), Window(None, NOW + timedelta(days=1))
        return feedback_records(project, window, self.store, self.index, self.segments, purpose).records

    def export(self) -> Export:
        project, window = Project(P, NOW, NOW, self.task), Window(None, NOW + timedelta(days=1))
        return export_feedback(project, window, self.store, self.index, self.segments)


@pytest.fixture
def traffic(tmp_path: Path, databases: Databases) -> Iterator[Traffic]:
    url = databases.url_of_file(tmp_path / "flywheel.db")
    migrate("flywheel", url)
    database = Database(url)
    store = Store(database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"s"))
    yield Traffic(store, ArtifactSegments(ArtifactStore(str(tmp_path / "artifacts"))), Generate())
    database.close()


def row(
    id: str, answer: str, messages: list[dict[str, object]] | None = None, **more: object
) -> dict[str, object]:
    number = len(id) if id.isalpha() else int("".join(filter(str.isdigit, id)))
    return {
        "answer_id": id,
        "time": (NOW + timedelta(seconds=number)).isoformat(),
        "deployment": f"{P}/deployments/mail",
        "version": V1,
        "user": f"user of {id}",
        "messages": messages or [{"role": "user", "content": f"question {id}"}],
        "answer": answer,
        "status": 200,
        **more,
    }


def test_corrections_thumbs_and_preferences_on_conversations_become_records(traffic):
    traffic.capture(
        row("a1", "It rains.", DIALOGUE, tools=TOOLS),
        row("a2", "good answer"),
        row("a3", "bad answer"),
        row("a4", "long", [{"role": "user", "content": "same"}]),
        row("a5", "short", [{"role": "user", "content": "same"}]),
        row("a6", "not for training"),
        row("a7", "for evaluation"),
    )
    traffic.say("a1", thumb=1)
    traffic.say("a1", correction=" It is dry in Köln.\n")
    traffic.say("a2", rating=5)
    traffic.say("a3", thumb=-1)
    traffic.say("a5", rejected_answer_id="a4")
    traffic.say("a6", correction="secret", consent=Consent.NONE)
    traffic.say("a7", correction="test me", consent=Consent.EVALUATION)
    first, good, bad, pair = traffic.records()
    assert first.record.turns == (
        Turn(Role.SYSTEM, "Be brief."),
        Turn(Role.USER, "Rain in Köln?"),
        Turn(Role.ASSISTANT, "", tool_calls=json.dumps([CALL], sort_keys=True, separators=(",", ":"))),
        Turn(Role.TOOL, "dry", tool_call_id="c1"),
    )
    assert (first.record.answers, json.loads(first.record.tools)) == (("It is dry in Köln.",), TOOLS)
    assert (first.attributes["version"], first.attributes["feedback"]) == (V1, "CORRECTION")
    assert "user" in first.attributes
    assert "user of" not in first.attributes["user"]
    assert [(each.record.answers, each.record.is_good) for each in (good, bad)] == [
        (("good answer",), True),
        (("bad answer",), False),
    ]
    assert (pair.record.answers, pair.record.rejected) == (("short",), "long")
    assert [each.id for each in traffic.records(Consent.EVALUATION)] == ["a1", "a2", "a3", "a5", "a7"]

    export = traffic.export()
    lines = {
        name: [json.loads(line) for line in traffic.segments._artifacts.read(digest).splitlines()]
        for name, digest in vars(export).items()
        if isinstance(digest, str)
    }
    (answered,) = lines["answers"]
    assert answered["messages"][-1] == {"role": "assistant", "content": "It is dry in Köln."}
    assert answered["messages"][2]["tool_calls"] == [CALL]
    assert answered["tools"] == TOOLS
    assert [each["label"] for each in lines["unpaired_preferences"]] == [True, False]
    (preferred,) = lines["preferences"]
    assert preferred["prompt"] == [{"role": "user", "content": "same"}]
    assert preferred["chosen"] == [{"role": "assistant", "content": "short"}]


@pytest.mark.parametrize(
    ("task", "answer", "correction", "label", "exported"),
    [
        (Regress("points", 0, 10), "3 points", "3.50", "3.5", "3.5"),
        (Classify(("ham", "spam"), multi_label=True), "ham", "spam\nham", "ham\nspam", ["ham", "spam"]),
    ],
)
def test_a_corrected_number_and_several_labels_are_exported_as_labels(
    traffic, task, answer, correction, label, exported
):
    traffic.task = task
    traffic.capture(row("a1", answer, [*DIALOGUE, {"role": "user", "content": "how many?"}]))
    traffic.say("a1", correction=correction)
    export = traffic.export()
    assert (export.preferences, export.unpaired_preferences) == ("", "")
    (line,) = traffic.segments._artifacts.read(export.answers).splitlines()
    assert (json.loads(line)["text"], json.loads(line)["label"]) == ("how many?", exported)
    (record,) = traffic.records()
    assert record.record.answers == (label,)


def exported(traffic, *forms, purpose=Consent.TRAINING, **times):
    command = ExportFeedback(P, forms, purpose, end=NOW + timedelta(days=1), **times)
    digest, read = export_records(command, traffic.store, traffic.index, traffic.segments, FakeClock())
    return [json.loads(line) for line in traffic.segments._artifacts.read(digest).splitlines()], read


def test_feedback_is_exported_with_its_user_version_and_consent(traffic):
    same = [{"role": "user", "content": "same"}]
    traffic.capture(
        row("a1", "It rains.", DIALOGUE, tools=TOOLS),
        row("a2", "good answer"),
        row("a3", "long", same),
        row("a4", "short", same),
        row("a5", "not for training"),
        row("a6", "for evaluation"),
    )
    traffic.say("a1", correction="It is dry in Köln.")
    traffic.say("a2", thumb=1)
    traffic.say("a4", rejected_answer_id="a3")
    traffic.say("a5", correction="secret", consent=Consent.NONE)
    traffic.say("a6", thumb=-1, consent=Consent.EVALUATION)
    lines, read = exported(traffic)
    assert [(each["id"], each["feedback"]) for each in lines] == [
        ("a1", "CORRECTION"),
        ("a2", "UNPAIRED_PREFERENCE"),
        ("a4", "PREFERENCE"),
    ]
    assert read.left_out == {"CONSENT": 2}
    assert {(each["version"], each["consent"]) for each in lines} == {(V1, "TRAINING")}
    assert len({each["user"] for each in lines} - {""}) == 3
    for_tests, _ = exported(traffic, purpose=Consent.EVALUATION)
    assert [each["consent"] for each in for_tests] == ["TRAINING"] * 3 + ["EVALUATION"]
    pairs, read = exported(traffic, Form.PREFERENCE)
    assert [each["chosen"][0]["content"] for each in pairs] == ["short"]
    assert read.left_out == {"CONSENT": 2, "OTHER_FORM": 2}
    late, _ = exported(traffic, start=NOW + timedelta(seconds=1))
    assert [each["id"] for each in late] == ["a2", "a4"]
    artifacts = traffic.segments._artifacts
    assert artifacts.owned("mail", traffic.segments.export("mail", [b"a\n"]))


@pytest.mark.parametrize(
    ("task", "answer", "correction", "label"),
    [
        (Regress("points", 0, 10), "3", "3.5", "3.5"),
        (Classify(("ham", "spam")), "ham", "spam", "spam"),
        (Classify(("ham", "spam"), multi_label=True), "ham", "spam\nham", ["ham", "spam"]),
    ],
)
def test_exported_labels_and_numbers_keep_who_gave_them(traffic, task, answer, correction, label):
    traffic.task = task
    traffic.capture(row("a1", answer), row("a2", answer))
    traffic.say("a1", correction=correction)
    traffic.say("a2", thumb=1)
    (corrected, confirmed), _ = exported(traffic)
    assert (corrected["text"], corrected["label"], corrected["feedback"]) == (
        "question a1",
        label,
        "CORRECTION",
    )
    assert (confirmed["label"], confirmed["feedback"]) == (answer, "CONFIRMATION")
    assert all(each["version"] == V1 and each["user"] and each["consent"] for each in (corrected, confirmed))


def test_nothing_to_export_is_no_blob(traffic):
    traffic.capture(row("a1", "an answer"))
    command = ExportFeedback(P)
    digest, read = export_records(command, traffic.store, traffic.index, traffic.segments, FakeClock())
    assert (digest, list(read.records)) == ("", [])


@pytest.mark.parametrize(
    "erased",
    ["dry", "question a2", "the answer itself", "the corrected text", "Be brief.\n\nRain in Köln?\n\ndry"],
)
def test_an_erased_text_goes_from_conversations_answers_and_corrections(traffic, erased):
    traffic.capture(
        row("a1", "one", DIALOGUE),
        row("a2", "two"),
        row("a3", "the answer itself"),
        row("a4", "four"),
        row("a5", "five"),
        row("a6", "six", [*DIALOGUE, {"role": "user", "content": "and now?"}]),
    )
    for number in range(1, 7):
        given = traffic.say(
            f"a{number}", correction="the corrected text" if number == 4 else f"better {number}"
        )
        with traffic.store.write() as tx:
            note = NotedText(Presence.CORRECTION, given.answer_id, content_digest(given.correction))
            traffic.index.note(tx, P, given.name, [note])
    before = {each.id for each in traffic.records()}
    forgetting = Forgetting(f"{P}/forgettings/e", NOW, NOW, (content_digest(erased),))
    procedure = ForgettingProcedure(traffic.store, traffic.index, traffic.segments)
    names = tuple(procedure.observe(forgetting, None).segments)
    procedure.act(forgetting, RewriteSegments(names), None)
    assert not procedure.observe(forgetting, None).segments
    gone = {
        "dry": {"a1", "a6"},
        "question a2": {"a2"},
        "the answer itself": {"a3"},
        "the corrected text": {"a4"},
        "Be brief.\n\nRain in Köln?\n\ndry": {"a1"},
    }[erased]
    assert {each.id for each in traffic.records()} == before - gone
    with traffic.store.read() as tx:
        bodies = json.dumps([each.correction for each in tx.all(Feedback, P)])
    assert erased not in bodies
