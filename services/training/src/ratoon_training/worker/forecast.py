"""Forecast of a run by a dry run: memory and duration, before the first step and without a trace in the result.

The dry run computes whole steps at the rate 0, of the longest batch, which decides about memory, and of typical ones. A
line through their times by their tokens gives the time of the others; reading the data, the optimizer and a short
validation are timed, not guessed. It needs a worker that holds the whole model, and a session whose steps only compute:
GRPO writes texts in a step. Other runs have no forecast.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ratoon_training.domain import schedule
from ratoon_training.domain.optimization import Optimizer
from ratoon_training.domain.recipes import Objective
from ratoon_training.worker import models, peaks
from ratoon_training.worker.peaks import distinct_bytes
from ratoon_training.worker.session import Session

_MIN_STEPS = 8
"""Steps below which a dry run costs too large a share of a run."""
_VALIDATION_SHARE = 1 / 3
"""Work of a forward pass, as a share of a step's."""
_TIMED_VALIDATION = 8.0
"""Duration of a validation, as a multiple of a step's, up to which it is timed instead of estimated."""
_TIMED_SHARE = 0.04
"""Share of the duration of a run that its dry run may take beyond its first steps."""
_MAX_TIMED = 24
"""Maximum number of steps that are timed in each phase of a run."""
_WRITTEN_A_SECOND = 3e8
_SYNC_S = 0.03
"""Seconds until the weights of an epoch are durable, in addition to their writing."""
_GOLDEN = 0.618034
_COUNTS_AS = 0.1
"""Share of the steps of a run that count as much as its forecast, for the time that remains."""
_FLOAT32 = 4


@dataclass(frozen=True)
class Predicted:
    """Forecast of a run: peak memory in bytes, seconds from the first step to the last validation, and tokens."""

    memory_bytes: int
    seconds: float
    tokens: float
    steps: int
    rows: int
    """Samples of the longest batch."""
    longest: int
    """Tokens of its longest sample."""

    def metrics(self, steps: int) -> dict[str, float]:
        """Return the forecast as measurements of a run that took `steps` steps: it may end before its maximum."""
        share = steps / max(1, self.steps)
        return {
            "predicted_memory_bytes": float(self.memory_bytes),
            "predicted_training_seconds": self.seconds * share,
            "predicted_tokens_per_second": self.tokens / self.seconds if self.seconds else 0.0,
            "longest_batch_samples": float(self.rows),
            "longest_batch_tokens": float(self.longest),
        }

    def remaining_s(self, step: int, seconds: float) -> float:
        """Return the seconds to the end of a run that took `seconds` for `step` steps.

        The forecast counts as much as a tenth of the steps: what was measured corrects it more and more.
        """
        each = self.seconds / max(1, self.steps)
        weight = _COUNTS_AS * self.steps
        pace = (seconds + weight * each) / (step + weight)
        return pace * (self.steps - step)


class Forecast:
    """Forecast of one run, made when it begins to train."""

    def __init__(self, checkpoint_every_s: float) -> None:
        """`checkpoint_every_s` is the interval of checkpoints, which take memory for a copy."""
        self._every_s = checkpoint_every_s
        self.predicted: Predicted | None = None
        self.seconds = 0.0
        """Duration of the dry run."""

    def __call__(self, session: Session) -> None:
        """Make the forecast, unless the run is of another kind or goes on from a checkpoint."""
        alone = session.context.world_size == 1 and session.recipe.objective is not Objective.GRPO
        if session.context.device.type == "xla":
            # Its first steps compile: they say nothing of the others.
            return
        if not alone or not session.trains or session.step or session.steps < _MIN_STEPS:
            return
        begun = time.monotonic()
        self.predicted = _predicted(session, self._every_s)
        self.seconds = time.monotonic() - begun


def _predicted(session: Session, every_s: float) -> Predicted:
    begun = time.monotonic()
    batches = _batches(session)
    ordering_s = time.monotonic() - begun
    try:
        times = _StepTimes(session, batches)
        memory = _Memory(session)
        session.rehearse(times.longest)
        seconds = _seconds(session, times, ordering_s)
        base, peak = memory.before, memory.peak()
    finally:
        session.end_rehearsal()
    optimizer_bytes = state_bytes(session)
    weights = distinct_bytes(session.trainable.values())
    copied = weights * (2 if session.recipe.averaging else 1) + optimizer_bytes
    copies = copied if seconds >= every_s and session.context.device.type == "cpu" else 0
    # A copy, and the bytes of the file that is written from it.
    written = base + optimizer_bytes + 2 * copies + weights
    return Predicted(
        memory_bytes=max(peak + 2 * copies, written),
        seconds=seconds,
        tokens=float(session.remaining_tokens()),
        steps=session.steps,
        rows=len(times.longest),
        longest=max(session.units.lengths[unit] for unit in times.longest),
    )


