"""The learning-rate procedure at work: short trials on copies of the beginning, and the rate they leave."""

import copy
from dataclasses import replace
from typing import Any

from ratoon_training.domain import learning_rate
from ratoon_training.domain.errors import LossNotFinite
from ratoon_training.domain.learning_rate import Trial
from ratoon_training.domain.recipes import LR_PROCEDURE, Recipe
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.session import Data
from ratoon_training.worker.sessions import session_of


def searched(recipe: Recipe, model: Any, data: Data, context: WorkerContext) -> tuple[Recipe, list[Trial]]:
    """The recipe with the rate that the procedure finds, and the trials; without a sweep, the recipe as it is."""
    if recipe.sweep != LR_PROCEDURE:
        return recipe, []
    trace: list[Trial] = []
    while (rate := learning_rate.next_rate(trace)) is not None:
        losses = _trial(replace(recipe, learning_rate=rate), copy.deepcopy(model), data, context)
        trace.append(Trial(rate, tuple(losses), learning_rate.trend_of(losses)))
    return replace(recipe, learning_rate=learning_rate.chosen(trace)), trace


def _trial(recipe: Recipe, model: Any, data: Data, context: WorkerContext) -> list[float]:
    """Losses of a few steps at a constant rate, compared by the answer's."""
    session = session_of(recipe, model, data, context)
    losses: list[float] = []
    for _ in range(min(session.steps, learning_rate.TRIAL_STEPS)):
        try:
            losses.append(session.train_step(recipe.learning_rate)[2])
        except LossNotFinite:
            return [*losses, float("nan")]
    return losses
