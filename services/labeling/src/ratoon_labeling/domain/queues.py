"""Queues: records that people label, the rules by which they become tasks, and the counts of these tasks.

OPEN ⇄ COMPLETE   COMPLETE while no task waits for people and no more are drawn
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from ratoon.tasks.classify import Classify
from ratoon_labeling.domain.errors import BadQueue, EndpointNotAllowed, QueueClosed, StaleEtag
from ratoon_labeling.domain.intake import IntakeCount, IntakeRule, IntakeSource, checked_rules
from ratoon_labeling.domain.kinds.table import rules_of
from ratoon_labeling.domain.marks import AnswerSpec, Marks
from ratoon_labeling.domain.ratings import Work
from ratoon_labeling.domain.tasks import Task, TaskState, checked_overlap, checked_scales

MAX_DRAWN = 10_000
"""Tasks of one refill, and record ids that a queue names."""
MAX_RULES, MAX_KEYWORDS, MAX_PATTERN_CHARS, MAX_REVIEWERS = 200, 1_000, 1_000, 100
MAX_MODEL_CHARS = 256
MAX_GOLD_SHARE, MIN_RANDOM_SHARE = 0.5, 0.1
FIELDS = ("source", "source_path", "source_label", "language", "licence")
"""Fields of a record by which a queue filters, besides `attributes.{name}`."""
_TERM = re.compile(r'\s*(?P<field>[a-z_]+(?:\.[^\s=]+)?)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^"\s]+))\s*')


class QueueState(StrEnum):
    """State of a queue."""

    OPEN = "OPEN"
    COMPLETE = "COMPLETE"


class StopReason(StrEnum):
    """Reason for which no further tasks are drawn."""

    EXHAUSTED = "EXHAUSTED"
    MAX_TASKS = "MAX_TASKS"
    NO_GAIN = "NO_GAIN"


class Strategy(StrEnum):
    """Choice of the records that become tasks."""

    RANDOM = "RANDOM"
    MARGIN = "MARGIN"
    ENTROPY = "ENTROPY"
    LABEL_ERRORS = "LABEL_ERRORS"
    """Records whose label is probably wrong."""


class Origin(StrEnum):
    """Where the answers come from that tasks propose."""

    RULES = "RULES"
    CLASSICAL = "CLASSICAL"
    ENDPOINT = "ENDPOINT"


@dataclass(frozen=True)
class RefillRule:
    """Rule by which records become tasks."""

    size: int = 50
    threshold: int = 0
    """A refill starts as soon as fewer open tasks are left; 0: by request only."""
    max_tasks: int = 0
    strategy: Strategy = Strategy.RANDOM
    random_share: float = 0.3
    min_gain: float = 0.0


@dataclass(frozen=True)
class Rule:
    """Rule that proposes a label: the text holds a keyword, or the pattern (RE2) matches."""

    label: str
    keywords: tuple[str, ...] = ()
    pattern: str = ""


@dataclass(frozen=True)
class Endpoint:
    """Model behind an OpenAI-compatible endpoint; `text_only`: it gets the text of the record without the guideline."""

    base_url: str
    model: str
    text_only: bool = False


@dataclass(frozen=True)
class PreLabels:
    """Answers that tasks propose."""

    origin: Origin | None = None
    rules: tuple[Rule, ...] = ()
    endpoint: Endpoint | None = None
    blind_share: float = 0.0
    """Share of the tasks whose proposed answer annotators do not see."""


@dataclass(frozen=True)
class Queue:
    """Records that people label. `task` is the guideline's when the queue was created or last changed."""

    name: str
    create_time: datetime
    update_time: datetime
    dataset_version: str
    guideline: str
    task: AnswerSpec
    guideline_version: int = 1
    filter: str = ""
    record_ids: tuple[str, ...] = ()
    overlap: int = 1
    deadline: datetime | None = None
    paused: bool = False
    gold_share: float = 0.0
    review_share: float = 0.0
    reviewers: tuple[str, ...] = ()
    refill_rule: RefillRule = RefillRule()
    pre_labels: PreLabels = PreLabels()
    open_count: int = 0
    review_count: int = 0
    done_count: int = 0
    skipped_count: int = 0
    gold_count: int = 0
    stop_reason: StopReason | None = None
    last_refill: str = ""
    refilling: bool = False
    """A refill was created whose end is not noted yet."""
    refill_failed: bool = False
    """The last refill failed: the next one is created by a caller."""
    revision: int = 0
    intake_rules: tuple[IntakeRule, ...] = ()
    intake_counts: Mapping[str, IntakeCount] = field(default_factory=dict)
    """Tasks that came by each rule, by its id; counts of rules that were removed stay."""
    work: Work = Work.ANSWER
    """RATE and COMPARE: the answers of records are rated or compared."""
    scales: tuple[str, ...] = ()

    @property
    def etag(self) -> str:
        """Return the mark of the fields that a person changes; counts do not belong to it."""
        fields = {name: value for name, value in vars(self).items() if name not in _COUNTED}
        return sha256(repr(sorted(fields.items())).encode()).hexdigest()[:16]

    @property
    def waiting_count(self) -> int:
        """Return the number of tasks that wait for people."""
        return self.open_count + self.review_count

    @property
    def state(self) -> QueueState:
        """Return COMPLETE if no task waits and no more are drawn."""
        draws = self.refill_rule.threshold > 0 and self.stop_reason is None and not self.refill_failed
        takes_in = any(self.intake_count(each.id).total < each.max_tasks for each in self.intake_rules)
        is_open = self.waiting_count > 0 or self.refilling or draws or takes_in or not self.last_refill
        return QueueState.OPEN if is_open else QueueState.COMPLETE

    @property
    def task_count(self) -> int:
        """Return the number of tasks without gold items."""
        return self.waiting_count + self.done_count + self.skipped_count

    def intake_count(self, rule: str) -> IntakeCount:
        """Return the count of a rule by its id."""
        return self.intake_counts.get(rule, IntakeCount())

    @property
    def needs_refill(self) -> bool:
        """Return whether the rule asks for a refill now."""
        return (
            self.open_count < self.refill_rule.threshold
            and self.stop_reason is None
            and not (self.paused or self.refilling or self.refill_failed)
        )


