"""Ports of evaluation."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ratoon.operations.job_procedure import JobRunner
from ratoon.tasks.compute import Compute
from ratoon.tasks.judges import JudgeKind
from ratoon.tasks.kind import Record
from ratoon.tasks.kinds import TaskSpec
from ratoon_evaluation.domain.costs import AnswerCost
from ratoon_evaluation.domain.human import HumanTask, HumanVerdicts
from ratoon_evaluation.domain.judges import Agreement, Judge
from ratoon_evaluation.domain.plan import Weights
from ratoon_evaluation.domain.predictions import StoredPredictions
from ratoon_evaluation.domain.runs import EvaluationRun, Scored


@dataclass(frozen=True)
class Parts:
    """Digests of a split's sealed test part and of its training part."""

    test: str
    train: str
    group_attribute: str = ""
    """Attribute whose values group records; empty: none does."""
    dataset_version: str = ""
    """Resource name of the dataset version that was split."""


@dataclass(frozen=True)
class WrongAnswer:
    """A row of a wrong-answers blob. Of longer answers it holds the start."""

    record_id: str
    label: str = ""
    """The right answer, unless it is free text: then the test part alone holds it, where it can be erased."""
    predicted: str = ""
    reference_predicted: str | None = None
    """Answer of the reference model; None: there is no reference model."""
    score: float | None = None
    """Primary metric of the record; None: it has no value for one record."""
    text: str = ""
    """Text of the record; empty: the part holds it."""
    references: tuple[str, ...] = ()
    outcome: str = ""
    """How the program of the answer ended."""


@dataclass(frozen=True)
class AnsweredRecord:
    """A record of a test part: its text, its right answer, and all right answers if it has several, each cut."""

    text: str = ""
    label: str = ""
    references: tuple[str, ...] = ()


class Devices(Protocol):
    """Devices of the machines that score."""

    def check(self, compute: Compute) -> None:
        """Raise FailedPrecondition if the accelerator is known to be missing."""
        ...


class Splits(Protocol):
    """Splits, whose test parts are sealed."""

    def open(self, split: str, readers: Sequence[str], purpose: str) -> Parts:
        """The parts of a READY split; each reader (an artifact's digest, a resource) is logged there."""
        ...


@dataclass(frozen=True)
class ScoringJob:
    """A run to score, the parts by domain, and stored answers that need not be computed again."""

    run: EvaluationRun
    parts: Mapping[str, Parts]
    stored: StoredPredictions
    verdicts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Digests of stored verdicts by the identity of the judge."""
    human: HumanVerdicts | None = None
    """Human verdicts; None: the run takes in none."""
    costs: Mapping[tuple[str, str, str], AnswerCost] = field(default_factory=dict)
    """Time of stored answers, by their key in `stored`."""


Scoring = JobRunner[ScoringJob, Scored]
"""The heavy work: models are scored, compared and held against the gate."""


class Models(Protocol):
    """Stored models."""

    def content(self, model: str) -> str:
        """Return a digest of what a model answers from; two artifacts with the same one give the same answers."""
        ...

    def weights(self, model: str) -> Weights:
        """Return the size of the weights of a model; raises NotFound or FailedPrecondition if it cannot be read."""
        ...


class People(Protocol):
    """Human ratings of a project, and the records that they are about."""

    def tasks(self, project: str, kind: JudgeKind) -> Iterable[HumanTask]:
        """Yield what people did, newest first: comparisons for PAIRWISE, ratings for RUBRIC."""
        ...

    def record(self, dataset_version: str, record_id: str) -> Record | None:
        """Return a record; None if it was erased or cannot be read."""
        ...


@dataclass(frozen=True)
class AgreementCase:
    """Answers to a record with the verdict of people: a `Choice`, or a number."""

    record: Record
    answers: tuple[str, ...]
    human: str


class Cases(Protocol):
    """Stores human verdicts for a job, which deletes them at its end: they hold texts of records."""

    def write(self, judge: str, cases: Sequence[AgreementCase]) -> str:
        """Store the cases of a judge, in a blob of its own; returns the digest."""
        ...


@dataclass(frozen=True)
class AgreementJob:
    """A judge to compare with people, the digest of their verdicts, and how many of these have no record."""

    judge: Judge
    cases: str
    missing: int
    stored: tuple[str, ...] = ()
    """Digests of verdicts that need not be asked again."""


Agreements = JobRunner[AgreementJob, Agreement]
"""The comparison of a judge with people."""


class Answers(Protocol):
    """Stored answers and the records that they answer."""

    def wrong(self, digest: str, start: int, limit: int) -> tuple[Sequence[WrongAnswer], bool]:
        """At most `limit` rows of a wrong-answers blob, the surest first, from `start` on; and whether more follow."""
        ...

    def is_sealed(self, project: str, part: str) -> bool:
        """Return whether a part is one that callers of a project cannot download, such as the test part of a split."""
        ...

    def records(self, part: str, record_ids: Sequence[str]) -> Mapping[str, AnsweredRecord]:
        """Return these records of a part by record id; lost ones are left out."""
        ...

    def answered_ids(self, digest: str) -> Sequence[str]:
        """Return the ids of the records that stored answers are about."""
        ...

    def predicted(self, digest: str, record_ids: Collection[str]) -> Mapping[str, str]:
        """Return stored answers to these records by record id."""
        ...


@dataclass(frozen=True)
class RatingTask:
    """A task for people: one answer to rate, or two to compare."""

    record_id: str
    dataset_version: str
    task: TaskSpec
    answers: tuple[str, ...]
    origins: tuple[str, ...]
    overlap: int
    scales: tuple[str, ...] = ()


class RatingTasks(Protocol):
    """Tasks of labeling."""

    def create(self, project: str, tasks: Sequence[RatingTask], request_id: str) -> None:
        """Create tasks; the same ones with the same request id are created once."""
        ...


@dataclass(frozen=True)
class WrongPart:
    """Wrong answers to a test part, by their digests; without a part, the wrong answers hold the texts."""

    domain: str
    wrong: str
    part: str


@dataclass(frozen=True)
class Export:
    """A stored export: its digest, and the number of its records."""

    digest: str
    records: int


class Exports(Protocol):
    """Stores records of wrong answers as a blob that a source can read."""

    def write(self, project: str, parts: Sequence[WrongPart], limit: int, *, free_text: bool) -> Export:
        """Store at most `limit` records, part by part, which belong to the project; lost ones are left out.

        Answers in free text may have several lines: they are written as examples, since a label is one line.
        """
        ...
