"""Curves of a run: one row per step, one per epoch; exact rows in the result, times in separate files.

The rows that go into the artifact are functions of the run's inputs, so that a resumed run gives the same bytes;
times of the day, seconds and tokens a second go to `curve.jsonl` in the job folder and to the run's metrics.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratoon_training.domain.diagnosis import Diagnosis, diagnose
from ratoon_training.worker.scores import DECISIVE_SCORES, LABEL_SCORES, comparable

STEP_COLUMNS = ("step", "loss", "answer_loss", "language_loss", "gradient_norm", "learning_rate", "tokens")
TOKENS = STEP_COLUMNS.index("tokens")
"""Place of the number of tokens in the row of a step."""
EPOCH_COLUMNS = ("epoch", "step")
"""Begin the rows of validation; `scores` names the others, the loss first."""


@dataclass
class Curves:
    """Rows so far."""

    steps: list[list[float]] = field(default_factory=list)
    epochs: list[list[float]] = field(default_factory=list)
    scores: tuple[str, ...] = LABEL_SCORES
    """Names of the scores of validation."""
    measures: tuple[str, ...] = ()
    """Names of what the row of a step holds after STEP_COLUMNS."""
    selection: str = ""
    """Score by which epochs are compared; empty: the first of DECISIVE_SCORES, `loss`: the loss alone."""

    @property
    def validation_losses(self) -> list[float]:
        """The validation loss of each epoch."""
        return [row[2] for row in self.epochs]

    @property
    def validation_scores(self) -> list[float]:
        """Return the score of each epoch by which epochs are compared, higher if better; none: by the loss alone."""
        decisive = self.decisive
        if not decisive:
            return []
        place = len(EPOCH_COLUMNS) + self.scores.index(decisive)
        return [comparable(decisive, row[place]) for row in self.epochs]

    @property
    def decisive(self) -> str:
        """Name of the score by which epochs are compared; empty: the loss alone."""
        if self.selection in self.scores:
            return "" if self.selection == self.scores[0] else self.selection
        return next((name for name in self.scores if name in DECISIVE_SCORES), "")

    @property
    def step_columns(self) -> tuple[str, ...]:
        """Names of the values of a step's row."""
        return (*STEP_COLUMNS, *self.measures)

    @property
    def validation(self) -> dict[str, float]:
        """Scores of the last validation by name; none before the first."""
        last = self.epochs[-1][len(EPOCH_COLUMNS) :] if self.epochs else []
        return {f"validation_{name}": value for name, value in zip(self.scores, last, strict=False)}

    def diagnosis(self, dead_units: float = 0.0) -> Diagnosis:
        """Return the diagnosis of the rows. Losses are compared by the answer's, which every epoch has.

        `dead_units` is the share of units without an activation.
        """
        losses, norms = [row[2] for row in self.steps], [row[4] for row in self.steps]
        return diagnose(losses, norms, self.validation_losses, dead_units)

    def as_json(self) -> dict[str, Any]:
        """Columns and rows."""
        return {
            "steps": {"columns": list(self.step_columns), "rows": self.steps},
            "epochs": {"columns": [*EPOCH_COLUMNS, *self.scores], "rows": self.epochs},
        }


class CurveFile:
    """The live curve of a job: JSON lines, cut back to where an attempt resumes."""

    def __init__(self, path: Path) -> None:
        self._sink = path.open("a")

    def step(
        self, row: list[float], columns: tuple[str, ...], seconds: float, tokens_per_second: float
    ) -> None:
        """A step with the names of its values, and how long the attempt has been training."""
        named = dict(zip(columns, map(_plain, row), strict=True))
        self._write({**named, "seconds": round(seconds, 3), "tokens_per_second": round(tokens_per_second)})

    def epoch(self, row: list[float], scores: tuple[str, ...]) -> None:
        """An epoch's validation; `scores` names its numbers after epoch and step."""
        self._write({"validation": dict(zip((*EPOCH_COLUMNS, *scores), map(_plain, row), strict=True))})

    def close(self) -> None:
        """Close the file."""
        self._sink.close()

    def _write(self, row: dict[str, Any]) -> None:
        self._sink.write(json.dumps(row) + "\n")
        self._sink.flush()


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
