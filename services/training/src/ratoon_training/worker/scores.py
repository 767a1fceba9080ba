"""Scores of validation while training; the evaluation of a model belongs to the evaluation service."""

import math
from collections.abc import Sequence

from ratoon.tasks import number_metrics

LABEL_SCORES = ("loss", "accuracy", "macro_f1")
"""Scores of a model that answers with labels: mean loss of the answers in nats, and how often they are right."""
NUMBER_SCORES = ("loss", "mae", "mse", "rmse", "r2", "spearman")
"""Scores of a model whose answers are numbers of one token: mean loss of the answers' tokens, and the answered numbers
against the right ones, where an answer that is no number is as wrong as can be. A correlation that is not defined,
because one side is constant, is 0."""
TEXT_SCORES = ("loss", "perplexity")
"""Scores of a model that answers with texts: mean loss of the answers' tokens in nats, and e to its power."""
PAIR_SCORES = (
    "loss",
    "pair_accuracy",
    "reward_margin",
    "ranking_accuracy",
    "reference_ranking_accuracy",
)
"""Scores of DPO: mean loss; share of pairs whose chosen answer has the higher reward, and by how much on average; share
of pairs whose chosen answer is the likelier one, of this model and of the one that training started from."""
REWARD_SCORES = ("loss", "pair_accuracy", "reward_margin")
"""Scores of a reward model: mean loss; share of pairs whose chosen answer has the higher reward, and by how much on
average."""
DISTILLED_SCORES = ("loss", "perplexity", "teacher_loss", "teacher_divergence")
"""Scores of distillation: mean loss of the right tokens and its perplexity, the same loss of the teacher, and the
divergence of the student from it, at the temperature of the training."""
UNPAIRED_SCORES = ("loss", "judgement_accuracy", "kl")
"""Scores of KTO: mean loss, share of answers whose reward is on the right side of the divergence, the divergence."""
REWARD_MARGIN = "reward_margin"
"""Score of KTO if the part has good and bad answers: difference between their mean rewards."""
POLICY_SCORES = (
    "loss",
    "reward",
    "reference_reward",
    "exact_match",
    "reference_exact_match",
    "unscored",
    "answer_tokens",
)
"""Scores of GRPO: the negative mean reward; mean reward and share of exact matches of answers that the model draws, and
those of the model that training started from; share of answers without a reward; mean tokens of an answer."""
DECISIVE_SCORES = ("macro_f1", "pair_accuracy", "reward")
"""Scores by which epochs are compared: shares of what is right. Others are compared by their loss."""
ERRORS = ("mae", "mse", "rmse")
"""Scores that are better when they are lower."""
_SMALLEST_ERROR, _RELATIVE_DEVIATION = 1e-9, 0.76
_MAX_EXPONENT = 700.0


def perplexity(loss: float) -> float:
    """Return the perplexity of a loss in nats a token; of a loss of more than 700, that of 700."""
    return math.exp(min(loss, _MAX_EXPONENT))


def number_scores(right: Sequence[float], predicted: Sequence[float]) -> list[float]:
    """Return the scores of predicted numbers, NUMBER_SCORES without the loss."""
    measured = (getattr(number_metrics, name)(right, predicted) for name in NUMBER_SCORES[1:])
    return [0.0 if value is None else value for value in measured]


def comparable(name: str, value: float) -> float:
    """Return a score such that higher is better; of an error its negative logarithm.

    A difference of 0.005 is then half a percentage point of a share, or half a percent of an error.
    """
    return -math.log(max(value, _SMALLEST_ERROR)) if name in ERRORS else value


def standard_error(name: str, score: float, records: int) -> float:
    """Return the standard error of a comparable score over a number of records: of a share as of a proportion.

    That of the logarithm of an error is relative: absolute errors that are distributed normally around 0 deviate by
    0.76 of their mean.
    """
    if name in ERRORS:
        return _RELATIVE_DEVIATION / math.sqrt(max(1, records))
    return math.sqrt(max(0.0, score * (1 - score)) / max(1, records))


def macro_f1(confusion: Sequence[Sequence[float]]) -> float:
    """The mean over labels of F1, from counts by (true label, predicted label); labels without samples are left out."""
    scores = []
    for label in range(len(confusion)):
        hit = confusion[label][label]
        predicted, true = sum(row[label] for row in confusion), sum(confusion[label])
        if true:
            scores.append(2 * hit / (predicted + true))
    return sum(scores) / len(scores) if scores else 0.0
