"""Supervised fine-tuning on a device of XLA: one core, or several that share the rows of a batch.

XLA compiles a program for each shape of its inputs, for minutes on Trainium. So batches have few shapes: all rows of
a share, and places up to the next of a few lengths. What a batch lacks is padding that does not count: losses are
computed at all places and masked, since a selection of places has a shape that depends on the data.

Each core has a copy of the weights and a share of the rows; XLA adds what sums over the cores (GSPMD, Xu et al. 2021).
"""

import bisect
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ratoon_training.worker import forward, models, xla
from ratoon_training.worker.checkpoints import Checkpoints
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Batch, Corpus
from ratoon_training.worker.objective import Losses
from ratoon_training.worker.reporting import ProgressReporter
from ratoon_training.worker.scores import macro_f1, perplexity
from ratoon_training.worker.session import Drawn, Part, Session, parts_of

_SHORTEST = 32
"""Places of the shortest shape; each other one has twice the places of the one before."""


def shapes(longest: int) -> list[int]:
    """Return the numbers of places of the batches of a part, ascending; the last one holds its longest sample."""
    sizes = [_SHORTEST]
    while sizes[-1] < longest:
        sizes.append(2 * sizes[-1])
    return sizes


def padded(batch: Batch, rows: int, places: int) -> Batch:
    """Return the batch with this many rows and places; none of those that are new is a target."""
    more, longer = rows - batch.rows, places - batch.answer.shape[1]
    return Batch(
        F.pad(batch.ids, (0, longer, 0, more)),
        F.pad(batch.lengths, (0, more)),
        F.pad(batch.answers, (0, more)),
        F.pad(batch.labels, (0, more)),
        F.pad(batch.answer, (0, longer, 0, more)),
        None if batch.weights is None else F.pad(batch.weights, (0, more)),
    )


def losses(model: Any, batch: Batch, *, language: bool, smoothing: float) -> Losses:
    """Return the sums that `objective.losses` returns, by operations whose shapes do not depend on the data."""
    logits = forward.logits(model, forward.hidden_states(model, batch.model_inputs()))
    answer, text = batch.places()
    answers = _masked(logits, batch, answer, smoothing)
    if not language:
        return Losses(answers, torch.zeros_like(answers))
    return Losses(answers, _masked(logits, batch, text, 0.0))


def _masked(logits: Tensor, batch: Batch, places: Tensor, smoothing: float) -> Tensor:
    flat, targets = logits.flatten(0, 1), batch.targets.flatten()
    each = F.cross_entropy(flat, targets, reduction="none", label_smoothing=smoothing).view(places.shape)
    weights = batch.place_weights()
    counted = each * places
    return counted.sum() if weights is None else (counted * weights).sum()


