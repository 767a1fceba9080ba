"""Sample order and learning rate of a run: pure functions of recipe, seed and position."""

import hashlib
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import overload

from ratoon_training.domain.optimization import Schedule
from ratoon_training.domain.recipes import Recipe

_BUCKETS = 256
WINDOW = 8
"""Batches whose samples are sorted by length together, so that little is padded and much stays shuffled."""
SIGNIFICANT = 0.005
"""Validation loss must fall by this share of the best so far, or macro-F1 rise by so much, to count as a gain."""
LOWERED = 0.5
"""Factor on the rate after an epoch that was worse than the one before."""


MIN_STEPS_WITHOUT_GAIN = 200
"""Steps without a gain after which a run at the earliest ends whose targets are shared by near numbers: such targets
differ little at first, and a model needs steps, not epochs, to distinguish texts."""
MIN_EPOCHS, MAX_EPOCHS = 3, 40
"""Bounds on the epochs that are chosen from the size of the data."""


def chosen_epochs(samples: int, shown: int) -> int:
    """Return the epochs that show `shown` samples of a training part of `samples`, within the bounds.

    Maximum of a run without `epochs`; it ends earlier without a gain.
    """
    return max(MIN_EPOCHS, min(MAX_EPOCHS, round(shown / max(1, samples))))


def scheduled_rate(recipe: Recipe, step: int, steps: int, peak: float) -> float:
    """Return the rate of a step (counted from 0) by the schedule of a recipe."""
    settings = recipe.optimization
    warmup = min(1.0, settings.warmup_steps / steps) or recipe.warmup
    return learning_rate(step, steps, peak, warmup, settings.schedule, settings.decay_share)


def learning_rate(
    step: int,
    steps: int,
    peak: float,
    warmup: float,
    schedule: Schedule = Schedule.COSINE,
    decay_share: float = 0.2,
) -> float:
    """Return the rate of a step (counted from 0): linear warm-up over a share of the steps, then the schedule.

    The schedules are those of transformers' `get_scheduler`, whose warm-up begins with a step at the rate 0.
    """
    rising = max(1, round(steps * warmup))
    if step < rising:
        return peak * (step + 1) / rising
    done = (step - rising) / max(1, steps - rising)
    match schedule:
        case Schedule.CONSTANT:
            return peak
        case Schedule.LINEAR:
            return peak * (1 - done)
        case Schedule.WARMUP_STABLE_DECAY:
            falling = min(steps - rising, max(1, round(steps * decay_share)))
            return peak * min(1.0, (steps - step) / falling)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


def order_key(seed: int, epoch: int, record_id: str) -> bytes:
    """Return the sort key of a record in an epoch, which does not depend on the other records."""
    return hashlib.sha256(f"{seed}:{epoch}:{record_id}".encode()).digest()


