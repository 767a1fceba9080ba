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


OTHERS_WEIGHT = 3.0
"""Additional weight of the loss of tokens that are no numbers, where a number is right: each number of a scale has a
few percent, and greedy decoding would prefer a token with a few more."""


class SharedTargets:
    """Targets of the answers that are one number each: near numbers share them (see `numbers`).

    `tokens` are the numbers' tokens, (numbers,); `shares` each one's target over them, (numbers, numbers).
    """

    def __init__(self, tokens: Tensor, shares: Tensor) -> None:
        self.tokens, self.shares = tokens, shares
        self._entropies = torch.special.entr(shares).sum(dim=1)

    def any_number(self, ids: Tensor, answer: Tensor) -> Tensor:
        """Return the input tokens, (rows, places), with a number at random in place of each answer that is one.

        So the model learns that an answer ends after any number, also after one that is no answer of a record.
        """
        answered = torch.zeros_like(answer)
        answered[:, 1:] = answer[:, :-1]
        drawn = self.tokens[torch.randint(len(self.tokens), ids.shape, device=ids.device)]
        return torch.where(answered & torch.isin(ids, self.tokens), drawn, ids)

    def losses(self, logits: Tensor, targets: Tensor, plain: Tensor) -> Tensor:
        """Return the losses of places, (places,): `plain` where the target is no number.

        Of a number, the divergence of the model's distribution from the shared target: 0 if they are the same.
        """
        matches = targets.unsqueeze(1) == self.tokens
        places = matches.any(dim=1).nonzero().squeeze(1)
        if not len(places):
            return plain
        numbers = matches[places].int().argmax(dim=1)
        scores = logits[places].float().log_softmax(dim=1)[:, self.tokens]
        divergences = -(self.shares[numbers] * scores).sum(dim=1) - self._entropies[numbers]
        others = -scores.logsumexp(dim=1)
        return plain.index_put((places,), (divergences + OTHERS_WEIGHT * others).to(plain.dtype))


def losses(
    model: Any,
    batch: Batch | Packed,
    *,
    language: bool,
    smoothing: float = 0.0,
    shared: SharedTargets | None = None,
) -> Losses:
    """The sums over a batch; `language` says whether the text's tokens are predicted as well as the answer's.

    `smoothing` is the share of an answer's target that is spread over all tokens (Szegedy et al. 2016); the targets of
    numbers are `shared`.
    """
    inputs = batch.model_inputs()
    if shared is not None and model.training:
        inputs["input_ids"] = shared.any_number(inputs["input_ids"], batch.places()[0])
    hidden = forward.hidden_states(model, inputs)
    return losses_of(model, hidden, batch, language=language, smoothing=smoothing, shared=shared)


def losses_of(
    model: Any,
    hidden: Tensor,
    batch: Batch | Packed,
    *,
    language: bool,
    smoothing: float = 0.0,
    shared: SharedTargets | None = None,
) -> Losses:
    """Return the sums over a batch whose states before the output layer are known, (rows, places, width)."""
    places, states, targets = batch.chosen(), hidden.flatten(0, 1), batch.targets.flatten()
    weights = batch.place_weights()
    flat = None if weights is None else weights.flatten()

    def at(chosen: Tensor, smoothed: float, numbers: SharedTargets | None) -> Tensor:
        own = None if flat is None else flat[chosen]
        return _cross_entropy(model, states[chosen], targets[chosen], smoothed, own, numbers)

    answer_sum = at(places.answer, smoothing, shared)
    if not language or not len(places.text):
        return Losses(answer_sum, torch.zeros((), device=hidden.device))
    return Losses(answer_sum, at(places.text, 0.0, None))


def answers(model: Any, batch: Batch, label_tokens: Tensor) -> Tensor:
    """Return the predicted label of each sample: the likeliest first answer token among the labels'."""
    hidden = forward.hidden_states(model, batch.model_inputs())
    rows = torch.arange(batch.rows, device=hidden.device)
    logits = forward.logits(model, hidden[rows, batch.lengths - batch.answers - 1])
    return logits[:, label_tokens].argmax(dim=1)


def numbers(model: Any, batch: Batch, number_tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return the right and the answered number of each answer that is one, as places in `number_tokens`, by value.

    Where a token that is no number is the likeliest one, the answer counts as the number farthest from the right one.
    """
    answer, _ = batch.places()
    matches = batch.targets[answer].unsqueeze(1) == number_tokens
    known = matches.any(dim=1)
    hidden = forward.hidden_states(model, batch.model_inputs())[answer][known]
    logits = forward.logits(model, hidden)
    right, last = matches[known].int().argmax(dim=1), len(number_tokens) - 1
    farthest = torch.where(2 * right < last, last, 0)
    is_number = torch.isin(logits.argmax(dim=1), number_tokens)
    return right, torch.where(is_number, logits[:, number_tokens].argmax(dim=1), farthest)


def _cross_entropy(
    model: Any,
    hidden: Tensor,
    targets: Tensor,
    smoothing: float,
    weights: Tensor | None,
    shared: SharedTargets | None,
) -> Tensor:
    logits = forward.logits(model, hidden)
    if weights is None and shared is None:
        return F.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
    each = F.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)
    if shared is not None:
        each = shared.losses(logits, targets, each)
    return each.sum() if weights is None else (weights * each).sum()


def token_log_probabilities(model: Any, batch: Batch, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each token of the answers, (tokens,): its log-probability at a temperature, the entropy of the
    distribution that it was drawn from (nats, without a gradient), and the row of its answer.
    """
    hidden = forward.hidden_states(model, batch.model_inputs())
    answer, _ = batch.places()
    logs = (forward.logits(model, hidden[answer]) / temperature).log_softmax(dim=-1)
    values = logs.gather(1, batch.targets[answer].unsqueeze(1)).squeeze(1)
    with torch.no_grad():
        entropy = -(logs.exp() * logs).sum(dim=-1)
    return values, entropy, batch.samples()[answer]


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