_COUNTED = frozenset(
    (
        "revision", "update_time", "open_count", "review_count", "done_count", "skipped_count", "gold_count",
        "stop_reason", "last_refill", "refilling", "refill_failed",
        "intake_counts",
    )
)  # fmt: skip
_COUNTS = {
    TaskState.OPEN: "open_count",
    TaskState.IN_REVIEW: "review_count",
    TaskState.DONE: "done_count",
    TaskState.SKIPPED: "skipped_count",
    TaskState.GOLD: "gold_count",
}
DRAWING_FIELDS = frozenset(("dataset_version", "filter", "record_ids", "refill_rule", "guideline"))
"""Fields whose change lets a queue draw again."""


def checked_queue(queue: Queue) -> Queue:
    """Return a queue whose settings are valid; BadQueue, BadOverlap or BadFilter names the one that is not."""
    checked_overlap(queue.overlap)
    scales = checked_scales(queue.work, queue.scales)
    _check_work(queue)
    filter_terms(queue.filter)
    _check_range("gold_share", queue.gold_share, 0, MAX_GOLD_SHARE)
    _check_range("review_share", queue.review_share, 0, 1)
    _check_count("record_ids", len(set(queue.record_ids)), MAX_DRAWN)
    _check_count("reviewers", len(queue.reviewers), MAX_REVIEWERS)
    if "" in queue.record_ids or "" in queue.reviewers:
        raise BadQueue("record_ids and reviewers may not hold an empty text.", "record_ids")
    _check_rule(queue)
    _check_intake(queue)
    return replace(
        queue,
        record_ids=tuple(dict.fromkeys(queue.record_ids)),
        pre_labels=_checked_labels(queue),
        scales=scales,
    )


def checked_size(size: int) -> int:
    """Return the number of tasks to draw; BadQueue outside 1 to 10,000."""
    _check_range("size", size, 1, MAX_DRAWN)
    return size


