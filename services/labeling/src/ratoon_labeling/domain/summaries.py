"""Answers of a queue in numbers: counts, agreement of annotators, and the quality of each of them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import fmean

from ratoon.tasks.classify import Classify
from ratoon.tasks.regress import Regress
from ratoon_labeling.domain.agreement import cohen_kappa, fleiss_kappa, nominal_alpha
from ratoon_labeling.domain.annotations import Selection
from ratoon_labeling.domain.annotator_quality import estimated_accuracies
from ratoon_labeling.domain.intervals import wilson
from ratoon_labeling.domain.kinds.table import rules_of
from ratoon_labeling.domain.marks import AnswerSpec
from ratoon_labeling.domain.ratings import Preference, Work
from ratoon_labeling.domain.tasks import Answer, Task, TaskState

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
class ProposalAccuracy:
    """Accuracy of proposed answers of one origin on answers by people, with its 95 % interval (Wilson).

    `blind`: of tasks whose proposal annotators did not see; `random`: of records that were drawn at random.
    """

    origin: str
    blind: bool
    random: bool
    checked_count: int
    correct_count: int
    accuracy: float
    low: float | None
    high: float | None
    mean_confidence: float | None = None


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
    exact_f1: float | None = None
    overlap_f1: float | None = None
    proposals: tuple[ProposalAccuracy, ...] = ()

    def for_annotator(self, name: str) -> "QueueSummary":
        """Return what an annotator may see: of all annotators only themselves, without gold items."""
        own = (each for each in self.annotators if each.name == name)
        return replace(
            self,
            annotators=tuple(replace(each, gold_count=0, gold_correct_count=0) for each in own),
            pairs=tuple(each for each in self.pairs if name in (each.first, each.second)),
        )


def summary_of_work(work: Work, task: AnswerSpec, tasks: Iterable[Task]) -> QueueSummary:
    """Return the summary of a queue: preferences count as labels, ratings as the number that is their mean."""
    if work is Work.ANSWER:
        return summary_of(task, tasks)
    spec = Classify(tuple(Preference)) if work is Work.COMPARE else Regress()
    return summary_of(spec, map(_with_decisions, tasks))


def _with_decisions(task: Task) -> Task:
    """Return a task whose answers hold the preference, or the mean of the ratings, as their label."""
    decided = tuple(replace(each, label=_decision(each)) for each in task.answers)
    return replace(task, answers=decided, proposed_label="")


def _decision(answer: Answer) -> str:
    if answer.preference is not None:
        return answer.preference.value
    return f"{fmean(answer.ratings.values()):.3f}" if answer.ratings else ""


def summary_of(task: AnswerSpec, tasks: Iterable[Task]) -> QueueSummary:
    """Return the summary of the tasks of a queue that have answers."""
    rules = rules_of(task)
    counts, answered = Counter[str](), list[dict[str, str]]()
    people: dict[str, Counter[str]] = defaultdict(Counter)
    confirmed = corrected = 0
    checked: dict[tuple[str, bool, bool], list[tuple[bool, float | None]]] = defaultdict(list)
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
            drawn_by = (each.proposal_origin, each.is_blind, each.selection is Selection.RANDOM)
            checked[drawn_by].append((same, each.proposal_confidence))
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
        proposals=tuple(_proposals(*key, right) for key, right in sorted(checked.items())),
    )


def _proposals(
    origin: str, blind: bool, random: bool, right: Sequence[tuple[bool, float | None]]
) -> ProposalAccuracy:
    """Return the accuracy of proposals; `right` holds for each whether it was confirmed, and its confidence."""
    estimate = wilson([float(same) for same, _ in right])
    known = [confidence for _, confidence in right if confidence is not None]
    return ProposalAccuracy(
        origin,
        blind,
        random,
        len(right),
        sum(same for same, _ in right),
        estimate.mean,
        estimate.low,
        estimate.high,
        sum(known) / len(known) if known else None,
    )


def _agreement(task: AnswerSpec, answered: Sequence[dict[str, str]]) -> QueueSummary:
    rules = rules_of(task)
    compared = [each for each in answered if len(each) > 1]
    units = [list(each.values()) for each in compared]
    pairs = [pair for unit in units for pair in combinations(unit, 2)]
    agreement = rules.agreement(units)
    alpha = agreement.alpha
    return QueueSummary(
        compared_count=len(compared),
        pair_count=len(pairs),
        raw_agreement=sum(not rules.differ(task, pair) for pair in pairs) / len(pairs) if pairs else None,
        alpha=alpha,
        fleiss_kappa=fleiss_kappa(units) if rules.HAS_CLASSES else None,
        undefined_reason="" if alpha is not None else _undefined(answered, compared),
        exact_f1=agreement.exact_f1,
        overlap_f1=agreement.overlap_f1,
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
    return "Alpha is not the measure of texts and marks."


def _by_label(task: AnswerSpec, units: Sequence[Sequence[str]]) -> tuple[LabelAgreement, ...]:
    classes = [[frozenset(rules_of(task).classes(task, text)) for text in unit] for unit in units]
    counts = Counter(label for unit in classes for each in unit for label in each)
    return tuple(
        LabelAgreement(label, count, nominal_alpha([label in each for each in unit] for unit in classes))
        for label, count in sorted(counts.items())
    )


def _by_pair(task: AnswerSpec, compared: Sequence[dict[str, str]]) -> tuple[PairAgreement, ...]:
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
