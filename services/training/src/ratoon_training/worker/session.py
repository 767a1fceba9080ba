"""The training loop of one run on one worker: steps, validation, checkpoints, and stopping within a step.

Everything that decides a bit of the result is a function of the task and the position: the sample order, the rate,
and torch's seed, which is set at each step from (seed, step, rank). So a checkpoint is weights, optimiser and
position, and a run that resumes ends with the bits of one that was never interrupted.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ratoon_training.domain import schedule
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.errors import LossNotFinite, Stopped
from ratoon_training.domain.recipes import Method, Recipe
from ratoon_training.worker import (
    balance,
    divided,
    forward,
    growth,
    models,
    objective,
    optimizers,
    sharding,
)
from ratoon_training.worker.ahead import Ahead
from ratoon_training.worker.checkpoints import Checkpoint, Checkpoints
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Batch, Corpus, Packed, located, pinned
from ratoon_training.worker.curves import Curves
from ratoon_training.worker.numbers import SQUARED, shared_targets
from ratoon_training.worker.objective import SharedTargets
from ratoon_training.worker.reporting import ProgressReporter
from ratoon_training.worker.scores import (
    LABEL_SCORES,
    NUMBER_SCORES,
    TEXT_SCORES,
    macro_f1,
    number_scores,
    perplexity,
    standard_error,
)

Result = TypeVar("Result")
_VALIDATION_ROWS = 64
_REQUESTS = 3
"""Requests that a step carries from the leading worker to all: stop, finish, save."""
_WHOLE = "whole"
"""Name of the weights to publish among the checkpoints, in parts."""
_CLIP_EPSILON = 1e-6
"""What torch adds to a norm before it divides by it."""


@dataclass(frozen=True)
class Data:
    """The two parts of a run's split."""

    train: Corpus
    validation: Corpus


@dataclass(frozen=True)
class Units:
    """The units of a part that a step draws: of supervised fine-tuning its samples."""

    record_ids: Sequence[str]
    lengths: Sequence[int]

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True)
class Part:
    """Samples that a worker computes at once; they do not count if only the other workers of its group have a part."""

    batch: Batch | Packed
    samples: int
    counts: bool = True


@dataclass(frozen=True)
class Drawn:
    """Samples of a step, with tokens left out, and what their sums of losses are divided by (see `Corpus.norms`).

    `share` are the places of this worker's samples among them, and `parts` are these samples as tensors of the CPU.
    """

    samples: Corpus
    norms: tuple[float, float]
    tokens: int
    share: list[int]
    parts: list[Part]


@dataclass(frozen=True)
class Learned:
    """A step's gradients are computed: measurements of this worker, whose sums over workers count, and all tokens."""

    numbers: list[Tensor]
    tokens: int


