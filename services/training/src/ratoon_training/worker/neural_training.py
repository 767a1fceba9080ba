"""Training of a small neural model: steps, validation, early stopping, checkpoints.

Every step is a function of recipe, seed, data and the step before it, also after a resume: the order of records, what
dropout leaves out and the learning rate do not depend on when a run was killed.
"""

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ratoon.neural.model import NeuralModel, answers_of, rows_of
from ratoon.neural.networks import head_names
from ratoon.tasks import regress
from ratoon.tasks.classify import Classify
from ratoon.tasks.regress import Regress
from ratoon_training.domain.errors import LossNotFinite, Stopped
from ratoon_training.domain.neural import SAMPLES_SHOWN, ClassWeights, Neural
from ratoon_training.domain.recipes import Recipe
from ratoon_training.domain.schedule import batches, chosen_epochs, judge, scheduled_rate
from ratoon_training.worker import optimizers
from ratoon_training.worker.checkpoints import Checkpoints
from ratoon_training.worker.curves import CurveFile, Curves
from ratoon_training.worker.neural_networks import targets_of
from ratoon_training.worker.scores import LABEL_SCORES, NUMBER_SCORES, macro_f1, number_scores

_BETAS = (0.9, 0.999)
"""Decays of the moments of Adam: the steps of small models differ more than those of language models."""
_MAX_WEIGHT = 10.0
"""Weight of a label that a record may have besides others, at most."""


@dataclass(frozen=True)
class Data:
    """Records of a part as a network reads them."""

    record_ids: tuple[str, ...]
    ids: Sequence[Sequence[int]]
    answers: Sequence[str]
    targets: Tensor

    @staticmethod
    def of(
        model: NeuralModel, record_ids: tuple[str, ...], texts: Sequence[str], answers: Sequence[str]
    ) -> "Data":
        """Return records with the tokens and the targets of a model."""
        targets = targets_of(model.task, answers, model.about)
        return Data(record_ids, model.reader.ids(texts), answers, targets)


class Reports:
    """What is reported of a training; a job overrides all of it."""

    def stop_requested(self) -> bool:
        """Return True if the training must end."""
        return False

    def finish_requested(self) -> bool:
        """Return True if the training must end early, with its best weights so far."""
        return False

    def step(self, training: "NeuralTraining") -> None:
        """Report a step."""


