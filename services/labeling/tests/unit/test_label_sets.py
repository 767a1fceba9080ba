"""A label set with a fake job and a ledger in memory."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import TypeAdapter

from ratoon.operations.job_machine import Failed, Failure, JobObservation, Phase, Progress
from ratoon.operations.operations import Claim, Step
from ratoon.tasks.classify import Classify
from ratoon_labeling.application.ports import FreezingJob
from ratoon_labeling.application.procedures import LabelSetProcedure, label_set_procedure
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.label_sets import RECORDING, Completed, Frozen, LabelSet, State

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
QUEUED = LabelSet(
    "projects/p/labelSets/s",
    NOON,
    NOON,
    "projects/p/datasets/d/versions/v",
    "d" * 64,
    "projects/p/guidelines/g",
    Classify(("ham", "spam")),
    ConflictPolicy.HUMAN_FIRST,
)
CLAIM = Claim(QUEUED.name, 1)
FROZEN = Frozen("a" * 64, "b" * 64, "c" * 64, {"ham": 3, "spam": 1}, 2, 1, 0, None)

NOTHING = JobObservation[Frozen](Phase.ABSENT)
ENDED = JobObservation(Phase.SUCCEEDED, Progress(1.0, "Frozen."), FROZEN)


class Freezer:
    """A freezing job whose state a test sets."""

    def __init__(self) -> None:
        self.now, self.done = NOTHING, list[object]()

    def observe(self, job_id: str) -> JobObservation[Frozen]:
        return self.now

    def start(self, job_id: str, job: FreezingJob) -> None:
        self.done.append(job)

    def stop(self, job_id: str) -> None:
        self.done.append("stop")

    def forget(self, job_id: str) -> None:
        self.done.append("forget")


class Records:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.recorded: list[tuple[str, Frozen]] = []

    def export(self, project: str) -> str:
        return f"annotations of {project}"

    def record(self, label_set: LabelSet, frozen: Frozen) -> None:
        self.recorded.append((label_set.name, frozen))

    def is_recorded(self, label_set: str) -> bool:
        return bool(self.recorded)

    def forget(self, tx: object, project: str, record_ids: object) -> None:
        """Nothing is erased here."""


def tick(procedure: LabelSetProcedure, label_set: LabelSet) -> Step[LabelSet]:
    """Observe, decide and act once."""
    step = procedure.step(label_set, procedure.observe(label_set, CLAIM), NOON)
    for action in step.actions:
        procedure.act(step.resource, action, CLAIM)
    return step


def test_the_way_to_frozen_labels():
    freezer, records = Freezer(), Records()
    procedure = label_set_procedure(freezer, records)
    started = tick(procedure, QUEUED)
    assert (started.resource.state, started.resource.attempts) == (State.RUNNING, 1)
    assert freezer.done == [FreezingJob(started.resource, "annotations of projects/p")]
    freezer.now = ENDED
    recording = tick(procedure, started.resource)
    assert (recording.resource.state, recording.resource.progress) == (State.RUNNING, RECORDING)
    assert (recording.events, records.recorded) == ((), [(QUEUED.name, FROZEN)])
    succeeded = tick(procedure, recording.resource)
    assert (succeeded.resource.state, succeeded.resource.class_counts) == (
        State.SUCCEEDED,
        FROZEN.class_counts,
    )
    assert (succeeded.actions, succeeded.events, succeeded.done) == ((), (Completed("a" * 64, 4),), True)
    assert (
        succeeded.resource.progress.message
        == "4 labels are frozen; 1 record has a label that the guideline does not have."
    )


def test_a_lost_job_is_forgotten_and_started_again():
    freezer = Freezer()
    freezer.now = JobObservation(Phase.LOST)
    tick(label_set_procedure(freezer, Records()), QUEUED)
    assert freezer.done[0] == "forget"
    assert isinstance(freezer.done[1], FreezingJob)


def test_a_failed_job_says_why():
    freezer = Freezer()
    freezer.now = JobObservation(Phase.FAILED, failure=Failure("NO_LABELS", "None of them has a label."))
    failed = tick(label_set_procedure(freezer, Records()), QUEUED)
    assert (failed.resource.state, failed.resource.failure_reason) == (State.FAILED, "NO_LABELS")
    assert failed.resource.failure_message == "None of them has a label."
    assert failed.events == (Failed("NO_LABELS"),)


def test_nothing_is_recorded_once_cancellation_is_requested():
    freezer, records = Freezer(), Records()
    freezer.now = ENDED
    cancelled = tick(label_set_procedure(freezer, records), replace(QUEUED, cancel_requested=True))
    assert (cancelled.resource.state, records.recorded) == (State.CANCELLED, [])


def test_a_row_of_an_older_release_is_read():
    rows = TypeAdapter(LabelSet)
    row = json.loads(rows.dump_json(QUEUED))
    row["progress"] = {"fraction": 0.5, "message": "half", "done": 1, "total": 2}
    assert rows.validate_python(row) == replace(QUEUED, progress=Progress(0.5, "half", 1, 2))