def check_endpoint(pre_labels: PreLabels, listed: Collection[str]) -> None:
    """Raise EndpointNotAllowed unless the operator listed the endpoint."""
    if pre_labels.endpoint is not None and pre_labels.endpoint.base_url not in listed:
        raise EndpointNotAllowed(
            f"{pre_labels.endpoint.base_url} is not one of the endpoints of RATOON_LABELING_ENDPOINTS: "
            f"{', '.join(sorted(listed)) or 'none is listed'}. The operator can list it.",
            "pre_labels.endpoint.base_url",
        )


def check_etag(queue: Queue, etag: str) -> None:
    """Raise StaleEtag when the settings were changed since they were read; empty is not checked."""
    if etag and etag != queue.etag:
        raise StaleEtag(f"{queue.name} was changed after you read it: read it again and retry.", "etag")


def check_claimable(queue: Queue, now: datetime) -> None:
    """Raise QueueClosed while no task of the queue can be claimed."""
    if queue.paused:
        raise QueueClosed(f"{queue.name} is paused. An engineer can set paused to false.")
    if queue.deadline is not None and queue.deadline <= now:
        raise QueueClosed(f"The deadline of {queue.name} was {queue.deadline}. An engineer can change it.")


def filter_terms(filter: str) -> list[tuple[str, str]]:
    """Return fields and values of a filter; BadQueue if it is none."""
    terms = [_TERM.fullmatch(term) for term in filter.split(" AND ")] if filter.strip() else []
    parsed = [(term["field"], term["quoted"] or term["plain"] or "") for term in terms if term]
    known = all(field in FIELDS or field.startswith("attributes.") for field, _ in parsed)
    if not known or len(parsed) != len(terms):
        raise BadQueue(
            f"{filter!r} is no filter of records. Write it as 'language = zh AND attributes.channel = \"web\"'; fields "
            f"are {', '.join(FIELDS)} and attributes.{{name}}.",
            "filter",
        )
    return parsed


def moved(queue: Queue, before: Task | None, after: Task | None) -> Queue:
    """Return the queue with the counts after the change of a task; None: it did not exist, or does no more."""
    changed: dict[str, Any] = {}
    for task, step in ((before, -1), (after, 1)):
        if task is not None:
            name = _COUNTS[task.state]
            changed[name] = max(0, changed.get(name, getattr(queue, name)) + step)
    return replace(queue, **changed)


def counted(queue: Queue, states: Mapping[str, int]) -> Queue:
    """Return the queue with these numbers of tasks by state."""
    numbers: dict[str, Any] = {name: states.get(state.value, 0) for state, name in _COUNTS.items()}
    return replace(queue, **numbers)


def lot(*parts: str) -> float:
    """Return a number from 0 to 1 that depends on the texts alone."""
    return int.from_bytes(sha256("\0".join(parts).encode()).digest()[:8]) / 2**64


def _check_rule(queue: Queue) -> None:
    rule = queue.refill_rule
    _check_range("refill_rule.size", rule.size, 1, MAX_DRAWN)
    _check_range("refill_rule.threshold", rule.threshold, 0, MAX_DRAWN)
    _check_range("refill_rule.max_tasks", rule.max_tasks, 0, 10**9)
    _check_range("refill_rule.random_share", rule.random_share, MIN_RANDOM_SHARE, 1)
    _check_range("refill_rule.min_gain", rule.min_gain, 0, 1)
    if rule.strategy is not Strategy.RANDOM and not has_single_labels(queue.task):
        raise BadQueue(
            f"The strategy {rule.strategy} needs a task of the kind classify with one label a record: choose RANDOM.",
            "refill_rule.strategy",
        )


def _check_work(queue: Queue) -> None:
    if queue.work is Work.ANSWER:
        return
    works = rules_of(queue.task).WORK
    if queue.work not in works:
        raise BadQueue(f"Queues of the kind {queue.task.kind} have the work {', '.join(works)} only.", "work")
    others = {
        "refill_rule.strategy": queue.refill_rule.strategy is not Strategy.RANDOM,
        "pre_labels.origin": queue.pre_labels.origin is not None,
        "gold_share": queue.gold_share > 0,
        "review_share": queue.review_share > 0,
        "intake_rules": bool(queue.intake_rules),
    }
    for name, is_set in others.items():
        if is_set:
            raise BadQueue(f"A queue with the work {queue.work} does not take {name}: leave it out.", name)


