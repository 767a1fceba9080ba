"""Losses of preferences and of judged answers, each a function of the log-probabilities of whole answers.

All arguments are (samples,): log-probabilities (nats) of answers by the model and by its reference, the model that
training starts from. A reward is `beta` times the logarithm of their ratio.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ratoon_training.domain.recipes import PreferenceLoss, Recipe


def preference_losses(recipe: Recipe, margins: Tensor) -> Tensor:
    """Return the loss of each pair; `margins` are the differences between the log-ratios of both answers.

    SIGMOID: DPO (Rafailov et al. 2023, equation 7), conservative if smoothed (Mitchell 2023). IPO (Azar et al. 2023,
    equation 17): log-ratios are means over the tokens of an answer, as TRL has them.
    """
    if recipe.preference_loss is PreferenceLoss.IPO:
        return (margins - 1 / (2 * recipe.beta)) ** 2
    return bradley_terry_losses(recipe.beta * margins, recipe.label_smoothing)


def bradley_terry_losses(margins: Tensor, reversed_share: float = 0.0) -> Tensor:
    """Return the loss of each pair by the difference between its rewards, as TRL's reward trainer has it.

    `reversed_share` of the preferences are assumed to be reversed.
    """
    return -(1 - reversed_share) * F.logsigmoid(margins) - reversed_share * F.logsigmoid(-margins)


def unpaired_losses(recipe: Recipe, log_ratios: Tensor, divergence: Tensor, good: Tensor) -> Tensor:
    """Return the loss of each judged answer (KTO, Ethayarajh et al. 2024, equation 8); `good` is true or false each.

    `divergence` is an estimate of the distance from the reference (nats): `kl_estimate` of answers to other prompts.
    """
    signs = torch.where(good, 1.0, -1.0)
    weights = torch.where(good, recipe.good_weight, recipe.bad_weight)
    return weights * (1 - torch.sigmoid(signs * recipe.beta * (log_ratios - divergence)))


def kl_estimate(log_ratio_sum: Tensor, samples: float) -> Tensor:
    """Return the mean of log-ratios of answers to other prompts, at least 0: it takes no part in the gradient."""
    return (log_ratio_sum / samples).clamp(min=0.0).detach()
