"""The review queue, and how far people and the labels they were shown agree."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ratoon_console.domain.words import JSON


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
    """People's answers beside the labels that stood before: a confusion table, agreement, Cohen's kappa."""

    labels: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]
    """Row: the label that stood before; column: the answer."""
    answered: int
    agreement: float
    kappa: float | None
    """Agreement beyond chance; None where chance alone would always agree."""


def queue_of(tasks: Sequence[JSON]) -> Queue:
    """The queue as a whole."""
    states = Counter(task["state"] for task in tasks)
    reasons = Counter(task.get("reason", "") for task in tasks if task["state"] == "STATE_OPEN")
    return Queue(
        states["STATE_OPEN"], states["STATE_DONE"], states["STATE_SKIPPED"], tuple(reasons.most_common())
    )


def next_task(tasks: Sequence[JSON], reason: str = "") -> JSON | None:
    """The open task to do next: the newest label set's first, since that is what the next model learns from."""
    found = [t for t in tasks if t["state"] == "STATE_OPEN" and reason in ("", t.get("reason", ""))]
    newest = max((task["createTime"] for task in found), default="")
    return next((task for task in found if task["createTime"] == newest), None)


def review_of(tasks: Sequence[JSON]) -> Review | None:
    """What people answered where a label stood before; None while nobody has."""
    pairs = [
        (task["proposedLabel"], task["label"])
        for task in tasks
        if task["state"] == "STATE_DONE" and task.get("proposedLabel") and task.get("label")
    ]
    if not pairs:
        return None
    names = tuple(sorted({name for pair in pairs for name in pair}))
    counted = Counter(pairs)
    table = tuple(tuple(counted[before, after] for after in names) for before in names)
    agreed = sum(counted[name, name] for name in names) / len(pairs)
    return Review(names, table, len(pairs), agreed, kappa(table))


def kappa(table: Sequence[Sequence[int]]) -> float | None:
    """Cohen's kappa of a confusion table: (observed - chance) / (1 - chance)."""
    total = sum(map(sum, table))
    observed = sum(row[i] for i, row in enumerate(table)) / total
    columns = [sum(row[i] for row in table) for i in range(len(table))]
    chance = sum(sum(row) * column for row, column in zip(table, columns, strict=True)) / total**2
    return None if chance == 1 else (observed - chance) / (1 - chance)