class Epoch(Sequence[list[int]]):
    """The samples of each step of an epoch, as indices: shuffled, then sorted by length within windows of batches.

    A function of (seed, epoch, record ids, lengths) alone: the same on every worker and after every restart. It takes
    four bytes of memory a sample; the batches of a window are made when one of them is read.
    """

    def __init__(
        self, record_ids: Sequence[str], lengths: Sequence[int], seed: int, epoch: int, batch_size: int
    ) -> None:
        self._record_ids, self._lengths = record_ids, lengths
        self._seed, self._epoch, self._batch_size = seed, epoch, batch_size
        self._order = self._shuffled()
        self._window: tuple[int, list[list[int]]] = (-1, [])

    @overload
    def __getitem__(self, at: int) -> list[int]: ...
    @overload
    def __getitem__(self, at: slice) -> list[list[int]]: ...
    def __getitem__(self, at: int | slice) -> list[int] | list[list[int]]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        if not 0 <= at < len(self):
            raise IndexError(at)
        number, place = divmod(at, WINDOW)
        if self._window[0] != number:
            self._window = number, self._batches(number * WINDOW * self._batch_size)
        return self._window[1][place]

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch_size)

    def _key(self, index: int) -> bytes:
        return order_key(self._seed, self._epoch, self._record_ids[index])

    def _shuffled(self) -> "array[int]":
        """Return the indices in the order of their keys, of equal ones by index.

        They are sorted in buckets of the first byte by the first eight bytes, which are kept meanwhile.
        """
        starts, sizes = array("Q"), [0] * (_BUCKETS + 1)
        for record_id in self._record_ids:
            start = int.from_bytes(order_key(self._seed, self._epoch, record_id)[:8])
            starts.append(start)
            sizes[(start >> 56) + 1] += 1
        ends = list(accumulate(sizes))
        order, places = array("i", bytes(4 * len(starts))), list(ends)
        for index, start in enumerate(starts):
            order[places[start >> 56]] = index
            places[start >> 56] += 1
        for begin, end in pairwise(ends):
            bucket = sorted(order[begin:end], key=starts.__getitem__)
            if any(starts[first] == starts[second] for first, second in pairwise(bucket)):
                bucket.sort(key=self._key)
            order[begin:end] = array("i", bucket)
        return order

    def _batches(self, begin: int) -> list[list[int]]:
        """Return the batches of the window that begins here."""
        size, lengths = self._batch_size, self._lengths
        indices = self._order[begin : begin + WINDOW * size]
        keys = {index: self._key(index) for index in indices}
        window = sorted(indices, key=lambda index: (lengths[index], keys[index]))
        cut = [window[at : at + size] for at in range(0, len(window), size)]
        return sorted(cut, key=lambda batch: keys[batch[0]])


def batches(
    record_ids: Sequence[str], lengths: Sequence[int], seed: int, epoch: int, batch_size: int
) -> list[list[int]]:
    """Return all steps of an epoch (see `Epoch`)."""
    return list(Epoch(record_ids, lengths, seed, epoch, batch_size))


@dataclass(frozen=True)
class Verdict:
    """Verdict of the validations so far: the factor on the learning rate, and whether to stop."""

    rate_factor: float = 1.0
    stop: bool = False
    best: int = 0
    """The epoch whose weights are stored, counted from 0."""


def judge(losses: Sequence[float], scores: Sequence[float], patience: int) -> Verdict:
    """Each epoch's validation against the previous: worse lowers the rate; `patience` epochs without a gain stop.

    A gain is a loss that is significantly lower, or a score that is significantly higher, than in all epochs before.

    The best epoch is the one of the highest score, which is what a gate will ask for; of equals the one of the lowest
    loss: a model that grows surer of its few errors loses by the loss and may gain by the score.
    """
    factor, lowest, since = 1.0, 0, 0
    for epoch in range(1, len(losses)):
        if losses[epoch] > losses[epoch - 1]:
            factor *= LOWERED
        higher = scores[epoch] >= max(scores[:epoch]) + SIGNIFICANT
        gained = higher or losses[epoch] < losses[lowest] * (1 - SIGNIFICANT)
        since = 0 if gained else since + 1
        if losses[epoch] < losses[lowest]:
            lowest = epoch
    best = max(range(len(losses)), key=lambda epoch: (scores[epoch], -losses[epoch]), default=0)
    return Verdict(factor, since >= patience > 0, best)


def epochs_without_gain(patience: int, steps: int) -> int:
    """Return after how many epochs of so many steps without a gain a run ends: a few steps decide nothing; 0: never."""
    return max(patience, -(-MIN_STEPS_WITHOUT_GAIN // max(1, steps))) if patience else 0


def published_epoch(best: int, scores: Sequence[float], error: float) -> int:
    """Return the epoch whose weights a run publishes that came to its planned end, counted from 0.

    The last epoch has the lowest learning rate. It is published unless it scores worse than the best by more than one
    standard `error`: on a validation part of some fifty records a single one decides which epoch scores best.
    """
    return len(scores) - 1 if scores and scores[-1] >= scores[best] - error else best
