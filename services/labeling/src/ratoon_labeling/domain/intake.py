"""Intake: rules by which answers of models enter a queue, and the positions up to which their sources were read."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from ratoon_labeling.domain.errors import BadQueue

MAX_INTAKE_RULES, MAX_A_DAY, MAX_TASKS = 20, 10_000, 1_000_000
MIN_SHARE, MAX_RATING = 0.001, 4
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class IntakeSource(StrEnum):
    """Where answers come from."""

    TRAFFIC = "TRAFFIC"
    LOW_RATED = "LOW_RATED"
    BAD_CASES = "BAD_CASES"

    @property
    def waits(self) -> bool:
        """Return whether answers beyond the limit of a day wait for the next one; of traffic, newer ones follow."""
        return self is not IntakeSource.TRAFFIC


class Choice(StrEnum):
    """Choice of answers of traffic."""

    RANDOM = "RANDOM"
    UNCERTAIN = "UNCERTAIN"


@dataclass(frozen=True)
class IntakeRule:
    """Rule by which answers enter a queue. Fields of other sources keep their defaults."""

    id: str
    source: IntakeSource
    deployment: str = ""
    """Resource name; empty: all deployments of the project."""
    share: float = 0.01
    choice: Choice = Choice.RANDOM
    max_rating: int = 2
    conflicts: bool = False
    """Answers to one text whose corrections differ enter too."""
    evaluation_run: str = ""
    """Empty: each run that succeeds from the creation of the rule on."""
    domain: str = ""
    max_per_day: int = 100
    max_tasks: int = 1_000


@dataclass(frozen=True)
class IntakeCount:
    """Tasks that came by a rule."""

    total: int = 0
    day: str = ""
    """Last day with a task (UTC), as YYYY-MM-DD."""
    of_day: int = 0
    returned: int = 0
    """Answers of people that returned as feedback."""
    problem: str = ""
    """Why the last intake failed."""

    def left(self, rule: IntakeRule, today: date) -> int:
        """Return the number of tasks that a rule may still add today."""
        of_day = self.of_day if self.day == today.isoformat() else 0
        return max(0, min(rule.max_per_day - of_day, rule.max_tasks - self.total))

    def added(self, today: date) -> "IntakeCount":
        """Return the count after one more task."""
        of_day = self.of_day if self.day == today.isoformat() else 0
        return replace(self, total=self.total + 1, day=today.isoformat(), of_day=of_day + 1)


@dataclass(frozen=True)
class Item:
    """Answer of a model that may become a task. `key` distinguishes it in a queue, whatever rule chooses it."""

    key: str
    answer_id: str = ""
    """Empty: it is about a record."""
    dataset_version: str = ""
    content_digest: str = ""
    text_digests: tuple[str, ...] = ()
    """Digests of all texts of the request, by which an erasure finds the task."""
    label: str = ""
    """Answer of the model, or the current label of a bad case; of captured free text empty."""
    suggested: str = ""
    """Answer of the model to a bad case."""
    model_version: str = ""
    evaluation_run: str = ""
    confidence: float | None = None
    position: int = 0


@dataclass(frozen=True)
class Batch:
    """Items that arrived after a position, and the position up to which the source was read."""

    items: Sequence[Item]
    position: str
    has_more: bool = False


@dataclass(frozen=True)
class Intake:
    """Positions of the rules of a queue in their sources. Its parent is the queue."""

    name: str
    create_time: datetime
    update_time: datetime
    positions: Mapping[str, str] = field(default_factory=dict)
    """Position by the id of the rule."""
    revision: int = 0


def intake_name(queue: str) -> str:
    """Return the name of the intake of a queue."""
    return f"{queue}/intakes/rules"


def checked_rules(rules: Sequence[IntakeRule], has_dataset: bool) -> None:
    """Raise BadQueue if a rule is not valid, or if a queue without rules has no dataset version."""
    if not rules and not has_dataset:
        raise BadQueue(
            "Name a dataset version whose records become tasks, or give intake_rules.", "dataset_version"
        )
    if len(rules) > MAX_INTAKE_RULES or len({each.id for each in rules}) < len(rules):
        raise BadQueue(f"Give at most {MAX_INTAKE_RULES} intake_rules with different ids.", "intake_rules")
    for each in rules:
        _check_rule(each)


def _check_rule(rule: IntakeRule) -> None:
    if not _ID.fullmatch(rule.id):
        raise BadQueue(
            f"The id {rule.id[:64]!r} of a rule needs 1 to 63 characters of a-z, 0-9 and '-'.",
            "intake_rules.id",
        )
    ranges: Mapping[str, tuple[float, float, float]] = {
        "traffic.share": (rule.share, MIN_SHARE, 1),
        "low_rated.max_rating": (rule.max_rating, 1, MAX_RATING),
        "max_per_day": (rule.max_per_day, 1, MAX_A_DAY),
        "max_tasks": (rule.max_tasks, 1, MAX_TASKS),
    }
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise BadQueue(
                f"{name} of the rule {rule.id} is {value:g}; choose {low:g} to {high:g}.",
                f"intake_rules.{name}",
            )


def selected(
    rule: IntakeRule, batch: Batch, position: str, lots: Mapping[str, float]
) -> Sequence[Item] | None:
    """Return the items of a batch that a rule chooses; None if more must arrive before it can choose.

    `lots` holds a number from 0 to 1 for each item, by its key. Of traffic, the least certain share is chosen once so
    many answers with a confidence have arrived that the share is at least one of them.
    """
    if rule.source is not IntakeSource.TRAFFIC:
        return batch.items
    if rule.choice is Choice.RANDOM:
        return [each for each in batch.items if lots[each.key] < rule.share]
    known = [
        each for each in batch.items if each.confidence is not None and each.position > int(position or 0)
    ]
    count = int(len(known) * rule.share)
    if not count and not batch.has_more:
        return None
    return sorted(known, key=lambda each: (each.confidence or 0.0, each.key))[: max(1, count)]


def without(items: Sequence[Item], keys: Collection[str]) -> list[Item]:
    """Return the items whose keys are none of these, each key once."""
    left = {each.key: each for each in items if each.key not in keys}
    return list(left.values())