class XlaSession(Session):
    """Supervised fine-tuning on one XLA device. When it has run, its model is on the CPU."""

    def __init__(self, recipe: Any, model: Any, data: Any, context: WorkerContext) -> None:
        super().__init__(recipe, model, data, context)
        self._shapes = shapes(
            max(max(data.train.lengths, default=2), max(data.validation.lengths, default=2))
        )
        self._cores = context.devices
        self.compilations = 0
        """Programs that the session compiled."""
        self._before = xla.compilations()

    def run(self, checkpoints: Checkpoints, every_s: float, reporter: ProgressReporter) -> None:
        """Train from the last checkpoint to the end; the model then has the weights to publish, on the CPU."""
        super().run(checkpoints, every_s, reporter)
        self._leave_device()

    def measured(self) -> dict[str, float]:
        """Return the number of compilations."""
        return {"compilations": float(self.compilations)}

    def take_last_good(self, checkpoints: Checkpoints) -> bool:
        """Take the last good weights, on the CPU."""
        has_any = super().take_last_good(checkpoints)
        self._leave_device()
        return has_any

    def _leave_device(self) -> None:
        self.compilations = xla.compilations() - self._before
        models.place(self.model, torch.device("cpu"))
        self.context = WorkerContext()
        self.trainable = {name: each for name, each in self.model.named_parameters() if each.requires_grad}

    def _parts(self, samples: Corpus, share: list[int]) -> list[Part]:
        return []

    def _backward(self, drawn: Drawn, weight: float) -> tuple[Tensor, Tensor]:
        norms = drawn.norms
        answer = language = torch.zeros((), device=self.context.device)
        rows = self._rows(self.recipe.batch_size)
        for part in parts_of(drawn.share, self.recipe.gradient_accumulation):
            batch = self._shaped(drawn.samples, part, rows)
            with self.context.precision(self.recipe.dtype):
                sums = losses(self.core, batch, language=weight > 0, smoothing=self.recipe.label_smoothing)
            (sums.answer / norms[0] + weight * sums.language / norms[1]).backward()
            answer, language = answer + sums.answer.detach(), language + sums.language.detach()
        return answer, language

    def _rows(self, batch_size: int) -> int:
        return self._divisible(-(-batch_size // self.recipe.gradient_accumulation))

    def _divisible(self, rows: int) -> int:
        """Return the number of rows that all cores share equally."""
        return -(-rows // self._cores) * self._cores

    def _shaped(self, part: Corpus, indices: list[int], rows: int) -> Batch:
        """Return samples as a batch of one of the session's shapes, on the device."""
        batch = part.batch(indices)
        places = self._shapes[bisect.bisect_left(self._shapes, batch.answer.shape[1])]
        shaped = padded(batch, rows, places).to(self.context.device)
        if self._cores > 1:
            for each in (
                shaped.ids,
                shaped.lengths,
                shaped.answers,
                shaped.labels,
                shaped.answer,
                shaped.weights,
            ):
                if each is not None:
                    xla.shard(each)
        return shaped

    def _clipped(self, sums: list[Tensor]) -> Tensor:
        """Clip the gradient and return its norm; the device computes here what it was given so far."""
        norm = super()._clipped(sums)
        xla.compute()
        return norm

    def _move_average(self) -> None:
        super()._move_average()
        xla.compute()

    def _validation_batches(self) -> Iterator[Batch]:
        part, rows = self.data.validation, self._divisible(self._validation_rows())
        order = sorted(range(len(part)), key=lambda index: (part.lengths[index], index))
        for at in range(0, len(order), rows):
            yield self._shaped(part, order[at : at + rows], rows)

    def _scores(self) -> list[float]:
        """Return the scores of the validation part, the loss first; sums are of the CPU, which has float64."""
        part, tokens = self.data.validation, self.data.validation.label_tokens
        total, right = 0.0, torch.zeros(len(tokens), len(tokens), dtype=torch.float64)
        for batch in self._validation_batches():
            loss = losses(self.core, batch, language=False, smoothing=0.0).answer
            predicted = _labels(self.core, batch, tokens.to(self.context.device)) if part.has_labels else None
            xla.compute()
            total += float(loss)
            if predicted is not None:
                own = batch.lengths.cpu() > 0
                right.index_put_(
                    (batch.labels.cpu()[own], predicted.cpu()[own]),
                    torch.ones((), dtype=torch.float64),
                    accumulate=True,
                )
        mean = total / part.norms()[0]
        if not part.has_labels:
            return [mean, perplexity(mean)]
        return [mean, float(right.trace()) / len(part), macro_f1(right.tolist())]


def _labels(model: Any, batch: Batch, tokens: Tensor) -> Tensor:
    """Return the likeliest label of each row; of a row that is padding, any."""
    hidden = forward.hidden_states(model, batch.model_inputs())
    last = (batch.lengths - batch.answers - 1).clamp(min=0)
    rows = torch.arange(batch.rows, device=hidden.device)
    return forward.logits(model, hidden[rows, last])[:, tokens].argmax(dim=1)
