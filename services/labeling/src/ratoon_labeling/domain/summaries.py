"""Answers of a queue in numbers: counts, agreement of annotators, and the quality of each of them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from ratoon.tasks.kinds import TaskSpec
from ratoon_labeling.domain.agreement import cohen_kappa, fleiss_kappa, nominal_alpha
from ratoon_labeling.domain.annotator_quality import estimated_accuracies
from ratoon_labeling.domain.kinds.table import rules_of
from ratoon_labeling.domain.tasks import Task, TaskState

MAX_PAIRS = 500
"""Pairs of annotators that a summary lists, those with the most common tasks."""


@dataclass(frozen=True)
class LabelAgreement:
    """Alpha of one label against all others; None where it is undefined."""

    label: str
    answer_count: int
    alpha: float | None


@dataclass(frozen=True)
class PairAgreement:
    """Agreement of two annotators on the tasks that both answered."""

    first: str
    second: str
    task_count: int
    raw_agreement: float
    kappa: float | None


@dataclass(frozen=True)
class Annotator:
    """Answers and quality of one annotator."""

    name: str
    answer_count: int = 0
    skip_count: int = 0
    gold_count: int = 0
    gold_correct_count: int = 0
    estimated_accuracy: float | None = None
    reviewed_count: int = 0
    accepted_count: int = 0


@dataclass(frozen=True)
class QueueSummary:
    """Answers of a queue; gold items count for annotators alone."""

    answer_counts: dict[str, int] = field(default_factory=dict)
    compared_count: int = 0
    pair_count: int = 0
    raw_agreement: float | None = None
    alpha: float | None = None
    fleiss_kappa: float | None = None
    undefined_reason: str = ""
    labels: tuple[LabelAgreement, ...] = ()
    pairs: tuple[PairAgreement, ...] = ()
    annotators: tuple[Annotator, ...] = ()
    confirmed_count: int = 0
    corrected_count: int = 0

    def for_annotator(self, name: str) -> "QueueSummary":
        """Return what an annotator may see: of all annotators only themselves, without gold items."""
        own = (each for each in self.annotators if each.name == name)
        return replace(
            self,
            annotators=tuple(replace(each, gold_count=0, gold_correct_count=0) for each in own),
            pairs=tuple(each for each in self.pairs if name in (each.first, each.second)),
        )


def summary_of(task: TaskSpec, tasks: Iterable[Task]) -> QueueSummary:
    """Return the summary of the tasks of a queue that have answers."""
    rules = rules_of(task)
    counts, answered = Counter[str](), list[dict[str, str]]()
    people: dict[str, Counter[str]] = defaultdict(Counter)
    confirmed = corrected = 0
    for each in tasks:
        given = {answer.annotator: answer.label for answer in each.answers if answer.label}
        for answer in each.answers:
            people[answer.annotator]["skips" if answer.skips else "answers"] += 1
        if each.state is TaskState.GOLD:
            for name, label in given.items():
                people[name]["gold"] += 1
                people[name]["gold right"] += not rules.differ(task, [label, each.expected_label])
            continue
        for name in each.reviewed:
            people[name]["reviewed"] += 1
        for name in each.accepted:
            people[name]["accepted"] += 1
        if rules.HAS_CLASSES:
            counts.update(label for text in given.values() for label in rules.classes(task, text))
        if each.state is TaskState.DONE and each.proposed_label and each.label:
            same = not rules.differ(task, [each.label, each.proposed_label])
            confirmed, corrected = confirmed + same, corrected + (not same)
        answered.append(given)
    accuracies = estimated_accuracies(answered) if rules.HAS_CLASSES else {}
    return replace(
        _agreement(task, answered),
        answer_counts=dict(sorted(counts.items())),
        annotators=tuple(
            Annotator(
                name,
                n["answers"],
                n["skips"],
                n["gold"],
                n["gold right"],
                accuracies.get(name),
                n["reviewed"],
                n["accepted"],
            )
            for name, n in sorted(people.items())
        ),
        confirmed_count=confirmed,
        corrected_count=corrected,
    )


def _agreement(task: TaskSpec, answered: Sequence[dict[str, str]]) -> QueueSummary:
    rules = rules_of(task)
    compared = [each for each in answered if len(each) > 1]
    units = [list(each.values()) for each in compared]
    pairs = [pair for unit in units for pair in combinations(unit, 2)]
    alpha = rules.agreement(units).alpha
    return QueueSummary(
        compared_count=len(compared),
        pair_count=len(pairs),
        raw_agreement=sum(not rules.differ(task, pair) for pair in pairs) / len(pairs) if pairs else None,
        alpha=alpha,
        fleiss_kappa=fleiss_kappa(units) if rules.HAS_CLASSES else None,
        undefined_reason="" if alpha is not None else _undefined(answered, compared),
        labels=_by_label(task, units) if rules.HAS_CLASSES else (),
        pairs=_by_pair(task, compared),
    )


def _undefined(answered: Sequence[dict[str, str]], compared: Sequence[dict[str, str]]) -> str:
    if not answered:
        return "No task has an answer."
    if not compared:
        return "No task has answers of two annotators."
    if len({label for each in compared for label in each.values()}) < 2:
        return "All answers are the same, so that chance would give the same agreement."
    return "Alpha is not the measure of texts."


def _by_label(task: TaskSpec, units: Sequence[Sequence[str]]) -> tuple[LabelAgreement, ...]:
    classes = [[frozenset(rules_of(task).classes(task, text)) for text in unit] for unit in units]
    counts = Counter(label for unit in classes for each in unit for label in each)
    return tuple(
        LabelAgreement(label, count, nominal_alpha([label in each for each in unit] for unit in classes))
        for label, count in sorted(counts.items())
    )


def _by_pair(task: TaskSpec, compared: Sequence[dict[str, str]]) -> tuple[PairAgreement, ...]:
    common: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for each in compared:
        for first, second in combinations(sorted(each), 2):
            common[first, second].append((each[first], each[second]))
    largest = sorted(common.items(), key=lambda each: (-len(each[1]), each[0]))[:MAX_PAIRS]
    rules = rules_of(task)
    return tuple(
        PairAgreement(
            first,
            second,
            len(both),
            sum(not rules.differ(task, pair) for pair in both) / len(both),
            cohen_kappa(both) if rules.HAS_CLASSES else None,
        )
        for (first, second), both in largest
    )
