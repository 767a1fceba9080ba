"""The review queue, and how far people and the labels they were shown agree."""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon_console.domain.words import JSON, number


@dataclass(frozen=True)
class Queue:
    """How many tasks wait, by reason; how many are answered and skipped."""

    open: int
    answered: int
    skipped: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """All tasks."""
        return self.open + self.answered + self.skipped


@dataclass(frozen=True)
class Review:
    """People's answers compared with the earlier labels: a confusion table, agreement, Cohen's kappa."""

    labels: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]
    """Row: the label that stood before; column: the answer."""
    answered: int
    agreement: float
    kappa: float | None
    """Agreement beyond chance; None where chance alone would always agree."""


def queue_of(summary: JSON) -> Queue:
    """The queue as a whole, by the counts of the API."""
    reasons = {reason: number(count) for reason, count in summary.get("openCounts", {}).items()}
    ordered = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
    done, skipped = number(summary.get("doneCount")), number(summary.get("skippedCount"))
    return Queue(sum(reasons.values()), done, skipped, tuple(ordered))


def review_of(summary: JSON) -> Review | None:
    """People's answers where a label existed before; None without any."""
    counted = {
        (each["proposedLabel"], each["label"]): number(each["count"]) for each in summary.get("reviews", [])
    }
    answered = sum(counted.values())
    if not answered:
        return None
    names = tuple(sorted({name for pair in counted for name in pair}))
    table = tuple(tuple(counted.get((before, after), 0) for after in names) for before in names)
    agreed = sum(counted.get((name, name), 0) for name in names) / answered
    return Review(names, table, answered, agreed, kappa(table))


def kappa(table: Sequence[Sequence[int]]) -> float | None:
    """Cohen's kappa of a confusion table: (observed - chance) / (1 - chance)."""
    total = sum(map(sum, table))
    observed = sum(row[i] for i, row in enumerate(table)) / total
    columns = [sum(row[i] for row in table) for i in range(len(table))]
    chance = sum(sum(row) * column for row, column in zip(table, columns, strict=True)) / total**2
    return None if chance == 1 else (observed - chance) / (1 - chance)