class Session:
    """One run's training on one worker."""

    def __init__(self, recipe: Recipe, model: Any, data: Data, context: WorkerContext) -> None:
        self.recipe, self.data, self.context = recipe, data, context
        self.model, self.core = model, models.core(model)
        self.workers = context.world_size
        self._shards = sharding.of(model)
        self.trainable = _trained(model) if self._shards is None else self._shards.trainable
        self.optimiser = optimizers.build(self.trainable, recipe, models.embeddings(self.core))
        self._growth = growth.of(self.model)
        self._balance = balance.of(self.core) if not recipe.method.adapts else None
        self.curves, self.step = self._curves(), 0
        self._shared = _shared_targets(recipe, data.train, context.device)
        self.units = self._units(data.train)
        self.per_epoch = -(-len(self.units) // recipe.batch_size)
        epochs = recipe.epochs or schedule.chosen_epochs(
            len(self.units), recipe.method.defaults.samples_shown
        )
        self.trains = recipe.method is not Method.MERGE
        self._epoch_tokens = int(np.asarray(data.train.lengths, dtype=np.int64).sum())
        self.steps = self._affordable(max(1, round(self.per_epoch * epochs))) if self.trains else 0
        self._average = {name: p.detach().clone() for name, p in self.trainable.items() if recipe.averaging}
        self._ahead = Ahead[tuple[int, list[int]], Drawn]()
        self._epoch = -1
        self._plan: Sequence[list[int]] = ()
        self.dead_units = 0.0
        """Share of units without an activation at the end."""
        self._not_finite = False
        self._finishes, self._save_now = False, False
        self._writes_by: dict[str, tuple[int, ...]] = {}
        self.published_epoch = 0
        """Epoch whose weights are published, counted from 1; 0 before the end."""

    def _affordable(self, steps: int) -> int:
        """Return the steps that the token budget allows, at least one."""
        budget, tokens = self.recipe.optimization.token_budget, self._epoch_tokens
        if not budget or not tokens:
            return steps
        return max(1, min(steps, round(self.per_epoch * budget / tokens)))

    @property
    def parameter_count(self) -> int:
        """Number of all weights, including frozen ones."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def run(self, checkpoints: Checkpoints, every_s: float, reporter: ProgressReporter) -> None:
        """Train from the last checkpoint to the end; the model then has the weights to publish."""
        if self._shards is not None:
            checkpoints.divide(self.context.rank, self.context.world_size)
            self._writes_by = self._shards.stored()
        if (checkpoint := checkpoints.latest()) is not None:
            self._restore(checkpoint)
        reporter.begin(self)
        try:
            self._train(checkpoints, every_s, reporter)
        finally:
            self._ahead.close()
        if not self.trains:
            self.curves.epochs.append(self._validate())
        checkpoints.wait()
        if self._shards is not None:
            self.context.wait_for_workers()
        self._take_best(checkpoints)

    def _train(self, checkpoints: Checkpoints, every_s: float, reporter: ProgressReporter) -> None:
        """Take the steps that are left."""
        saved = time.monotonic()
        while self.step < self.steps and not self._verdict().stop:
            self._save_now = self.context.leads and time.monotonic() - saved >= every_s
            self._guarded_step(checkpoints, reporter)
            if self.step % self.per_epoch == 0 or self.step == self.steps or self._finishes:
                self._end_epoch(checkpoints, reporter)
            if self._finishes:
                break
            if self._saves(self._save_now):
                self._save_step(checkpoints)
                saved = time.monotonic()

    def train_step(self, rate: float, *, stop: bool = False, finish: bool = False) -> list[float]:
        """Train one step at this rate; return the curve's row. Stopped if any worker stops, before weights change.

        It is the last step of all workers if it has to `finish` on any of them.
        """
        learned = self._learn(self._batch(self.step))
        requests = [stop, finish, self._save_now]
        alone = self.workers == 1
        messages = [] if alone else list(learned.numbers[0].new_tensor(requests))
        sums = self._reduce([*learned.numbers, *messages])
        if self.recipe.optimization.l1:
            optimizers.penalise(self.trainable, self.recipe.optimization.l1)
        if self._growth is not None:
            self._growth.mask()
        gradient = self._clipped(sums)
        # One wait for a GPU, not one for each number.
        *measured, norm = torch.stack([*sums, gradient]).tolist()
        if not alone:
            measured, requests = measured[:-_REQUESTS], [bool(each) for each in measured[-_REQUESTS:]]
        stopping, self._finishes, self._save_now = requests
        if stopping:
            raise Stopped(f"Stopped on request after {self.step} of {self.steps} steps.")
        loss, answer, language, *measures = self._losses(measured)
        if not math.isfinite(loss) or not math.isfinite(norm):
            self._not_finite = True
            raise LossNotFinite(
                f"The loss is {loss:g} at step {self.step} (rate {rate:g}): "
                f"lower recipe.learning_rate, or let recipe.sweep lr-procedure find one."
            )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._move_average()
        self.step += 1
        return [self.step, loss, answer, language, norm, rate, learned.tokens, *measures]

    def _curves(self) -> Curves:
        """Return empty curves, with the names of what this session measures."""
        part = self.data.validation
        scores = LABEL_SCORES if part.has_labels else NUMBER_SCORES if part.has_numbers else TEXT_SCORES
        return Curves(scores=scores, selection=self.recipe.selection)

    def _units(self, part: Corpus) -> Units:
        """Return what a step draws of a part."""
        return Units(part.record_ids, part.lengths)

    def _learn(self, indices: list[int]) -> Learned:
        """Compute the gradients of this worker's share of a step."""
        drawn = self._ahead.take((self.step, indices), self._drawn_at)
        following = self.step + 1
        if following < self.steps and following % self.per_epoch:
            self._ahead.begin((following, self._batch(following)), self._drawn_at)
        self.context.seed(_step_seed(self.recipe.seed, self.step, self.context.data_rank))
        answer_sum, language_sum = self._backward(drawn, self._language_weight(self.step))
        return Learned([answer_sum / drawn.norms[0], language_sum / drawn.norms[1]], drawn.tokens)

    def _drawn_at(self, step_and_units: tuple[int, list[int]]) -> Drawn:
        """Return the samples of a step of this number: a function of the recipe and of the numbers alone."""
        step, indices = step_and_units
        # The language model learns from whole texts; a classifier alone learns not to lean on single tokens.
        dropout = 0.0 if self._language_weight(step) else self.recipe.token_dropout
        samples = self.data.train.thinned(indices, dropout, self.recipe.seed, step)
        every = list(range(len(samples)))
        share = self.context.share(every)
        tokens = sum(samples.tokens_of(every))
        return Drawn(samples, samples.norms(), tokens, share, self._parts(samples, share))

    def _parts(self, samples: Corpus, share: list[int]) -> list[Part]:
        """Return a share of samples as the tensors that are computed at once."""
        parts = self._equal_parts(len(samples), share)
        return [Part(self._tensors_of(samples, part), len(part), counts) for part, counts in parts]

    def _tensors_of(self, samples: Corpus, part: list[int]) -> Batch | Packed:
        if self.recipe.packed:
            packed = located(samples.packed(part))
            return pinned(packed) if self.context.device.type == "cuda" else packed
        batch = located(samples.batch(part))
        return pinned(batch) if self.context.device.type == "cuda" else batch

    def _losses(self, measured: list[float]) -> list[float]:
        """Return the loss of a step, of its answers, of its texts, and what else its row holds."""
        answer, language = measured
        return [answer + self._language_weight(self.step) * language, answer, language]

    def rehearse(self, indices: list[int]) -> None:
        """Compute a step of these units at the rate 0: no weight changes. `end_rehearsal` discards the moments."""
        learned = self._learn(indices)
        if self.recipe.optimization.l1:
            optimizers.penalise(self.trainable, self.recipe.optimization.l1)
        if self._growth is not None:
            self._growth.mask()
        norm = float(self._clipped(learned.numbers))
        # Zero times a number that is not finite would change weights.
        if math.isfinite(norm):
            for group in self.optimiser.param_groups:
                group["lr"] = 0.0
            self.optimiser.step()
            self._move_average()
        self.optimiser.zero_grad(set_to_none=True)

    def end_rehearsal(self) -> None:
        """Discard what the optimizer holds of rehearsed steps."""
        optimizers.forget(self.optimiser)

    def rehearse_validation(self) -> None:
        """Compute the scores of the validation part and discard them."""
        self._validate()

    def diagnosis(self) -> Diagnosis:
        """Return the diagnosis of the run so far."""
        curves = self.curves
        if self._not_finite:
            curves = replace(curves, steps=[*curves.steps, _not_finite(self.step + 1)])
        return curves.diagnosis(self.dead_units)

    def take_last_good(self, checkpoints: Checkpoints) -> bool:
        """Take the weights of the best epoch, else those of the last checkpoint; False if neither has finite ones."""
        best = checkpoints.named(_best_name(self._verdict().best)) if self.curves.epochs else None
        latest = checkpoints.latest() if best is None else None
        if best is not None:
            weights = self._own(best.tensors)
        elif latest is not None and int(latest.state["step"]):
            weights = self._own(latest.tensors, "weight.")
        else:
            return False
        wrong = float(sum(not bool(torch.isfinite(weight).all()) for weight in weights.values()))
        if self._shards is not None:
            # Workers whose own parts are finite give them up with the others.
            wrong = float(
                self.context.sum_of_workers(torch.tensor([float(wrong)], device=self.context.device))[0]
            )
        if wrong:
            return False
        with torch.no_grad():
            for name, stored in weights.items():
                self.trainable[name].copy_(stored)
        return True

    def measured(self) -> dict[str, float]:
        """Return what this kind of session measures in addition, by the name of the metric."""
        return {}

    def memory_bytes(self) -> int:
        """Return the memory of this worker: of a GPU what its tensors hold, else the resident memory of the process."""
        if self.context.device.type == "cuda":
            return int(torch.cuda.memory_allocated(self.context.device))
        resident = int(Path("/proc/self/statm").read_text().split()[1])
        return resident * os.sysconf("SC_PAGE_SIZE")

    def remaining_tokens(self) -> int:
        """Tokens of the steps to come, about."""
        return round(self._epoch_tokens / self.per_epoch * (self.steps - self.step))

    def _guarded_step(self, checkpoints: Checkpoints, reporter: ProgressReporter) -> None:
        peak = self.recipe.learning_rate * self._verdict().rate_factor
        rate = schedule.scheduled_rate(self.recipe, self.step, self.steps, peak)
        try:
            stop = self.context.leads and reporter.stop_requested()
            finish = self.context.leads and reporter.finish_requested()
            row = self.train_step(rate, stop=stop, finish=finish)
        except Stopped:
            if self._saves(True):
                self._save_step(checkpoints)
                checkpoints.wait()
            raise
        self.curves.steps.append(row)
        reporter.step(self, row)

    def _move_average(self) -> None:
        """Move the average of the weights towards them; early steps count more, so that the start is forgotten."""
        if not self._average:
            return
        decay = min(self.recipe.averaging, (1 + self.step) / (10 + self.step))
        averages = list(self._average.values())
        weights = list(self.trainable.values())
        with torch.no_grad():
            if self.context.device.type == "cuda":
                # One operation for all: a GPU's time goes into starting them.
                get_ema_multi_avg_fn(decay)(averages, weights, self.step)
                return
            for average, weight in zip(averages, weights, strict=True):
                average.lerp_(weight, 1 - decay)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Give the model the averaged weights inside the context."""
        if self._shards is not None:
            # A module sees its part through memory that it shares.
            self._exchange(self._average)
            try:
                yield
            finally:
                self._exchange(self._average)
            return
        live = {name: self.trainable[name].data for name in self._average}
        for name, average in self._average.items():
            self.trainable[name].data = average
        try:
            yield
        finally:
            for name, weights in live.items():
                self.trainable[name].data = weights

    def _exchange(self, others: Mapping[str, Tensor]) -> None:
        """Exchange weights and others of the same names, in the memory of each."""
        with torch.no_grad():
            for name, other in others.items():
                live = self.trainable[name].detach().clone()
                self.trainable[name].copy_(other)
                other.copy_(live)

    def _backward(self, drawn: Drawn, weight: float) -> tuple[Tensor, Tensor]:
        """Gradients of this worker's part of the batch, scaled so that their sum over workers is the batch's."""
        if not drawn.share and self._shards is None:
            nothing = self._no_gradients()
            return nothing, nothing
        norms = drawn.norms
        answer = language = torch.zeros((), device=self.context.device)
        for part in drawn.parts:
            batch = part.batch.to(self.context.device)
            smoothing = self.recipe.label_smoothing

            with self.context.precision(self.recipe.dtype):
                sums = self._computed(
                    partial(
                        objective.losses,
                        self.core,
                        batch,
                        language=weight > 0,
                        smoothing=smoothing,
                        shared=self._shared,
                    )
                )
            loss = sums.answer / norms[0] + weight * sums.language / norms[1]
            if self._balance is not None:
                loss = loss + part.samples / len(drawn.samples) * self._balance.loss(batch)
            (loss if part.counts else 0.0 * loss).backward()
            if part.counts:
                answer, language = answer + sums.answer.detach(), language + sums.language.detach()
        return answer, language

    def _equal_parts(
        self, count: int, share: list[int], repeated: int = 0
    ) -> Iterator[tuple[list[int], bool]]:
        """Yield the parts of a share of `count` samples, and whether they count.

        Workers that divide the weights compute equally many: one that has fewer takes the sample `repeated`, which does
        not count.
        """
        parts = parts_of(share, self.recipe.gradient_accumulation) if share else []
        yield from ((part, True) for part in parts)
        if self._shards is None:
            return
        sizes = (len(range(at, count, self.context.data_size)) for at in range(self.context.data_size))
        counts = [
            len(parts_of(list(range(size)), self.recipe.gradient_accumulation)) for size in sizes if size
        ]
        yield from (([repeated], False) for _ in range(max(counts) - len(parts)))

    def _no_gradients(self) -> Tensor:
        """Set all gradients to 0, and return 0: this worker has no part of the step."""
        for parameter in self.trainable.values():
            parameter.grad = torch.zeros_like(parameter)
        return torch.zeros((), device=self.context.device)

    def _reduce(self, numbers: list[Tensor]) -> list[Tensor]:
        """Sum gradients and these numbers over all shares of the data, in one message."""
        if self._shards is not None:
            self._shards.collect()
            if self._shards.mesh.layout.is_fully_sharded:
                return list(self.context.sum(torch.stack(numbers)))
        if self.context.data_size == 1:
            return numbers
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.trainable.values()]
        flat = self.context.sum(torch.cat([torch.stack(numbers), *(grad.reshape(-1) for grad in grads)]))
        for parameter, grad in zip(self.trainable.values(), _split(flat[len(numbers) :], grads), strict=True):
            parameter.grad = grad
        return list(flat[: len(numbers)])

    def _clipped(self, sums: list[Tensor]) -> Tensor:
        """Clip the gradient and return its norm; requests of the leading worker reach all, in the same message."""
        if self._shards is None:
            return torch.nn.utils.clip_grad_norm_(self.trainable.values(), self.recipe.clip_norm)
        squared = self._shards.squared_norm()
        # Workers of other stages and parts have no share of the leading worker's data.
        reached = self.context.sum_of_workers(torch.stack([squared.to(sums[-1]), *sums[-_REQUESTS:]]))
        sums[-_REQUESTS:] = list(reached[1:])
        norm = reached[0].sqrt()
        factor = (self.recipe.clip_norm / (norm + _CLIP_EPSILON)).clamp(max=1.0)
        for parameter in self.trainable.values():
            if parameter.grad is not None:
                parameter.grad.mul_(factor)
        return norm

    def _saves(self, requested: bool) -> bool:
        """Return True if this worker writes what is requested to be stored: one of all, or each its parts."""
        return requested and (self.context.leads or self._shards is not None)

    def _batch(self, step: int) -> list[int]:
        epoch, at = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            units, recipe = self.units, self.recipe
            self._plan = schedule.Epoch(
                units.record_ids, units.lengths, recipe.seed, epoch, recipe.batch_size
            )
            self._epoch = epoch
        return self._plan[at]

    def _language_weight(self, step: int) -> float:
        early = step < self.recipe.language_model_epochs * self.per_epoch
        return self.recipe.language_model_weight if early else 0.0

    def _verdict(self) -> schedule.Verdict:
        losses = self.curves.validation_losses
        # Without a score, the loss alone decides.
        scores = self.curves.validation_scores or [0.0] * len(losses)
        patience = self.recipe.patience
        if self._shared is not None:
            patience = schedule.epochs_without_gain(patience, self.per_epoch)
        return schedule.judge(losses, scores, patience)

    def _end_epoch(self, checkpoints: Checkpoints, reporter: ProgressReporter) -> None:
        """Validate; if this epoch is the best so far, save its weights durably before the next step."""
        with self._averaged():
            row = self._validate()
        self.curves.epochs.append(row)
        if self._saves(self._verdict().best == len(self.curves.epochs) - 1):
            checkpoints.wait()
            self._save(checkpoints, _best_name(len(self.curves.epochs) - 1))
        reporter.epoch(self, row)

    def _validate(self) -> list[float]:
        """The scores of the validation part, after the numbers of epoch and step."""
        self.model.eval()
        with torch.no_grad(), self.context.precision(self.recipe.dtype):
            scores = self._scores()
        self.model.train()
        return [len(self.curves.epochs), self.step, *scores]

    def _scores(self) -> list[float]:
        """Return the scores of the validation part, the loss first."""
        if self.data.validation.has_labels:
            return self._validate_labels()
        return self._validate_numbers() if self.data.validation.has_numbers else self._validate_texts()

    def _validate_texts(self) -> list[float]:
        """Mean loss of the answers' tokens and its perplexity."""
        total = torch.zeros(1, dtype=torch.float64, device=self.context.device)
        for batch in self._validation_batches():
            total[0] += self._validation_loss(batch)
        loss = float(self.context.sum(total)[0]) / self.data.validation.norms()[0]
        return [loss, perplexity(loss)]

    def _validate_numbers(self) -> list[float]:
        """Mean loss of the answers' tokens, and metrics of the likeliest numbers against the right ones."""
        part = self.data.validation
        count, tokens = len(part.number_tokens), part.number_tokens.to(self.context.device)
        totals = torch.zeros(1 + count * count, dtype=torch.float64, device=self.context.device)
        for batch in self._validation_batches():
            totals[0] += self._validation_loss(batch, self._shared)
            right, likeliest = self._computed(partial(objective.numbers, self.core, batch, tokens))
            totals[1:] += torch.bincount(right * count + likeliest, minlength=count * count)
        totals = self.context.sum(totals).cpu()
        pairs = np.repeat(np.arange(count * count), totals[1:].long().numpy())
        values = part.number_values
        measured = number_scores(values[pairs // count].tolist(), values[pairs % count].tolist())
        return [float(totals[0]) / part.norms()[0], *measured]

    def _validate_labels(self) -> list[float]:
        """The answers' mean loss, accuracy and macro-F1."""
        labels = len(self.data.validation.label_tokens)
        totals = torch.zeros(1 + labels * labels, dtype=torch.float64, device=self.context.device)
        for batch in self._validation_batches():
            totals[0] += self._validation_loss(batch)
            tokens = self.data.validation.label_tokens.to(self.context.device)
            predicted = self._computed(partial(objective.answers, self.core, batch, tokens))
            totals[1:] += torch.bincount(batch.labels * labels + predicted, minlength=labels * labels)
        loss, *counts = self.context.sum(totals).tolist()
        confusion = [counts[row * labels : (row + 1) * labels] for row in range(labels)]
        right = sum(confusion[label][label] for label in range(labels))
        rows = len(self.data.validation)
        return [loss / rows, right / rows, macro_f1(confusion)]

    def _validation_loss(self, batch: Batch, shared: SharedTargets | None = None) -> Tensor:
        """Return the sum of the losses of the answers of a batch."""
        losses = partial(objective.losses, self.core, batch, language=False, shared=shared)
        return self._computed(losses).answer

    def _validation_batches(self) -> Iterator[Batch]:
        lengths = self.data.validation.lengths
        order = self.context.share(sorted(range(len(lengths)), key=lambda index: (lengths[index], index)))
        rows = self._validation_rows()
        for at in range(0, len(order), rows):
            yield self.data.validation.batch(order[at : at + rows]).to(self.context.device)
        if self._shards is not None and self._shards.mesh.layout.is_fully_sharded:
            # Weights are gathered by all workers at the same time, also for a worker whose share has ended.
            for _ in range(self._unequal_batches() * self._passes):
                inputs = self.data.validation.batch([0]).to(self.context.device).model_inputs()
                self._computed(partial(forward.hidden_states, self.core, inputs))

    @property
    def _passes(self) -> int:
        """Number of forward passes for each batch of the validation part."""
        part = self.data.validation
        return 2 if part.has_labels or part.has_numbers else 1

    def _computed(self, compute: Callable[[], Result]) -> Result:
        """Return the result of a computation with the weights of the model, which may be divided."""
        return compute() if self._shards is None else self._shards.compute(compute)

    def _unequal_batches(self) -> int:
        """Return how many batches of the validation part this worker has less than the first."""
        return self._lacking(len(self.data.validation))

    def _lacking(self, records: int) -> int:
        """Return how many batches this worker has less than the first, of `records` that are read for validation."""
        rows = self._validation_rows()
        sizes = [len(range(at, records, self.context.data_size)) for at in (0, self.context.data_rank)]
        first, own = (-(-size // rows) for size in sizes)
        return first - own

    def _validation_rows(self) -> int:
        """Return how many samples are validated at once: of long answers, no more than a step holds in memory."""
        if self.data.validation.has_labels:
            return _VALIDATION_ROWS
        share = -(-self.recipe.batch_size // self.context.data_size)
        return -(-share // self.recipe.gradient_accumulation)

    def _weights(self) -> dict[str, Tensor]:
        weights = self._average or self.trainable
        return {name: parameter.detach().cpu().contiguous() for name, parameter in weights.items()}

    def _tensors(self) -> dict[str, Tensor]:
        """Weights, their moving average and what the optimizer holds of each."""
        tensors: dict[str, Tensor] = {}
        for name, parameter in self.trainable.items():
            tensors[f"weight.{name}"] = parameter.detach()
            if name in self._average:
                tensors[f"average.{name}"] = self._average[name]
        return {**tensors, **dict(optimizers.tensors(self.optimiser, self.trainable))}

    def _save_step(self, checkpoints: Checkpoints) -> None:
        """Publish the state of the training in the background: all of it, or this worker's parts."""
        tensors = self._tensors()
        if self._shards is None:
            checkpoints.save_later(self.step, tensors, self._state())
            return
        offsets = self._offsets(tensors, lambda key: key.partition(".")[2])
        stored = {key: tensors[key] for key in offsets}
        checkpoints.save_later(self.step, stored, self._state(), offsets)

    def _save(self, checkpoints: Checkpoints, name: str) -> None:
        """Publish the weights under a name."""
        weights = self._weights()
        if self._shards is None:
            checkpoints.save(name, weights, {})
            return
        offsets = self._offsets(weights, lambda key: key)
        checkpoints.save(name, {key: weights[key] for key in offsets}, {}, offsets)

    def _offsets(
        self, tensors: Mapping[str, Tensor], weight: Callable[[str], str]
    ) -> dict[str, tuple[int, ...]]:
        """Return the first indices of the tensors that this worker stores; `weight` names a tensor's weight."""
        return {key: self._writes_by[weight(key)] for key in tensors if weight(key) in self._writes_by}

    def _own(self, tensors: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
        """Return what a checkpoint has of the weights of this worker, by name; all with a prefix, or none of them."""
        names = (name for name in self.trainable if f"{prefix}{name}" in tensors)
        if self._shards is None:
            return {name: tensors[f"{prefix}{name}"] for name in names}
        pieces = self._shards.pieces
        return {
            name: divided.part_of(tensors, f"{prefix}{name}", pieces[name].offsets, pieces[name].local.shape)
            for name in names
        }

    def gather(self, checkpoints: Checkpoints, build: Callable[[], Any]) -> None:
        """Give the leading worker the whole model, made by `build`, where the weights are divided.

        Every worker of the group calls it, and does not train afterwards.
        """
        if self._shards is None:
            return
        self._average = {}
        if self.context.leads:
            checkpoints.discard(_WHOLE)
        self.context.wait_for_workers()
        self._save(checkpoints, _WHOLE)
        self.context.wait_for_workers()
        if not self.context.leads:
            return
        gathered = checkpoints.named(_WHOLE)
        assert gathered is not None, "every worker has written its parts"
        self.model = build()
        self.core, self._shards = models.core(self.model), None
        self.context = WorkerContext(device=self.context.device)
        self.trainable = _trained(self.model)
        self._take(gathered.tensors)

    def _take(self, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, stored in self._own(tensors).items():
                self.trainable[name].copy_(stored)

    def _state(self) -> dict[str, Any]:
        return {"step": self.step, "steps": self.curves.steps, "epochs": self.curves.epochs}

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.step = int(checkpoint.state["step"])
        state = checkpoint.state
        self.curves = replace(self.curves, steps=state["steps"], epochs=state["epochs"])
        stored = checkpoint.tensors
        with torch.no_grad():
            for name, weight in self._own(stored, "weight.").items():
                self.trainable[name].copy_(weight)
            for name, average in self._own(stored, "average.").items() if self._average else ():
                self._average[name].copy_(average)
        if self.step:
            states = {
                f"{kind}.{name}": tensor
                for kind in optimizers.STATES.values()
                for name, tensor in self._own(stored, f"{kind}.").items()
            }
            optimizers.restore(self.optimiser, self.trainable, states, self.step)

    def _take_best(self, checkpoints: Checkpoints) -> None:
        """Take the weights to publish; the last epoch's are in the model already, or in their average."""
        best = self._verdict().best
        if self.step == self.steps:
            scores, records = self.curves.validation_scores, len(self._units(self.data.validation))
            error = standard_error(self.curves.decisive, scores[best], records) if scores else 0.0
            best = schedule.published_epoch(best, scores, error)
        self.published_epoch = best + 1
        if best == len(self.curves.epochs) - 1:
            for name, average in self._average.items():
                self.trainable[name].data.copy_(average)
            return
        checkpoint = checkpoints.named(_best_name(best))
        if checkpoint is not None:
            self._take(checkpoint.tensors)


def _trained(model: Any) -> dict[str, torch.nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def _shared_targets(recipe: Recipe, train: Corpus, device: torch.device) -> SharedTargets | None:
    """Return the targets of numbers that are one token each; None if answers are none."""
    if not train.has_numbers:
        return None
    squared = recipe.selection in SQUARED
    shares = shared_targets(train.number_values, train.number_width, squared=squared)
    return SharedTargets(train.number_tokens.to(device), torch.from_numpy(shares).to(device))


def parts_of(share: list[int], count: int) -> list[list[int]]:
    """Cut a share into at most `count` parts of like sizes."""
    size = -(-len(share) // count)
    return [share[at : at + size] for at in range(0, len(share), size)]


def _split(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    parts = flat.split([tensor.numel() for tensor in like])
    return [part.view_as(tensor) for part, tensor in zip(parts, like, strict=True)]


def _not_finite(step: int) -> list[float]:
    """Return the row of a step whose loss is no number."""
    return [float(step), math.nan, math.nan, math.nan, math.nan, math.nan, 0.0]


def _step_seed(seed: int, step: int, rank: int) -> int:
    return (seed * 1_000_003 + step * 1_009 + rank) % 2**63


def _best_name(epoch: int) -> str:
    return f"epoch-{epoch:06d}"
