"""Sessions of objectives of whole answers (DPO, KTO, reward models), and data and session of each objective.

A unit of a step is two rows of a part in a row (see `comparisons`). The log-probabilities of the reference, the model
that training starts from, are computed once and kept with the checkpoints. Dropout layers are switched off, so that a
model that has not changed has the rewards 0.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ratoon_training.domain.recipes import Objective, PreferenceLoss, Recipe
from ratoon_training.worker import forward, objective, preferences, reward_models
from ratoon_training.worker.checkpoints import Checkpoints
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.curves import Curves
from ratoon_training.worker.distilling import DistillationSession, TaughtData, distilled
from ratoon_training.worker.grpo import GrpoSession, PromptData
from ratoon_training.worker.models import switch_dropout_off
from ratoon_training.worker.pipeline import PipelineSession
from ratoon_training.worker.reporting import ProgressReporter
from ratoon_training.worker.scores import PAIR_SCORES, REWARD_MARGIN, REWARD_SCORES, UNPAIRED_SCORES
from ratoon_training.worker.session import Data, Learned, Session, Units
from ratoon_training.worker.xla_session import XlaSession

Parts = list[tuple[list[int], bool]]
"""Units that are computed at once, and whether they count."""
_REFERENCE = "reference"
"""Name of the log-probabilities of the reference among the checkpoints."""


def data_of(recipe: Recipe, prepared: Path, context: WorkerContext) -> Data:
    """Return the parts of a run as its objective reads them."""
    if recipe.objective is Objective.GRPO:
        return PromptData.read(prepared)
    if recipe.taught_answers:
        return distilled(recipe, prepared, context)
    if recipe.taught_logits:
        return TaughtData.read(recipe, prepared)
    return Data(Corpus(prepared / "train.npz"), Corpus(prepared / "validation.npz"))


def session_of(recipe: Recipe, model: Any, data: Data, context: WorkerContext) -> Session:
    """Return the session of the recipe's objective."""
    if context.device.type == "xla":
        return XlaSession(recipe, model, data, context)
    if context.mesh is not None and context.mesh.layout.pipeline > 1:
        return PipelineSession(recipe, model, data, context)
    session = DistillationSession if recipe.taught_logits else _SESSIONS[recipe.objective]
    return session(recipe, model, data, context)


@dataclass(frozen=True)
class References:
    """Log-probability of each row by the reference, (rows,) of each part."""

    train: Tensor
    validation: Tensor


class AnswerSession(Session):
    """Training on one worker whose units are two rows of a part in a row."""

    def _shares(self, part: Corpus) -> Iterator[list[int]]:
        """Yield the units of this worker of a part, a few at a time and of like lengths."""
        lengths = self._units(part).lengths
        order = self.context.share(sorted(range(len(lengths)), key=lambda unit: (lengths[unit], unit)))
        at_once = self._validation_rows()
        for at in range(0, len(order), at_once):
            yield order[at : at + at_once]
        if self._shards is not None and self._shards.mesh.layout.is_fully_sharded:
            # Weights are gathered by all workers at the same time, also for a worker whose share has ended.
            for _ in range(self._lacking(len(lengths))):
                ids = part.batch([0]).to(self.context.device).ids
                self._computed(partial(forward.hidden_states, self.core, {"input_ids": ids}))

    def _units(self, part: Corpus) -> Units:
        lengths = part.lengths
        both = [first + second for first, second in zip(lengths[::2], lengths[1::2], strict=True)]
        return Units(part.record_ids[::2], both)

    def _losses(self, measured: list[float]) -> list[float]:
        loss, *measures = measured
        return [loss, loss, 0.0, *measures]

    def _learn(self, indices: list[int]) -> Learned:
        train, share = self.data.train, self.context.share(indices)
        norm = float(train.weights[_rows(indices)[::2]].sum())
        tokens = sum(train.tokens_of(_rows(indices)))
        numbers = self._step(list(self._equal_parts(len(indices), share, indices[0])), norm)
        if not share and self._shards is None:
            self._no_gradients()
        return Learned(list(numbers / norm), tokens)

    def _step(self, parts: Parts, norm: float) -> Tensor:
        """Compute the gradients of these units; return the sums of loss and measures, (1 + measures,)."""
        raise NotImplementedError

    def _weights_of(self, part: Corpus, rows: list[int]) -> Tensor:
        return part.weights[rows].to(self.context.device)


