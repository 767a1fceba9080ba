"""Measurements of earlier runs that correct the next plans, for each kind of run.

A kind of run is what its memory and its speed depend on: the shape of the model, the method, the number format, the
batch and the resources. The newest measurements count, by their median.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median

from ratoon_training.domain.recipes import Recipe, Resources
from ratoon_training.domain.shapes import ModelShape

MAX_PRIOR_RUNS = 9
"""Maximum number of runs of one kind whose measurements count."""
_SAFETY = 1.05
"""Factor on a corrected requirement: runs of one kind differ by their data."""


@dataclass(frozen=True)
class Measured:
    """Measurements of one run."""

    process_bytes: int
    """Memory of the worker before it had a model."""
    memory_ratio: float
    """Peak memory beyond the process, as a multiple of what the model says for the longest batch of the run."""
    tokens_per_second: float
    """Tokens of the training part a second, validations included."""
    overhead_s: float = 0.0
    """Seconds of the run before its first step and after its last validation."""
    longest_tokens: int = 0
    """Tokens of the longest sample of a batch; 0: not known."""


@dataclass(frozen=True)
class PriorRuns:
    """Measurements of the newest runs of one kind."""

    measured: tuple[Measured, ...] = ()

    @property
    def runs(self) -> int:
        """Number of runs that were measured."""
        return len(self.measured)

    @property
    def process_bytes(self) -> int:
        """Memory of a worker before it has a model, in bytes."""
        return round(self._median([each.process_bytes for each in self.measured]))

    @property
    def memory_ratio(self) -> float:
        """Median of the corrections of the model of memory."""
        return self._median([each.memory_ratio for each in self.measured])

    @property
    def tokens_per_second(self) -> float:
        """Median speed."""
        return self._median([each.tokens_per_second for each in self.measured])

    @property
    def overhead_s(self) -> float:
        """Median of the seconds outside the training."""
        return self._median([each.overhead_s for each in self.measured])

    @property
    def longest_tokens(self) -> int:
        """Tokens of the longest sample of all these runs; 0: not known."""
        return max((each.longest_tokens for each in self.measured), default=0)

    def with_run(self, measured: Measured) -> "PriorRuns":
        """Return the measurements with those of one more run."""
        return replace(self, measured=(*self.measured, measured)[-MAX_PRIOR_RUNS:])

    def corrected(self, needs: int, process_bytes: int) -> int:
        """Return a requirement of the model, of which `process_bytes` are the process, as runs were measured.

        The highest of the measurements counts here: an admitted run must fit.
        """
        if not self.measured:
            return needs
        own = max(each.process_bytes for each in self.measured)
        ratio = max(each.memory_ratio for each in self.measured)
        return round(_SAFETY * (own + ratio * max(0, needs - process_bytes)))

    @staticmethod
    def _median(values: Sequence[float]) -> float:
        return float(median(values)) if values else 0.0


def kind_of(recipe: Recipe, resources: Resources, shape: ModelShape | None = None) -> str:
    """Return the key of a kind of run, 32 hexadecimal digits."""
    known = asdict(shape) if shape is not None else asdict(recipe.architecture)
    settings = {
        "shape": known if recipe.neural is None else asdict(recipe.neural),
        "classical": recipe.classical is not None,
        "method": recipe.method.value,
        "objective": recipe.objective.value,
        "texts": recipe.task is not None,
        "dtype": recipe.dtype.value,
        "batch_size": recipe.batch_size,
        "parts": recipe.gradient_accumulation,
        "recomputed": recipe.gradient_checkpointing,
        "packed": recipe.packed,
        # What is cut elsewhere has other longest samples, of which earlier runs say nothing.
        "lengths": [recipe.max_chars, recipe.prompt_tokens, recipe.max_tokens],
        "averaged": bool(recipe.averaging),
        "rank": recipe.lora_rank if recipe.method.adapts else 0,
        "optimizer": recipe.optimization.optimizer.value,
        "accelerator": resources.accelerator.value,
        "workers": resources.workers,
        "threads": resources.threads,
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:32]
