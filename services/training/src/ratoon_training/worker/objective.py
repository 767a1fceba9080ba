"""What a step minimises: the answer's loss plus a share of the language model's. The head sees only what counts.

Hidden states of padding never reach the output layer, and where the language model has no weight only the answer's
positions do: the output layer is half the work of a small model.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ratoon_training.worker.corpus import Batch


class Losses(NamedTuple):
    """Sums of cross-entropies (nats) on one worker."""

    answer: Tensor
    language: Tensor


def losses(model: Any, batch: Batch, *, language: bool) -> Losses:
    """The sums over a batch; `language` says whether the text's tokens are predicted as well as the answer's."""
    hidden = model.get_decoder()(input_ids=batch.ids[:, :-1], use_cache=False).last_hidden_state
    targets = batch.ids[:, 1:]
    answer, real = _masks(batch, targets.shape[1])
    answer_sum = _cross_entropy(model, hidden[answer], targets[answer])
    text = real & ~answer
    if not language or not bool(text.any()):
        return Losses(answer_sum, torch.zeros((), device=hidden.device))
    return Losses(answer_sum, _cross_entropy(model, hidden[text], targets[text]))


def answers(model: Any, batch: Batch, label_tokens: Tensor) -> Tensor:
    """Which label each sample would be answered with: the likeliest first answer token among the labels'."""
    hidden = model.get_decoder()(input_ids=batch.ids[:, :-1], use_cache=False).last_hidden_state
    rows = torch.arange(batch.rows, device=hidden.device)
    logits = model.get_output_embeddings()(hidden[rows, batch.lengths - batch.answers - 1])
    return logits[:, label_tokens].argmax(dim=1)


def _masks(batch: Batch, width: int) -> tuple[Tensor, Tensor]:
    """Which positions predict a token of the answer, and which predict any real token: (rows, width) each."""
    positions = torch.arange(width, device=batch.ids.device)
    last = (batch.lengths - 1).unsqueeze(1)
    real = positions < last
    return real & (positions >= last - batch.answers.unsqueeze(1)), real


def _cross_entropy(model: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(model.get_output_embeddings()(hidden).float(), targets, reduction="sum")
