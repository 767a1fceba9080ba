"""Rewards and the teacher of a project as messages, for its resource and for training runs."""

from typing import Any

from ratoon.training.v1 import distillation_pb2, grpo_pb2
from ratoon_flywheel.domain.project_settings import Distillation, Reward

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


def distillation_message(value: Distillation) -> distillation_pb2.Distillation | None:
    """Return the settings of distillation as a message; None: they are not set."""
    if value == Distillation():
        return None
    kind = distillation_pb2.Distillation
    level = kind.Level.Value(f"LEVEL_{value.level or 'UNSPECIFIED'}")
    return kind(**{**vars(value), "level": level})


def distillation_of(message: distillation_pb2.Distillation) -> Distillation:
    """Return the settings of distillation of a message."""
    level = message.Level.Name(message.level).removeprefix("LEVEL_") if message.level else ""
    return Distillation(
        message.teacher_artifact_digest,
        message.base_url,
        message.model,
        level,
        message.temperature,
        message.weight,
        message.max_new_tokens,
    )
