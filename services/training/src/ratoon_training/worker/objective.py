"""Objective of a step: the answer's loss plus a share of the language model's loss.

Hidden states of padding never reach the output layer, and where the language model has no weight only the answer's
positions do: the output layer is half the work of a small model.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ratoon_training.worker import forward
from ratoon_training.worker.corpus import Batch, Packed


class Losses(NamedTuple):
    """Sums of cross-entropies (nats) on one worker, each token as often as its sample weighs."""

    answer: Tensor
    language: Tensor


def losses(model: Any, batch: Batch | Packed, *, language: bool, smoothing: float = 0.0) -> Losses:
    """The sums over a batch; `language` says whether the text's tokens are predicted as well as the answer's.

    `smoothing` is the share of an answer's target that is spread over all tokens (Szegedy et al. 2016).
    """
    hidden = forward.hidden_states(model, batch.model_inputs())
    targets = batch.targets
    answer, text = batch.places()
    weights = batch.place_weights()
    answer_sum = _cross_entropy(
        model, hidden[answer], targets[answer], smoothing, None if weights is None else weights[answer]
    )
    if not language or not bool(text.any()):
        return Losses(answer_sum, torch.zeros((), device=hidden.device))
    text_weights = None if weights is None else weights[text]
    return Losses(answer_sum, _cross_entropy(model, hidden[text], targets[text], weights=text_weights))


def answers(model: Any, batch: Batch, label_tokens: Tensor) -> Tensor:
    """Return the predicted label of each sample: the likeliest first answer token among the labels'."""
    hidden = forward.hidden_states(model, batch.model_inputs())
    rows = torch.arange(batch.rows, device=hidden.device)
    logits = forward.logits(model, hidden[rows, batch.lengths - batch.answers - 1])
    return logits[:, label_tokens].argmax(dim=1)


def _cross_entropy(
    model: Any, hidden: Tensor, targets: Tensor, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    logits = forward.logits(model, hidden)
    if weights is None:
        return F.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
    each = F.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)
    return (weights * each).sum()


class AnswerSums(NamedTuple):
    """Log-probability (nats) of each sample's answer, the sum over its tokens; and the numbers of these tokens."""

    values: Tensor
    tokens: Tensor


def answer_sums(model: Any, batch: Batch | Packed) -> AnswerSums:
    """Return the log-probability of the answer of each sample in a batch: (samples,) each."""
    hidden = forward.hidden_states(model, batch.model_inputs())
    answer, _ = batch.places()
    logits = forward.logits(model, hidden[answer])
    each = -F.cross_entropy(logits, batch.targets[answer], reduction="none")
    sample = batch.samples()[answer]
    count = int(batch.samples().max()) + 1
    values = torch.zeros(count, device=each.device, dtype=each.dtype).index_add(0, sample, each)
    tokens = torch.zeros_like(values).index_add(0, sample, torch.ones_like(each))
    return AnswerSums(values, tokens)
