"""The training loop of one run on one worker: steps, validation, checkpoints, and stopping within a step.

Everything that decides a bit of the result is a function of the task and the position: the sample order, the rate,
and torch's seed, which is set at each step from (seed, step, rank). So a checkpoint is weights, optimiser and
position, and a run that resumes ends with the bits of one that was never interrupted.
"""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ratoon_training.domain import schedule
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.errors import LossNotFinite, Stopped
from ratoon_training.domain.recipes import Method, Recipe
from ratoon_training.worker import balance, growth, models, objective, optimizers
from ratoon_training.worker.checkpoints import Checkpoint, Checkpoints
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Batch, Corpus
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

_VALIDATION_ROWS = 64


@dataclass(frozen=True)
class Data:
    """The two parts of a run's split."""

    train: Corpus
    validation: Corpus


@dataclass(frozen=True)
class Units:
    """The units of a part that a step draws: of supervised fine-tuning its samples."""

    record_ids: list[str]
    lengths: list[int]

    def __len__(self) -> int:
        return len(self.lengths)


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
        self.trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
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
        self.steps = self._affordable(max(1, round(self.per_epoch * epochs))) if self.trains else 0
        self._average = {name: p.detach().clone() for name, p in self.trainable.items() if recipe.averaging}
        self._epoch, self._plan = -1, list[list[int]]()
        self.dead_units = 0.0
        """Share of units without an activation at the end."""
        self._not_finite = False
        self._finishes = False
        self.published_epoch = 0
        """Epoch whose weights are published, counted from 1; 0 before the end."""

    def _affordable(self, steps: int) -> int:
        """Return the steps that the token budget allows, at least one."""
        budget, tokens = self.recipe.optimization.token_budget, sum(self.data.train.lengths)
        if not budget or not tokens:
            return steps
        return max(1, min(steps, round(self.per_epoch * budget / tokens)))

    @property
    def parameter_count(self) -> int:
        """Number of all weights, including frozen ones."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def run(self, checkpoints: Checkpoints, every_s: float, reporter: ProgressReporter) -> None:
        """Train from the last checkpoint to the end; the model then has the weights to publish."""
        if (checkpoint := checkpoints.latest()) is not None:
            self._restore(checkpoint)
        saved = time.monotonic()
        reporter.begin(self)
        while self.step < self.steps and not self._verdict().stop:
            self._guarded_step(checkpoints, reporter)
            if self.step % self.per_epoch == 0 or self.step == self.steps or self._finishes:
                self._end_epoch(checkpoints, reporter)
            if self._finishes:
                break
            if self.context.leads and time.monotonic() - saved >= every_s:
                checkpoints.save_later(self.step, self._tensors(), self._state())
                saved = time.monotonic()
        if not self.trains:
            self.curves.epochs.append(self._validate())
        checkpoints.wait()
        self._take_best(checkpoints)

    def train_step(self, rate: float, *, stop: bool = False, finish: bool = False) -> list[float]:
        """Train one step at this rate; return the curve's row. Stopped if any worker stops, before weights change.

        It is the last step of all workers if it has to `finish` on any of them.
        """
        learned = self._learn(self._batch(self.step))
        requests = [learned.numbers[0].new_tensor(float(each)) for each in (stop, finish)]
        sums = self._reduce([*learned.numbers, *requests])
        if self.recipe.optimization.l1:
            optimizers.penalise(self.trainable, self.recipe.optimization.l1)
        if self._growth is not None:
            self._growth.mask()
        gradient = torch.nn.utils.clip_grad_norm_(self.trainable.values(), self.recipe.clip_norm)
        # One wait for a GPU, not one for each number.
        *measured, stopping, finishing, norm = torch.stack([*sums, gradient]).tolist()
        if stopping:
            raise Stopped(f"Stopped on request after {self.step} of {self.steps} steps.")
        self._finishes = bool(finishing)
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
        weight = self._language_weight()
        # The language model learns from whole texts; a classifier alone learns not to lean on single tokens.
        dropout = 0.0 if weight else self.recipe.token_dropout
        samples = self.data.train.thinned(indices, dropout, self.recipe.seed, self.step)
        tokens = sum(samples.tokens_of(list(range(len(samples)))))
        norms = samples.norms()
        share = self.context.share(list(range(len(samples))))
        self.context.seed(_step_seed(self.recipe.seed, self.step, self.context.rank))
        answer_sum, language_sum = self._backward(samples, share, norms, weight)
        return Learned([answer_sum / norms[0], language_sum / norms[1]], tokens)

    def _losses(self, measured: list[float]) -> list[float]:
        """Return the loss of a step, of its answers, of its texts, and what else its row holds."""
        answer, language = measured
        return [answer + self._language_weight() * language, answer, language]

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
            weights = best.tensors
        elif latest is not None and int(latest.state["step"]):
            weights = {name: latest.tensors[f"weight.{name}"] for name in self.trainable}
        else:
            return False
        if not all(bool(torch.isfinite(weight).all()) for weight in weights.values()):
            return False
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                parameter.copy_(weights[name])
        return True

    def memory_bytes(self) -> int:
        """Return the memory of this worker: of a GPU what its tensors hold, else the resident memory of the process."""
        if self.context.device.type == "cuda":
            return int(torch.cuda.memory_allocated(self.context.device))
        resident = int(Path("/proc/self/statm").read_text().split()[1])
        return resident * os.sysconf("SC_PAGE_SIZE")

    def remaining_tokens(self) -> int:
        """Tokens of the steps to come, about."""
        return round(sum(self.data.train.lengths) / self.per_epoch * (self.steps - self.step))

    def _guarded_step(self, checkpoints: Checkpoints, reporter: ProgressReporter) -> None:
        peak = self.recipe.learning_rate * self._verdict().rate_factor
        rate = schedule.scheduled_rate(self.recipe, self.step, self.steps, peak)
        try:
            stop = self.context.leads and reporter.stop_requested()
            finish = self.context.leads and reporter.finish_requested()
            row = self.train_step(rate, stop=stop, finish=finish)
        except Stopped:
            if self.context.leads:
                checkpoints.save_later(self.step, self._tensors(), self._state())
                checkpoints.wait()
            raise
        self.curves.steps.append(row)
        reporter.step(self, row)

    def _move_average(self) -> None:
        """Move the average of the weights towards them; early steps count more, so that the start is forgotten."""
        if not self._average:
            return
        decay = min(self.recipe.averaging, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                self._average[name].lerp_(parameter, 1 - decay)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Give the model the averaged weights inside the context."""
        live = {name: self.trainable[name].data for name in self._average}
        for name, average in self._average.items():
            self.trainable[name].data = average
        try:
            yield
        finally:
            for name, weights in live.items():
                self.trainable[name].data = weights

    def _backward(
        self, train: Corpus, share: list[int], norms: tuple[float, float], weight: float
    ) -> tuple[Tensor, Tensor]:
        """Gradients of this worker's part of the batch, scaled so that their sum over workers is the batch's."""
        if not share:
            nothing = self._no_gradients()
            return nothing, nothing
        answer = language = torch.zeros((), device=self.context.device)
        for part in parts_of(share, self.recipe.gradient_accumulation):
            batch = (train.packed(part) if self.recipe.packed else train.batch(part)).to(self.context.device)
            smoothing = self.recipe.label_smoothing
            with self.context.precision(self.recipe.dtype):
                sums = objective.losses(
                    self.core, batch, language=weight > 0, smoothing=smoothing, shared=self._shared
                )
            loss = sums.answer / norms[0] + weight * sums.language / norms[1]
            if self._balance is not None:
                loss = loss + len(part) / len(train) * self._balance.loss(batch)
            loss.backward()
            answer, language = answer + sums.answer.detach(), language + sums.language.detach()
        return answer, language

    def _no_gradients(self) -> Tensor:
        """Set all gradients to 0, and return 0: this worker has no part of the step."""
        for parameter in self.trainable.values():
            parameter.grad = torch.zeros_like(parameter)
        return torch.zeros((), device=self.context.device)

    def _reduce(self, numbers: list[Tensor]) -> list[Tensor]:
        """Sum gradients and these numbers over all workers, in one message."""
        if self.context.world_size == 1:
            return numbers
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.trainable.values()]
        flat = self.context.sum(torch.cat([torch.stack(numbers), *(grad.reshape(-1) for grad in grads)]))
        for parameter, grad in zip(self.trainable.values(), _split(flat[len(numbers) :], grads), strict=True):
            parameter.grad = grad
        return list(flat[: len(numbers)])

    def _batch(self, step: int) -> list[int]:
        epoch, at = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            units, recipe = self.units, self.recipe
            self._plan = schedule.batches(
                units.record_ids, units.lengths, recipe.seed, epoch, recipe.batch_size
            )
            self._epoch = epoch
        return self._plan[at]

    def _language_weight(self) -> float:
        early = self.step < self.recipe.language_model_epochs * self.per_epoch
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
        if self.context.leads and self._verdict().best == len(self.curves.epochs) - 1:
            checkpoints.wait()
            checkpoints.save(_best_name(len(self.curves.epochs) - 1), self._weights(), {})
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
            total[0] += objective.losses(self.core, batch, language=False).answer
        loss = float(self.context.sum(total)[0]) / self.data.validation.norms()[0]
        return [loss, perplexity(loss)]

    def _validate_numbers(self) -> list[float]:
        """Mean loss of the answers' tokens, and metrics of the likeliest numbers against the right ones."""
        part = self.data.validation
        count, tokens = len(part.number_tokens), part.number_tokens.to(self.context.device)
        totals = torch.zeros(1 + count * count, dtype=torch.float64, device=self.context.device)
        for batch in self._validation_batches():
            totals[0] += objective.losses(self.core, batch, language=False, shared=self._shared).answer
            right, likeliest = objective.numbers(self.core, batch, tokens)
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
            totals[0] += objective.losses(self.core, batch, language=False).answer
            predicted = objective.answers(
                self.core, batch, self.data.validation.label_tokens.to(self.context.device)
            )
            totals[1:] += torch.bincount(batch.labels * labels + predicted, minlength=labels * labels)
        loss, *counts = self.context.sum(totals).tolist()
        confusion = [counts[row * labels : (row + 1) * labels] for row in range(labels)]
        right = sum(confusion[label][label] for label in range(labels))
        rows = len(self.data.validation)
        return [loss / rows, right / rows, macro_f1(confusion)]

    def _validation_batches(self) -> Iterator[Batch]:
        lengths = self.data.validation.lengths
        order = self.context.share(sorted(range(len(lengths)), key=lambda index: (lengths[index], index)))
        rows = self._validation_rows()
        for at in range(0, len(order), rows):
            yield self.data.validation.batch(order[at : at + rows]).to(self.context.device)

    def _validation_rows(self) -> int:
        """Return how many samples are validated at once: of long answers, no more than a step holds in memory."""
        if self.data.validation.has_labels:
            return _VALIDATION_ROWS
        share = -(-self.recipe.batch_size // self.context.world_size)
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

    def _state(self) -> dict[str, Any]:
        return {"step": self.step, "steps": self.curves.steps, "epochs": self.curves.epochs}

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.step = int(checkpoint.state["step"])
        state = checkpoint.state
        self.curves = replace(self.curves, steps=state["steps"], epochs=state["epochs"])
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                parameter.copy_(checkpoint.tensors[f"weight.{name}"])
                if name in self._average:
                    self._average[name].copy_(checkpoint.tensors[f"average.{name}"])
        if self.step:
            optimizers.restore(self.optimiser, self.trainable, checkpoint.tensors, self.step)

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
            with torch.no_grad():
                for name, parameter in self.trainable.items():
                    parameter.copy_(checkpoint.tensors[name])


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
