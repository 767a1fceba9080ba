"""Distillation: the student learns the probabilities of a teacher, or answers that the teacher writes.

Both read the same tokens where it learns probabilities; an embedding of spare rows on one side counts for nothing.
Answers are written before the first step, once for all attempts, and are a function of the teacher and the prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ratoon.storage.models import base_digest
from ratoon_training.domain.recipes import Recipe
from ratoon_training.worker import forward, models, packing
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Batch, Corpus, Packed
from ratoon_training.worker.curves import Curves
from ratoon_training.worker.generation import Decoding, answers
from ratoon_training.worker.prepare import TEACHER
from ratoon_training.worker.prompts import Prompt, read_prompts
from ratoon_training.worker.scores import DISTILLED_SCORES, perplexity
from ratoon_training.worker.session import Data, Drawn, Session
from ratoon_training.worker.taught import PROMPTS, prompt_tokens, save_answers
from ratoon_training.worker.text import Speech, of_base

_AT_ONCE = 64
"""Answers that the teacher writes at once."""


@dataclass(frozen=True)
class TaughtData(Data):
    """The two parts of a split, and the teacher."""

    teacher: Any

    @staticmethod
    def read(recipe: Recipe, prepared: Path) -> "TaughtData":
        """Return what `prepare` wrote, with the teacher."""
        teacher = teacher_of(recipe, prepared)
        if recipe.packed:
            packing.allow(teacher)
        return TaughtData(Corpus(prepared / "train.npz"), Corpus(prepared / "validation.npz"), teacher)


def teacher_of(recipe: Recipe, prepared: Path) -> Any:
    """Return the teacher, which does not learn."""
    path = prepared / TEACHER / recipe.distillation.teacher
    base = base_digest(path)
    model = models.whole(path, path.with_name(base) if base else None)
    return model.eval().requires_grad_(False)


def divergences(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the divergence of the student from the teacher at each place (nats), times the squared temperature.

    Logits are (places, tokens) each. Rows beyond the narrower of both embeddings are no tokens: they are left out.
    """
    width = min(student.shape[-1], teacher.shape[-1])
    now = (student[:, :width] / temperature).log_softmax(-1)
    taught = (teacher[:, :width] / temperature).log_softmax(-1)
    return temperature**2 * (taught.exp() * (taught - now)).sum(-1)


class DistillationSession(Session):
    """Training on one worker that learns the probabilities of a teacher."""

    data: TaughtData

    def __init__(self, recipe: Recipe, model: Any, data: Data, context: WorkerContext) -> None:
        super().__init__(recipe, model, data, context)
        self.data.teacher.to(context.device)

    def _curves(self) -> Curves:
        return Curves(scores=DISTILLED_SCORES)

    def _backward(self, drawn: Drawn, weight: float) -> tuple[Tensor, Tensor]:
        zero = torch.zeros((), device=self.context.device)
        if not drawn.share and self._shards is None:
            return self._no_gradients(), zero
        total = zero
        for part in drawn.parts:
            batch = part.batch.to(self.context.device)
            with self.context.precision(self.recipe.dtype):
                right, taught, _ = self._compared(batch)
            share_taught = self.recipe.distillation.weight
            loss = _weighted(batch, (1 - share_taught) * right + share_taught * taught)
            (part.counts * loss / drawn.norms[0]).backward()
            total = total + part.counts * loss.detach()
        return total, zero

    def _compared(self, batch: Batch | Packed) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss of the right token at each place of the answers, the divergence, and the teacher's loss."""
        answer, _ = batch.places()
        targets = batch.targets[answer]
        logits = self._computed(partial(_answer_logits, self.core, batch))
        with torch.no_grad():
            taught = _answer_logits(self.data.teacher, batch)
        right = F.cross_entropy(
            logits, targets, reduction="none", label_smoothing=self.recipe.label_smoothing
        )
        divergence = divergences(logits, taught, self.recipe.distillation.temperature)
        return right, divergence, F.cross_entropy(taught, targets, reduction="none")

    @property
    def _passes(self) -> int:
        return 1

    def _scores(self) -> list[float]:
        """Return loss and perplexity of the right answers, those of the teacher, and the divergence from it."""
        totals = torch.zeros(3, dtype=torch.float64, device=self.context.device)
        for batch in self._validation_batches():
            right, divergence, taught = self._compared(batch)
            totals += torch.stack([_weighted(batch, each) for each in (right, taught, divergence)])
        norm = self.data.validation.norms()[0]
        loss, of_teacher, divergence_ = (self.context.sum(totals) / norm).tolist()
        return [loss, perplexity(loss), of_teacher, divergence_]


def _answer_logits(model: Any, batch: Batch | Packed) -> Tensor:
    """Return the logits of the places that predict a token of an answer, (places, tokens)."""
    states = forward.hidden_states(model, batch.model_inputs())
    return forward.logits(model, states[batch.places()[0]])


def _weighted(batch: Batch | Packed, each: Tensor) -> Tensor:
    weights = batch.place_weights()
    return each.sum() if weights is None else (weights[batch.places()[0]] * each).sum()


# Answers of the teacher


def distilled(recipe: Recipe, prepared: Path, context: WorkerContext) -> Data:
    """Return the parts of a run whose training answers are the teacher's: written at the first attempt.

    Those of an endpoint were written when the run was prepared. The validation part keeps its right answers, so that
    its loss is that of supervised training.
    """
    path = prepared / "train.npz"
    if not path.exists():
        teacher = teacher_of(recipe, prepared).to(context.device)
        own = of_base(prepared / TEACHER / recipe.distillation.teacher)
        save_answers(prepared, recipe, _written(recipe, teacher, own, read_prompts(prepared / PROMPTS)))
    return Data(Corpus(path), Corpus(prepared / "validation.npz"))


def _written(recipe: Recipe, teacher: Any, speech: Speech, prompts: Sequence[Prompt]) -> list[str]:
    """Return the teacher's answers, written in its own tokens and template."""
    settings = recipe.distillation
    decoding = Decoding(frozenset({speech.end}), settings.max_new_tokens, settings.temperature)
    tokens = prompt_tokens(speech, prompts)
    order = sorted(range(len(tokens)), key=lambda at: (len(tokens[at]), at))
    texts = [""] * len(tokens)
    for number, start in enumerate(range(0, len(order), _AT_ONCE)):
        places = order[start : start + _AT_ONCE]
        written = answers(teacher, [tokens[at] for at in places], decoding, recipe.seed * 1_000_003 + number)
        for at, answer in zip(places, written, strict=True):
            texts[at] = speech.tokenizer.decode(answer.ids, skip_special_tokens=True)
    return texts