class RewardSession(AnswerSession):
    """Reward models: the chosen answer of a preference gets the higher reward."""

    def _curves(self) -> Curves:
        return Curves(scores=REWARD_SCORES, measures=("reward_margin", "pair_accuracy"))

    def _step(self, parts: Parts, norm: float) -> Tensor:
        totals = torch.zeros(3, device=self.context.device)
        for units, counts in parts:
            weights = counts * self._weights_of(self.data.train, _rows(units)[::2])
            losses, margins = self._compared(self.data.train, units)
            ((weights * losses).sum() / norm).backward()
            each = torch.stack([losses, margins, (margins > 0).float()]).detach()
            totals += (weights * each).sum(dim=1)
        return totals

    def _compared(self, part: Corpus, units: list[int]) -> tuple[Tensor, Tensor]:
        """Return the loss of each pair, and the difference between the rewards of its answers."""
        batch = part.batch(_rows(units)).to(self.context.device)
        with self.context.precision(self.recipe.dtype):
            values = self._computed(partial(reward_models.rewards, self.core, batch))
        margins = values[::2] - values[1::2]
        return preferences.bradley_terry_losses(margins, self.recipe.label_smoothing), margins

    def _scores(self) -> list[float]:
        part = self.data.validation
        totals = torch.zeros(4, dtype=torch.float64, device=self.context.device)
        for units in self._shares(part):
            losses, margins = self._compared(part, units)
            each = torch.stack([losses, (margins > 0).float(), margins, torch.ones_like(losses)])
            totals += (self._weights_of(part, _rows(units)[::2]) * each).sum(dim=1)
        *scores, weight = self.context.sum(totals).tolist()
        return [score / weight for score in scores]


class ComparisonSession(AnswerSession):
    """Training on one worker that compares the model with the one that it starts from."""

    def __init__(self, recipe: Recipe, model: Any, data: Data, context: WorkerContext) -> None:
        super().__init__(recipe, model, data, context)
        switch_dropout_off(model)
        self._references: References | None = None

    def run(self, checkpoints: Checkpoints, every_s: float, reporter: ProgressReporter) -> None:
        """Compute the reference, unless an earlier attempt has, and train."""
        stored = checkpoints.named(_REFERENCE)
        workers = torch.tensor([float(stored is not None)], device=self.context.device)
        known_to_all = int(self.context.sum_of_workers(workers)[0]) == self.workers
        if stored is not None and known_to_all:
            parts = (stored.tensors[name].to(self.context.device) for name in ("train", "validation"))
            self._references = References(*parts)
        elif self.context.leads:
            checkpoints.save(_REFERENCE, vars(self.references), {})
        else:
            self._references = self.references
        super().run(checkpoints, every_s, reporter)

    @property
    def references(self) -> References:
        """Log-probabilities of the reference. They are computed before the first step, while the model is it."""
        if self._references is None:
            self.model.eval()
            with torch.no_grad(), self.context.precision(self.recipe.dtype):
                parts = (self._reference(part) for part in (self.data.train, self.data.validation))
                self._references = References(*parts)
            self.model.train()
        return self._references

    def _reference(self, part: Corpus) -> Tensor:
        values = torch.zeros(len(part), device=self.context.device)
        for units in self._shares(part):
            rows = _rows(units)
            batch = part.batch(rows).to(self.context.device)
            values[rows] = self._computed(partial(objective.answer_sums, self.core, batch)).values
        return self.context.sum(values)

    def _sums(self, part: Corpus, rows: list[int]) -> objective.AnswerSums:
        """Return the log-probabilities of the answers in some rows of a part."""
        batch = part.packed(rows) if self.recipe.packed and self.model.training else part.batch(rows)
        with self.context.precision(self.recipe.dtype):
            located = batch.to(self.context.device)
            return self._computed(partial(objective.answer_sums, self.core, located))