class NeuralTraining:
    """One training of a model on its device."""

    def __init__(
        self, recipe: Recipe, model: NeuralModel, train: Data, held: Data, curve: CurveFile | None
    ) -> None:
        assert recipe.neural is not None
        self._recipe, self._neural, self._curve = recipe, recipe.neural, curve
        self.model, self._train, self._held = model, train, held
        self._module = model.module
        self._device = next(self._module.parameters()).device
        self._weights = _label_weights(self._neural, model, train).to(self._device)
        self._named = dict(self._module.named_parameters())
        self._optimizer = optimizers.build(self._named, recipe, _outer(model), _BETAS)
        scores = NUMBER_SCORES if isinstance(model.task, Regress) else LABEL_SCORES
        self.curves = Curves(scores=scores, selection=recipe.selection)
        self.step, self._first, self._ended = 0, 0, False
        self.per_epoch = -(-len(train.ids) // recipe.batch_size)
        epochs = recipe.epochs or chosen_epochs(len(train.ids), SAMPLES_SHOWN)
        self.steps = self._affordable(max(1, round(epochs * self.per_epoch)))
        self._best: dict[str, Tensor] = {}
        self._factor, self._plan = 1.0, (-1, [[0]])
        self._begun = time.monotonic()
        self.tokens = 0.0
        """Tokens that this attempt has read."""
        self.validating_s = 0.0
        """Seconds of the validations of this attempt."""

    def _affordable(self, steps: int) -> int:
        """Return the steps that the token budget allows, at least one."""
        budget, tokens = self._recipe.optimization.token_budget, sum(map(len, self._train.ids))
        return max(1, min(steps, round(self.per_epoch * budget / tokens))) if budget and tokens else steps

    def longest_batch(self) -> tuple[int, int]:
        """Return the tokens of the longest record, and the records of a step."""
        return max(map(len, self._train.ids), default=0), self._recipe.batch_size

    @property
    def seconds(self) -> float:
        """Seconds since this attempt began."""
        return time.monotonic() - self._begun

    @property
    def remaining_s(self) -> float:
        """Return the seconds to the last step, at the pace of this attempt."""
        return self.seconds / max(1, self.step - self._first) * (self.steps - self.step)

    @property
    def best_epoch(self) -> int:
        """Return the epoch whose weights are published, counted from 1."""
        return judge(self.curves.validation_losses, self._scores(), self._recipe.patience).best + 1

    def run(self, checkpoints: Checkpoints, every_s: float, reports: Reports) -> None:
        """Train to the end, from the newest checkpoint; then the model has the weights of the best epoch."""
        self._resume(checkpoints)
        saved = time.monotonic()
        self._module.train()
        while not self._ended:
            if reports.stop_requested():
                raise Stopped("Stopped on request.")
            self._advance(reports.finish_requested())
            reports.step(self)
            if time.monotonic() - saved >= every_s:
                checkpoints.save_later(self.step, self._tensors(), self._state())
                saved = time.monotonic()
        checkpoints.wait()
        self._module.load_state_dict(self._best)
        self._module.eval()

    def _advance(self, is_last: bool) -> None:
        """Do a step; at the end of an epoch, and of the training, validate."""
        epoch, within = divmod(self.step, self.per_epoch)
        row = self._step(self._batch(epoch, within))
        self.step += 1
        self.tokens += row[-1]
        self.curves.steps.append(row)
        if self._curve is not None:
            self._curve.step(
                row, self.curves.step_columns, self.seconds, self.tokens / max(1e-9, self.seconds)
            )
        if within + 1 == self.per_epoch or self.step == self.steps or is_last:
            self._validate()
        self._ended |= is_last

    def _batch(self, epoch: int, within: int) -> list[int]:
        if self._plan[0] != epoch:
            lengths = [len(each) for each in self._train.ids]
            plan = batches(self._train.record_ids, lengths, self._recipe.seed, epoch, self._recipe.batch_size)
            self._plan = epoch, plan
        return self._plan[1][within]

    def _step(self, batch: Sequence[int]) -> list[float]:
        torch.manual_seed(_seed(self._recipe.seed, self.step))
        rate = scheduled_rate(self._recipe, self.step, self.steps, self._factor * self._recipe.learning_rate)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        rows, lengths = rows_of([self._train.ids[place] for place in batch], self.model.about.shape.pad)
        self._optimizer.zero_grad(set_to_none=True)
        outputs = self._module(rows.to(self._device), lengths.to(self._device))
        loss = self._loss(outputs, self._train.targets[list(batch)].to(self._device))
        if not torch.isfinite(loss):
            raise LossNotFinite(
                f"The loss of step {self.step + 1} is {loss.item()}: lower recipe.learning_rate "
                f"({self._recipe.learning_rate:g}) or recipe.optimization.clip_norm "
                f"({self._recipe.clip_norm:g})."
            )
        loss.backward()
        value = loss.item()
        penalty = self._penalise()
        norm = float(
            nn.utils.clip_grad_norm_(self._module.parameters(), self._recipe.clip_norm, foreach=False)
        )
        self._optimizer.step()
        return [self.step + 1, value + penalty, value, 0.0, norm, rate, float(lengths.sum())]

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        task = self.model.task
        if isinstance(task, Regress):
            return functional.mse_loss(outputs[:, 0], targets)
        if task.multi_label:
            return functional.binary_cross_entropy_with_logits(outputs, targets, pos_weight=self._weights)
        return functional.cross_entropy(outputs, targets, weight=self._weights)

    @torch.no_grad()
    def _penalise(self) -> float:
        """Add the gradient of L1 of the matrices; return its part of the loss."""
        l1 = self._recipe.optimization.l1
        if not l1:
            return 0.0
        optimizers.penalise(self._named, l1)
        return l1 * sum(float(each.abs().sum()) for each in self._named.values() if each.dim() > 1)

    @property
    def validation_share(self) -> float:
        """Work of a validation as a multiple of that of a step: it reads the held-out records without learning."""
        own, held = sum(map(len, self._train.ids)), sum(map(len, self._held.ids))
        return held * self.per_epoch / (3 * own) if own else 0.0

    def _validate(self) -> None:
        begun = time.monotonic()
        outputs = self.model.outputs(self._held.ids)
        self._module.train()
        loss = float(self._loss(outputs.to(self._device), self._held.targets.to(self._device)))
        row = [len(self.curves.epochs) + 1, self.step, loss, *self._scored(outputs)]
        self.curves.epochs.append(row)
        if self._curve is not None:
            self._curve.epoch(row, self.curves.scores)
        verdict = judge(self.curves.validation_losses, self._scores(), self._recipe.patience)
        self._factor = verdict.rate_factor
        if verdict.best == len(self.curves.epochs) - 1:
            self._best = {name: value.detach().clone() for name, value in self._module.state_dict().items()}
        self._ended = verdict.stop or self.step >= self.steps
        self.validating_s += time.monotonic() - begun

    def _scored(self, outputs: Tensor) -> list[float]:
        """Return the scores of a validation without its loss."""
        task, right = self.model.task, self._held.answers
        predicted = answers_of(self.model.about, outputs).texts
        if isinstance(task, Regress):
            numbers = [[regress.number(task, each) or 0.0 for each in texts] for texts in (right, predicted)]
            return number_scores(*numbers)
        return label_scores(task, right, predicted)

    def _scores(self) -> list[float]:
        return self.curves.validation_scores or [0.0] * len(self.curves.epochs)

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model.{name}": value for name, value in self._module.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self._best.items()}
        held = optimizers.tensors(self._optimizer, self._named)
        return {**tensors, **{f"optimizer.{name}": value for name, value in held}}

    def _state(self) -> dict[str, Any]:
        rows = self.curves
        return {"step": self.step, "factor": self._factor, "steps": rows.steps, "epochs": rows.epochs}

    def _resume(self, checkpoints: Checkpoints) -> None:
        checkpoint = checkpoints.latest()
        if checkpoint is None:
            return
        state, tensors = checkpoint.state, checkpoint.tensors
        self.step = self._first = int(state["step"])
        self._factor = float(state["factor"])
        self.curves.steps, self.curves.epochs = state["steps"], state["epochs"]
        self._module.load_state_dict(_below("model.", tensors))
        self._best = {name: value.to(self._device) for name, value in _below("best.", tensors).items()}
        optimizers.restore(self._optimizer, self._named, _below("optimizer.", tensors), self.step)


def label_scores(task: Classify, right: Sequence[str], predicted: Sequence[str]) -> list[float]:
    """Return accuracy and macro-F1 of answers; of several labels a record the mean F1 of labels that occur."""
    accuracy = sum(
        set(a.split("\n")) == set(b.split("\n")) for a, b in zip(right, predicted, strict=True)
    ) / len(right)
    if not task.multi_label:
        place = {label: number for number, label in enumerate(task.labels)}
        confusion = [[0.0] * len(place) for _ in place]
        for a, b in zip(right, predicted, strict=True):
            confusion[place[a]][place[b]] += 1
        return [accuracy, macro_f1(confusion)]
    scores = []
    for label in task.labels:
        pairs = [
            (label in a.split("\n"), label in b.split("\n")) for a, b in zip(right, predicted, strict=True)
        ]
        if any(true for true, _ in pairs):
            hit = sum(true and answered for true, answered in pairs)
            scores.append(2 * hit / sum(true + answered for true, answered in pairs))
    return [accuracy, math.fsum(scores) / len(scores) if scores else 0.0]


def _label_weights(neural: Neural, model: NeuralModel, train: Data) -> Tensor:
    """Return the weight of each label in the loss; with BALANCED in inverse proportion to its records."""
    task = model.task
    if not isinstance(task, Classify) or neural.class_weights is ClassWeights.NONE:
        return torch.ones(model.about.outputs)
    total = len(train.answers)
    if task.multi_label:
        counts = train.targets.sum(dim=0)
        return ((total - counts) / counts.clamp(min=1)).clamp(min=1 / _MAX_WEIGHT, max=_MAX_WEIGHT)
    counts = torch.bincount(train.targets, minlength=len(task.labels)).to(torch.float32)
    present = (counts > 0).sum()
    return torch.where(counts > 0, total / (present * counts.clamp(min=1)), 0.0)


def _outer(model: NeuralModel) -> set[int]:
    """Return the ids of the weights of embeddings and of the head, which Muon leaves to AdamW."""
    heads = head_names(model.module)
    return {
        id(weight)
        for name, weight in model.module.named_parameters()
        if name in heads or "embedding" in name.lower()
    }


def _seed(seed: int, step: int) -> int:
    """Return the seed of what is drawn in a step."""
    return int.from_bytes(hashlib.sha256(f"{seed}:step:{step}".encode()).digest()[:7])


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
