"""Ports of labeling."""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from ratoon.operations.job_procedure import JobRunner
from ratoon.storage.store import Transaction
from ratoon_labeling.domain.guidelines import Guideline
from ratoon_labeling.domain.label_sets import Frozen, LabelSet
from ratoon_labeling.domain.queues import Queue
from ratoon_labeling.domain.ratings import Work
from ratoon_labeling.domain.refills import Drawn, Refill
from ratoon_labeling.domain.tasks import Task, TaskSummary

R = TypeVar("R")


class Commits(Protocol):
    """Transactions: of the caller alone, or shared with callers at the same time."""

    def run(self, work: Callable[[Transaction], R]) -> R:
        """Do this in a transaction; durable when it returns. What it raises undoes it alone."""
        ...


class Datasets(Protocol):
    """The dataset versions of ingestion."""

    def artifact_of(self, dataset_version: str) -> str:
        """The digest of a version's tree; DatasetNotReady before it is READY."""
        ...

    def text_of(self, dataset_version: str, record_id: str) -> str:
        """Return the text of a record; NotFound if the version does not have it, or it was erased."""
        ...


@dataclass(frozen=True)
class Reading:
    """Reading of sealed records: by whom, for what, and on whose behalf."""

    reader: str
    purpose: str
    principal: str


class SealedRecords(Protocol):
    """Records of test parts, which ingestion seals."""

    def check(
        self, project: str, records: Sequence[tuple[str, str]], reading: Reading | None
    ) -> Sequence[bool]:
        """Return for the id and content digest of each record if it is sealed; log the reading, if there is one."""
        ...


class References(Protocol):
    """References to label sets from resources of other services."""

    def referrers(self, name: str, *digests: str) -> list[str]:
        """Return the names of at most ten resources that store a name or a digest; raise if a service is silent."""
        ...


@dataclass(frozen=True)
class FreezingJob:
    """A label set to freeze, and the digest of the project's annotations that did not come with data."""

    label_set: LabelSet
    annotations_digest: str


@dataclass(frozen=True)
class DrawingJob:
    """A refill to draw: its queue, the digest of the dataset version, and what is annotated and queued already."""

    refill: Refill
    queue: Queue
    dataset_digest: str
    annotations_digest: str
    queued_digest: str
    guideline: Guideline | None = None
    """None: it was deleted."""


Drawing = JobRunner[DrawingJob, Drawn]
"""The heavy part of a refill: a job that reads the dataset and chooses the records."""

Freezing = JobRunner[FreezingJob, Frozen]
"""The heavy part of a label set: a job that reads the dataset and writes the labels."""


class TaskCounts(Protocol):
    """Counts of the tasks of a project."""

    def of(self, project: str) -> TaskSummary:
        """Return the number of tasks by state, reason and answer."""
        ...


class TaskQueue(Protocol):
    """Tasks that wait for an annotator."""

    def waiting(
        self, tx: Transaction, project: str, annotator: str, fields: Mapping[str, str], now: datetime
    ) -> Generator[Task]:
        """Yield the tasks with these values of fields that the annotator has not answered, and no other one holds.

        Those of a queue (the field `queue`) come the oldest first; without it, those of no queue the newest first.
        """
        ...

    def lock(self, tx: Transaction, queue: str) -> Queue:
        """Return a queue that no other transaction changes until this one ends; NotFound if there is none."""
        ...

    def states(self, tx: Transaction, queue: str) -> Mapping[str, int]:
        """Return the number of tasks of a queue by state."""
        ...

    def answered(self, queue: str) -> Iterator[Task]:
        """Yield the tasks of a queue that have answers, by name."""
        ...

    def of_queue(self, queue: str) -> Iterator[Task]:
        """Yield all tasks of a queue, by name."""
        ...

    def returning(self, queue: str, limit: int) -> Sequence[str]:
        """Return tasks of a queue about answers whose label has not returned to the answer, by name."""
        ...

    def of_guideline(self, guideline: str, after: str, limit: int) -> Sequence[Task]:
        """Return the first tasks of queues of a guideline by name that come after a name and were ever answered."""
        ...

    def delete(self, tx: Transaction, queue: str) -> None:
        """Delete the tasks of a queue."""
        ...


class Patterns(Protocol):
    """Regular expressions of rules."""

    def check(self, pattern: str) -> None:
        """Raise BadQueue if a pattern cannot be read."""
        ...


class RatingTasks(Protocol):
    """Tasks by which people rate answers."""

    def of(self, project: str, work: Work) -> Iterator[Task]:
        """Yield the tasks of a project with this work."""
        ...


class Ledger(Protocol):
    """Annotations and tasks in bulk."""

    def export(self, project: str) -> str:
        """Write the annotations of a project that did not come with data to the artifact store; their digest."""
        ...

    def record(self, label_set: LabelSet, frozen: Frozen) -> None:
        """Store the imported annotations and the tasks of a job's result; a repetition adds nothing."""
        ...

    def is_recorded(self, label_set: str) -> bool:
        """Return whether the annotations and tasks of this label set are stored."""
        ...

    def export_queued(self, queue: str) -> str:
        """Write the ids of the records that have a task of a queue to the artifact store; their digest."""
        ...

    def add_tasks(self, refill: Refill, queue: Queue, drawn: Drawn) -> None:
        """Store the tasks of a refill; a repetition adds nothing."""
        ...

    def note_recorded(self, name: str) -> None:
        """Note that the tasks of a refill are stored."""
        ...

    def erase_labels(self, label_set: LabelSet, record_ids: Collection[str]) -> bool:
        """Delete the frozen labels if they hold one of these records; return whether they did."""
        ...

    def forget(
        self, tx: Transaction, project: str, record_ids: Sequence[str], text_digests: Sequence[str] = ()
    ) -> None:
        """Delete the annotations and tasks of these records, and those about answers to these texts."""
        ...
