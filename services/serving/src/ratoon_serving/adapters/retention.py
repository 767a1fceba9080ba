"""Retention of serving: rollouts that ended, and engines that were stopped."""

from ratoon.storage.retention import Retention
from ratoon_serving.adapters.tables import RESOURCES
from ratoon_serving.domain.engine import Engine, EngineState
from ratoon_serving.domain.rollouts.rollout import Rollout
from ratoon_serving.settings import Settings


def retentions(settings: Settings) -> list[Retention]:
    """Return the retention of each kind; the latest rollout of a deployment stays, so that it can be undone."""
    days = settings.rollout_days
    return [
        Retention(Rollout, RESOURCES[Rollout], days, lambda rollout: rollout.ended),
        Retention(
            Engine, RESOURCES[Engine], days, lambda engine: engine.state is EngineState.ABSENT, newest=0
        ),
    ]