class PreferenceSession(ComparisonSession):
    """DPO and IPO: chosen answers rather than rejected ones."""

    def _curves(self) -> Curves:
        return Curves(scores=PAIR_SCORES, measures=("reward_margin", "pair_accuracy"))

    def _step(self, parts: Parts, norm: float) -> Tensor:
        reference = self.references.train
        totals = torch.zeros(3, device=self.context.device)
        for units, counts in parts:
            rows = _rows(units)
            weights = counts * self._weights_of(self.data.train, rows[::2])
            sums = self._sums(self.data.train, rows)
            losses, margins = self._compared(sums, reference[rows])
            ((weights * losses).sum() / norm).backward()
            each = torch.stack([losses, self.recipe.beta * margins, (margins > 0).float()]).detach()
            totals += (weights * each).sum(dim=1)
        return totals

    def _compared(self, sums: objective.AnswerSums, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each pair, and the difference between the log-ratios of its answers."""
        ratios = sums.values - reference
        if self.recipe.preference_loss is PreferenceLoss.IPO:
            ratios = ratios / sums.tokens
        margins = ratios[::2] - ratios[1::2]
        return preferences.preference_losses(self.recipe, margins), margins

    def _scores(self) -> list[float]:
        part, reference = self.data.validation, self.references.validation
        totals = torch.zeros(6, dtype=torch.float64, device=self.context.device)
        for units in self._shares(part):
            rows = _rows(units)
            sums = self._sums(part, rows)
            losses, margins = self._compared(sums, reference[rows])
            before, now = reference[rows], sums.values
            each = [
                losses,
                margins > 0,
                self.recipe.beta * margins,
                now[::2] > now[1::2],
                before[::2] > before[1::2],
                torch.ones_like(losses),
            ]
            weights = self._weights_of(part, rows[::2])
            totals += (weights * torch.stack([values.float() for values in each])).sum(dim=1)
        *scores, weight = self.context.sum(totals).tolist()
        return [score / weight for score in scores]


class UnpairedSession(ComparisonSession):
    """KTO: good answers rather than bad ones."""

    def _curves(self) -> Curves:
        both = len(set(self.data.validation.labels.tolist())) > 1
        scores = (*UNPAIRED_SCORES, REWARD_MARGIN) if both else UNPAIRED_SCORES
        return Curves(scores=scores, measures=("kl", "judgement_accuracy"))

    def _divergence(self, part: Corpus, units: list[int], reference: Tensor) -> Tensor:
        """Return the sum of the log-ratios of answers to other prompts, and their number, of these units."""
        rows = _rows(units)[1::2]
        ratios = self._sums(part, rows).values - reference[rows]
        return torch.stack([ratios.sum(), ratios.new_tensor(float(len(rows)))])

    def _estimate(self, part: Corpus, parts: Iterable[tuple[list[int], bool]], reference: Tensor) -> Tensor:
        """Return the divergence from the reference over the units of all workers."""
        total = torch.zeros(2, device=self.context.device)
        with torch.no_grad():
            for units, counts in parts:
                total += counts * self._divergence(part, units, reference)
        total = self.context.sum(total)
        return preferences.kl_estimate(total[0], max(1.0, float(total[1])))

    def _step(self, parts: Parts, norm: float) -> Tensor:
        train, reference = self.data.train, self.references.train
        divergence = self._estimate(train, parts, reference)
        totals = torch.zeros(3, device=self.context.device)
        for units, counts in parts:
            rows = _rows(units)[::2]
            weights = counts * self._weights_of(train, rows)
            losses, right, _ = self._rated(train, rows, reference, divergence)
            ((weights * losses).sum() / norm).backward()
            each = torch.stack([losses, divergence.expand(len(rows)), right]).detach()
            totals += (weights * each).sum(dim=1)
        return totals

    def _rated(
        self, part: Corpus, rows: list[int], reference: Tensor, divergence: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss of each answer, whether its reward is on the right side of the divergence, and its reward."""
        good = part.labels[rows].to(self.context.device) == 1
        ratios = self._sums(part, rows).values - reference[rows]
        right = (ratios > divergence) == good
        losses = preferences.unpaired_losses(self.recipe, ratios, divergence, good)
        return losses, right.float(), self.recipe.beta * ratios

    def _scores(self) -> list[float]:
        part, reference = self.data.validation, self.references.validation
        divergence = self._estimate(part, ((units, True) for units in self._shares(part)), reference)
        totals = torch.zeros(7, dtype=torch.float64, device=self.context.device)
        for units in self._shares(part):
            rows = _rows(units)[::2]
            losses, right, rewards = self._rated(part, rows, reference, divergence)
            good = (part.labels[rows].to(self.context.device) == 1).float()
            one = torch.ones_like(losses)
            each = [losses, right, one, good * rewards, good, (1 - good) * rewards, 1 - good]
            totals += (self._weights_of(part, rows) * torch.stack(each)).sum(dim=1)
        loss, right, weight, good_rewards, good, bad_rewards, bad = self.context.sum(totals).tolist()
        margin = [good_rewards / good - bad_rewards / bad] if REWARD_MARGIN in self.curves.scores else []
        return [loss / weight, right / weight, float(divergence), *margin]


def _rows(units: list[int]) -> list[int]:
    """Return the rows of units, the two of each one after another."""
    return [row for unit in units for row in (2 * unit, 2 * unit + 1)]


_SESSIONS: dict[Objective, type[Session]] = {
    Objective.SFT: Session,
    Objective.DPO: PreferenceSession,
    Objective.KTO: UnpairedSession,
    Objective.REWARD_MODEL: RewardSession,
    Objective.GRPO: GrpoSession,
    Objective.DISTILLATION: Session,
    Objective.PRETRAIN: Session,
}