def _check_intake(queue: Queue) -> None:
    checked_rules(queue.intake_rules, bool(queue.dataset_version))
    if queue.refill_rule.threshold and not queue.dataset_version:
        raise BadQueue(
            "A refill needs a dataset version: name one, or set threshold to 0.", "dataset_version"
        )
    of_answers = [each for each in queue.intake_rules if each.source is not IntakeSource.BAD_CASES]
    if of_answers and isinstance(queue.task, Marks):
        raise BadQueue(
            f"The rule {of_answers[0].id} needs a guideline whose answers are those of the model, without marks.",
            "intake_rules",
        )


def has_single_labels(task: AnswerSpec) -> bool:
    """Return whether each record gets one label out of a list."""
    return isinstance(task, Classify) and not task.multi_label


def _checked_labels(queue: Queue) -> PreLabels:
    pre_labels = queue.pre_labels
    if pre_labels.origin is Origin.CLASSICAL and not has_single_labels(queue.task):
        raise BadQueue(
            "The origin CLASSICAL needs a task of the kind classify with one label a record.",
            "pre_labels.origin",
        )
    if (pre_labels.origin is Origin.ENDPOINT) is not (pre_labels.endpoint is not None):
        raise BadQueue(
            "Give an endpoint with the origin ENDPOINT, and with no other one.", "pre_labels.endpoint"
        )
    if pre_labels.endpoint is not None and not 1 <= len(pre_labels.endpoint.model) <= MAX_MODEL_CHARS:
        raise BadQueue(f"model has 1 to {MAX_MODEL_CHARS} characters.", "pre_labels.endpoint.model")
    if queue.refill_rule.strategy is Strategy.LABEL_ERRORS and pre_labels.origin is not None:
        raise BadQueue(
            "The strategy LABEL_ERRORS proposes the current labels: leave pre_labels out.",
            "pre_labels.origin",
        )
    _check_range("pre_labels.blind_share", pre_labels.blind_share, 0, 1)
    if (pre_labels.origin is Origin.RULES) is not bool(pre_labels.rules):
        raise BadQueue("Give rules with the origin RULES, and with no other one.", "pre_labels.rules")
    if pre_labels.rules and not rules_of(queue.task).HAS_CLASSES:
        raise BadQueue("Rules propose labels: they need a task of the kind classify.", "pre_labels.rules")
    _check_count("pre_labels.rules", len(pre_labels.rules), MAX_RULES)
    return replace(pre_labels, rules=tuple(_checked_rule(queue.task, rule) for rule in pre_labels.rules))


def _checked_rule(task: AnswerSpec, rule: Rule) -> Rule:
    keywords = tuple(dict.fromkeys(each for each in rule.keywords if each.strip()))
    if bool(keywords) is bool(rule.pattern):
        raise BadQueue(f"A rule of {rule.label!r} needs either keywords or a pattern.", "pre_labels.rules")
    if len(rule.pattern) > MAX_PATTERN_CHARS:
        raise BadQueue(f"A pattern has at most {MAX_PATTERN_CHARS} characters.", "pre_labels.rules")
    _check_count("pre_labels.rules.keywords", len(keywords), MAX_KEYWORDS)
    return Rule(rules_of(task).checked_answer(task, rule.label), keywords, rule.pattern)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadQueue(f"{name} is {value:g}; choose {low:g} to {high:g}.", name)


def _check_count(name: str, count: int, largest: int) -> None:
    if count > largest:
        raise BadQueue(f"{name} holds {count:,} items; give at most {largest:,}.", name)


def shares(total: int, random_share: float) -> tuple[int, int]:
    """Return how many of a number of tasks are drawn at random (at least one), and by uncertainty."""
    at_random = min(total, max(1, round(total * random_share)))
    return at_random, total - at_random
