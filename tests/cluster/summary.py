"""Summary of a run on a real cluster: one line per step, with its seconds and the outcome of its requests."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_HEAD = ("step", "seconds", "sent", "failed", "cut", "excused", "misattributed")


@dataclass
class Step:
    """One step. Requests that had to end, because their own engine was killed, are excused and counted separately."""

    name: str
    seconds: float = 0.0
    sent: int = 0
    failed: int = 0
    cut: int = 0
    excused: int = 0
    misattributed: int = 0
    ended: str = "did not end"

    def row(self) -> tuple[str, ...]:
        """As the table shows it."""
        counts = (self.sent, self.failed, self.cut, self.excused, self.misattributed)
        return (self.name, f"{self.seconds:.1f}", *(str(each) if self.sent else "" for each in counts))


@dataclass
class Summary:
    """The steps of a run, in their order."""

    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step; it is in the table whether it succeeds or not."""
        step = Step(name)
        self.steps.append(step)
        started = time.monotonic()
        try:
            yield step
            step.ended = "ok"
        except BaseException as error:
            step.ended = type(error).__name__
            raise
        finally:
            step.seconds = time.monotonic() - started

    def table(self) -> list[str]:
        """The lines of the table."""
        rows = [_HEAD, *(each.row() for each in self.steps)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
        lines = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows
        ]
        return [
            lines[0],
            *(f"{line}  {each.ended}" for line, each in zip(lines[1:], self.steps, strict=True)),
        ]