def _batches(session: Session) -> list[list[int]]:
    units, recipe = session.units, session.recipe
    return schedule.batches(units.record_ids, units.lengths, recipe.seed, 0, recipe.batch_size)


def _cells(session: Session, batch: Sequence[int]) -> int:
    """Return the tokens of a batch with its padding; a packed one has none."""
    lengths = [session.units.lengths[unit] for unit in batch]
    return sum(lengths) if session.recipe.packed else len(lengths) * max(lengths)


class _Memory:
    """Highest memory while a dry run computes."""

    def __init__(self, session: Session) -> None:
        self._device = session.context.device
        if self._device.type == "cuda":
            self.before, self._earlier = torch.cuda.memory_reserved(self._device), 0
            return
        self.before, self._earlier = peaks.resident_bytes(), peaks.peak_bytes()
        self._is_lowered = peaks.lower_peak()

    def peak(self) -> int:
        """Return the highest memory since the start of the run."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_reserved(self._device))
        return max(peaks.peak_bytes(), self._earlier) if self._is_lowered else peaks.process_peak_bytes()


class _StepTimes:
    """Duration of steps by the tokens of their batches."""

    def __init__(self, session: Session, batches: Sequence[list[int]]) -> None:
        self._session = session
        self._ranked = sorted(batches, key=lambda batch: _cells(session, batch))
        self.mean_cells = sum(_cells(session, batch) for batch in batches) / len(batches)

    @property
    def longest(self) -> list[int]:
        """The batch with the most tokens."""
        return self._ranked[-1]

    def mean_s(self, start: int, steps: int) -> float:
        """Return the mean duration of the `steps` steps from step `start` on."""
        typical = self._ranked[len(self._ranked) // 2]
        samples = [self._fastest(typical, start), self._fastest(self.longest, start)]
        spent = 2 * sum(seconds for _, seconds in samples)
        while len(samples) < _MAX_TIMED:
            mean = line_at(samples, self.mean_cells)
            if spent + mean > _TIMED_SHARE * steps * mean:
                break
            # A golden section of the ranks meets short and long batches alike, whatever the number of samples.
            place = math.modf(_GOLDEN * len(samples))[0]
            samples.append(self._timed(self._ranked[int(place * len(self._ranked))], start))
            spent += samples[-1][1]
        return line_at(samples, self.mean_cells)

    def _fastest(self, batch: list[int], step: int) -> tuple[int, float]:
        """Return the tokens of a batch, and the lower seconds of two steps: an interruption lengthens one of them."""
        return min(self._timed(batch, step), self._timed(batch, step))

    def _timed(self, batch: list[int], step: int) -> tuple[int, float]:
        """Return the tokens of a batch, and the seconds of a step of it as the step of this number computes it."""
        session = self._session
        session.step = step
        try:
            begun = time.monotonic()
            session.rehearse(batch)
            return _cells(session, batch), time.monotonic() - begun
        finally:
            session.step = 0


def line_at(samples: Sequence[tuple[float, float]], place: float) -> float:
    """Return the value at a place of the line through samples (place, value) with the least squares.

    Neither its slope nor its value at 0 is negative.
    """
    count = len(samples)
    mean_x, mean_y = (sum(each[axis] for each in samples) / count for axis in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread if spread else 0.0
    slope = min(max(slope, 0.0), mean_y / mean_x if mean_x else 0.0)
    return mean_y + slope * (place - mean_x)


def _seconds(session: Session, times: _StepTimes, ordering_s: float) -> float:
    """Return the duration of all steps and validations, by that of some steps in each phase of the run."""
    recipe = session.recipe
    early = min(session.steps, round(recipe.language_model_epochs * session.per_epoch))
    first = early if recipe.language_model_weight else 0
    total = each = 0.0
    for start, steps in ((0, first), (first, session.steps - first)):
        if steps:
            each = times.mean_s(start, steps)
            total += steps * each
    epochs = -(-session.steps // session.per_epoch)
    validation = _VALIDATION_SHARE * sum(session.data.validation.lengths) / max(1.0, times.mean_cells) * each
    if validation <= max(each * _TIMED_VALIDATION, _TIMED_SHARE * total):
        begun = time.monotonic()
        session.rehearse_validation()
        validation = time.monotonic() - begun
    written = distinct_bytes(session.trainable.values()) / _WRITTEN_A_SECOND + _SYNC_S
    return total + epochs * (ordering_s + validation + written)


def state_bytes(session: Session) -> int:
    """Return the bytes that the optimizer will hold."""
    settings = session.recipe.optimization
    trained = list(session.trainable.values())
    states = settings.optimizer.states(settings.momentum)
    held: int = states * sum(each.numel() for each in trained)
    if settings.optimizer is Optimizer.MUON:
        ends = models.embeddings(session.core)
        held += sum(each.numel() for each in trained if each.ndim != 2 or id(each) in ends)
    return _FLOAT32 * held
