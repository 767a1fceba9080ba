"""Procedures of label sets and refills: a job computes, then the ledger records the job's result, once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from ratoon.operations.job_machine import Action, JobObservation, Transition, step
from ratoon.operations.job_procedure import JobProcedure
from ratoon.operations.operations import Claim, Step
from ratoon.process.errors import Description
from ratoon.storage.names import parent_of
from ratoon.storage.store import Store
from ratoon_labeling.application.ports import (
    Datasets,
    Drawing,
    DrawingJob,
    Freezing,
    FreezingJob,
    Ledger,
    TaskQueue,
)
from ratoon_labeling.application.queues import note_drawn, reopen_tasks
from ratoon_labeling.domain.guidelines import Guideline, GuidelineVersion, Request
from ratoon_labeling.domain.label_sets import RECORDING, Frozen, LabelSet, frozen
from ratoon_labeling.domain.queues import Queue
from ratoon_labeling.domain.refills import RECORDING as REFILL_RECORDING
from ratoon_labeling.domain.refills import Drawn, Refill, RefillState, drawn
from ratoon_labeling.domain.tasks import Task, reopened

_POLL_INTERVAL_S = 0.2


@dataclass(frozen=True)
class LabelSetProcedure(JobProcedure[LabelSet, FreezingJob, Frozen]):
    """The long work behind CreateLabelSet."""

    ledger: Ledger

    def observe(self, resource: LabelSet, claim: Claim) -> JobObservation[Frozen]:
        """Return the state of the job, and whether its result is recorded."""
        observation = super().observe(resource, claim)
        if observation.result is None or self.ledger.is_recorded(resource.name):
            return observation
        return replace(observation, progress=RECORDING, applied=False)

    def act(self, resource: LabelSet, action: Action, claim: Claim) -> None:
        """Start, restart or stop the job, or record its result."""
        if action is not Action.APPLY:
            super().act(resource, action, claim)
        elif (result := super().observe(resource, claim).result) is not None:
            self.ledger.record(resource, result)


@dataclass(frozen=True)
class RefillProcedure(JobProcedure[Refill, DrawingJob, Drawn]):
    """The long work behind CreateRefill. The queue learns of the end of each refill."""

    ledger: Ledger
    store: Store
    queues: TaskQueue

    def observe(self, resource: Refill, claim: Claim) -> JobObservation[Drawn]:
        """Return the state of the job, and whether its tasks are recorded."""
        observation = super().observe(resource, claim)
        if observation.result is None or self.ledger.is_recorded(resource.name):
            return observation
        return replace(observation, progress=REFILL_RECORDING, applied=False)

    def act(self, resource: Refill, action: Action, claim: Claim) -> None:
        """Start, restart or stop the job, or record its tasks and the end of the refill."""
        if action is Action.CLEAN:
            self._note_end(resource)
        elif action is not Action.APPLY:
            super().act(resource, action, claim)
        elif (result := super().observe(resource, claim).result) is not None:
            with self.store.read() as tx:
                queue = tx.get(Queue, parent_of(resource.name))
            self.ledger.add_tasks(resource, queue, result)
            self._note_end(replace(resource, drawn=result))
            self.ledger.note_recorded(resource.name)

    def failed(self, resource: Refill, error: Description, now: datetime) -> Step[Refill]:
        """Fail the refill with an error that a retry does not fix."""
        self._note_end(resource)
        return super().failed(resource, error, now)

    def _note_end(self, resource: Refill) -> None:
        with self.store.write() as tx:
            note_drawn(tx, resource, self.queues)


_BATCH = 200
"""Tasks that are read at once while a version of a guideline is applied."""


@dataclass(frozen=True)
class VersionProcedure:
    """The long work behind UpdateGuideline: it opens the tasks whose answers a version requests again."""

    store: Store
    queues: TaskQueue
    kind: type[GuidelineVersion] = GuidelineVersion

    def observe(self, resource: GuidelineVersion, claim: Claim) -> Sequence[Task]:
        """Return the next tasks."""
        return self.queues.of_guideline(resource.guideline.name, resource.position, _BATCH)

    def step(
        self, resource: GuidelineVersion, observation: Sequence[Task], now: datetime
    ) -> Step[GuidelineVersion]:
        """Open tasks until none of a batch has a requested answer, then go on to the next batch."""
        if not observation:
            return Step(replace(resource, applied=True), done=True)
        request = _request(resource)
        outdated = tuple(each.name for each in observation if reopened(each, request) != each)
        if outdated:
            return Step(resource, actions=(outdated,), wake_after=0.0)
        opened = sum(each.reopened_by == request.version for each in observation)
        moved = replace(
            resource, position=observation[-1].name, reopened_count=resource.reopened_count + opened
        )
        return Step(moved, wake_after=0.0)

    def act(self, resource: GuidelineVersion, action: Sequence[str], claim: Claim) -> None:
        """Open tasks."""
        reopen_tasks(action, _request(resource), self.store, self.queues)

    def failed(self, resource: GuidelineVersion, error: Description, now: datetime) -> Step[GuidelineVersion]:
        """Stop: the version stays as not applied."""
        return Step(resource, done=True)


def _request(version: GuidelineVersion) -> Request:
    return Request(version.guideline.version, version.guideline.change.labels)


def refill_procedure(
    drawing: Drawing, ledger: Ledger, store: Store, queues: TaskQueue, datasets: Datasets
) -> RefillProcedure:
    """Return the procedure of refills."""
    return RefillProcedure(
        Refill,
        "draw",
        drawing,
        partial(_drawing_job, ledger, store, datasets),
        _drawing_step,
        _POLL_INTERVAL_S,
        ledger,
        store,
        queues,
    )


def _drawing_step(refill: Refill, observation: JobObservation[Drawn], now: datetime) -> Transition[Refill]:
    """Return what follows from an observation; a refill that ends without tasks is noted in its queue."""
    transition = step(refill, observation, now, drawn)
    state = transition.resource.state
    ends = state.ended and state is not RefillState.SUCCEEDED and not refill.state.ended
    return replace(transition, actions=(Action.CLEAN,)) if ends else transition


def _drawing_job(ledger: Ledger, store: Store, datasets: Datasets, refill: Refill) -> DrawingJob:
    with store.read() as tx:
        queue = tx.get(Queue, parent_of(refill.name))
        guideline = tx.find(Guideline, queue.guideline)
    return DrawingJob(
        refill,
        queue,
        datasets.artifact_of(refill.dataset_version),
        ledger.export(parent_of(queue.name)),
        ledger.export_queued(queue.name),
        guideline,
    )


def label_set_procedure(freezing: Freezing, ledger: Ledger) -> LabelSetProcedure:
    """Return the procedure of label sets."""
    return LabelSetProcedure(
        LabelSet,
        "freeze",
        freezing,
        partial(_freezing_job, ledger),
        partial(step, complete=frozen),
        _POLL_INTERVAL_S,
        ledger,
    )


def _freezing_job(ledger: Ledger, label_set: LabelSet) -> FreezingJob:
    return FreezingJob(label_set, ledger.export(parent_of(label_set.name)))
