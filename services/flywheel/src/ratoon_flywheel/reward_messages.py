"""Rewards of a project as messages, for its resource and for training runs."""

from typing import Any

from ratoon.training.v1 import grpo_pb2
from ratoon_flywheel.domain.project_settings import Reward

_EXACT_MATCH = Reward().kind
"""The one kind that has no value of its own."""


def reward_message(reward: Reward) -> grpo_pb2.Reward:
    """Return a reward as a message."""
    stated: dict[str, Any] = {reward.kind: True if reward.kind == _EXACT_MATCH else reward.value}
    return grpo_pb2.Reward(weight=reward.weight, **stated)


def reward_of(message: grpo_pb2.Reward) -> Reward:
    """Return the reward of a message; a weight of 0 is 1."""
    kind = message.WhichOneof("reward") or _EXACT_MATCH
    value = "" if kind == _EXACT_MATCH else str(getattr(message, kind))
    return Reward(kind, value, message.weight or 1.0)
