"""Loss of group relative policy optimization, as TRL's trainer has it; all tokens of the answers stand in one row.

`answer` numbers the answer of each token. A sum is divided by what the whole step has, over all workers.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ratoon_training.domain.rewards import Grpo, PolicyLoss


@dataclass(frozen=True)
class Tokens:
    """The tokens of some answers in a row: the answer of each, and its log-probability (nats) by several models."""

    answer: Tensor
    """Number of the answer of each token, (tokens,)."""
    old: Tensor
    """By the model that wrote the answer, as the trainer computes it."""
    generated: Tensor
    """By the model that wrote the answer, as the generator computed it."""
    reference: Tensor | None
    """By the model that training starts from; None: it does not count."""


@dataclass(frozen=True)
class Norm:
    """What a step's sums are divided by: its numbers of tokens and of answers, over all workers."""

    tokens: float
    answers: float


@dataclass(frozen=True)
class Terms:
    """Loss of the tokens, (tokens,), and what is measured of them."""

    losses: Tensor
    clipped: Tensor
    correction: Tensor
    divergence: Tensor


def terms(grpo: Grpo, now: Tensor, tokens: Tokens, advantages: Tensor) -> Terms:
    """Return the loss of each token; `now` is its log-probability by the model, `advantages` those of the answers."""
    ratio = (now - tokens.old).exp()
    advantage = advantages[tokens.answer]
    held = ratio.clamp(1 - grpo.clip_low, 1 + grpo.clip_high)
    losses = -torch.minimum(ratio * advantage, held * advantage)
    correction = (tokens.old - tokens.generated).exp().clamp(max=grpo.max_correction)
    losses = losses * correction
    divergence = torch.zeros_like(now)
    if tokens.reference is not None:
        difference = tokens.reference - now
        divergence = difference.exp() - difference - 1
        losses = losses + grpo.kl_weight * divergence
    clipped = ((ratio < 1 - grpo.clip_low) & (advantage < 0)) | (
        (ratio > 1 + grpo.clip_high) & (advantage > 0)
    )
    return Terms(losses, clipped.float().detach(), correction.detach(), divergence.detach())


def averaged(grpo: Grpo, losses: Tensor, tokens: Tokens, weights: Tensor, norm: Norm) -> Tensor:
    """Return the share of the loss of a step that these answers have; `weights` are those of the answers."""
    weighted = losses * weights[tokens.answer]
    match grpo.loss:
        case PolicyLoss.TOKEN:
            return weighted.sum() / norm.tokens
        case PolicyLoss.LENGTH:
            return weighted.sum() / (norm.answers * grpo.max_new_tokens)
        case PolicyLoss.ANSWER:
            sums = torch.zeros_like(weights).index_add(0, tokens.answer, weighted)
            counts = torch.zeros_like(weights).index_add(0, tokens.answer, torch.ones_like(weighted))
            return (sums / counts.clamp(min=1.0)).sum() / norm.answers
