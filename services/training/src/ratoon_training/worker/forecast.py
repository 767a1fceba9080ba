"""Forecast of a run by a dry run: memory and duration, before the first step and without a trace in the result.

The dry run computes the gradients of the longest batch, which decides about memory, and of typical ones, which decide
about time, and discards them. It needs a worker that holds the whole model, and a session whose steps only compute:
GRPO writes texts in a step. Other runs have no forecast.
"""

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
_TENSOR_S = 2e-5
"""Seconds that clipping and a step of the optimizer take for each tensor, however small."""
_BYTES_A_SECOND = 6e9
"""Memory that an optimizer reads and writes a second on a CPU."""
_TIMED_VALIDATION = 8.0
"""Duration of a validation, as a multiple of a step's, up to which it is timed instead of estimated."""
_WRITTEN_A_SECOND = 3e8
_SYNC_S = 0.03
"""Seconds until the weights of an epoch are durable, in addition to their writing."""
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
    batches = _batches(session)
    cells = [_cells(session, batch) for batch in batches]
    longest = max(range(len(batches)), key=cells.__getitem__)
    base, peak = _memory_of(session, batches[longest])
    typical = batches[sorted(range(len(batches)), key=cells.__getitem__)[len(batches) // 2]]
    seconds = _seconds(session, typical, sum(cells) / len(cells))
    optimizer_bytes = state_bytes(session)
    weights = distinct_bytes(session.trainable.values())
    copied = weights * (2 if session.recipe.averaging else 1) + optimizer_bytes
    copies = copied if seconds >= every_s and session.context.device.type == "cpu" else 0
    # A copy, and the bytes of the file that is written from it.
    step_peak = peak + optimizer_bytes + 2 * copies
    written = base + optimizer_bytes + 2 * copies + weights
    return Predicted(
        memory_bytes=max(step_peak, written),
        seconds=seconds,
        tokens=float(session.remaining_tokens()),
        steps=session.steps,
        rows=len(batches[longest]),
        longest=max(session.units.lengths[unit] for unit in batches[longest]),
    )


def _batches(session: Session) -> list[list[int]]:
    units, recipe = session.units, session.recipe
    return schedule.batches(units.record_ids, units.lengths, recipe.seed, 0, recipe.batch_size)


def _cells(session: Session, batch: Sequence[int]) -> int:
    """Return the tokens of a batch with its padding; a packed one has none."""
    lengths = [session.units.lengths[unit] for unit in batch]
    return sum(lengths) if session.recipe.packed else len(lengths) * max(lengths)


def _memory_of(session: Session, batch: list[int]) -> tuple[int, int]:
    """Return the memory before a batch, and its peak while the gradients of the batch are computed."""
    device = session.context.device
    if device.type == "cuda":
        before = torch.cuda.memory_reserved(device)
        session.rehearse(batch)
        return before, int(torch.cuda.max_memory_reserved(device))
    before, earlier = peaks.resident_bytes(), peaks.peak_bytes()
    if not peaks.lower_peak():
        session.rehearse(batch)
        return before, peaks.process_peak_bytes()
    session.rehearse(batch)
    return before, max(peaks.peak_bytes(), earlier)


def _seconds(session: Session, batch: list[int], mean_cells: float) -> float:
    """Return the duration of all steps and validations, by that of a typical batch in each phase of the run."""
    recipe = session.recipe
    early = min(session.steps, round(recipe.language_model_epochs * session.per_epoch))
    first = early if recipe.language_model_weight else 0
    own_cells = _cells(session, batch)
    total = each = 0.0
    for start, steps in ((0, first), (first, session.steps - first)):
        if steps:
            each = _timed(session, batch, start) * mean_cells / own_cells
            total += steps * each
    epochs = -(-session.steps // session.per_epoch)
    validation = _VALIDATION_SHARE * sum(session.data.validation.lengths) / max(1.0, mean_cells) * each
    if validation <= each * _TIMED_VALIDATION:
        begun = time.monotonic()
        session.rehearse_validation()
        validation = time.monotonic() - begun
    written = distinct_bytes(session.trainable.values()) / _WRITTEN_A_SECOND + _SYNC_S
    return total + epochs * (validation + written) + session.steps * _optimizer_seconds(session)


def _timed(session: Session, batch: list[int], step: int) -> float:
    """Return the seconds of the gradients of a batch, as the step of this number computes them."""
    session.step = step
    try:
        begun = time.monotonic()
        session.rehearse(batch)
        if session.context.device.type == "cuda":
            torch.cuda.synchronize(session.context.device)
        return time.monotonic() - begun
    finally:
        session.step = 0


def _optimizer_seconds(session: Session) -> float:
    if session.context.device.type == "cuda":
        return 0.0
    moved = 2 * (distinct_bytes(session.trainable.values()) + state_bytes(session))
    return moved / _BYTES_A_SECOND + _TENSOR_S * len(session.trainable)


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
