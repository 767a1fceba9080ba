"""Settings of GRPO to protobuf and back; `mapping` uses it."""

from typing import Any

from ratoon.training.v1 import grpo_pb2 as pb
from ratoon_training.domain.rewards import Grpo, PolicyLoss, Reward, RewardKind

_VALUES = {
    RewardKind.PATTERN: "pattern",
    RewardKind.JSON_SCHEMA: "json_schema",
    RewardKind.FUNCTION: "function",
    RewardKind.REWARD_MODEL: "reward_model_artifact_digest",
}
"""Fields of the rewards that have a value."""
_NUMBERS = (
    "group_size",
    "temperature",
    "max_new_tokens",
    "clip_low",
    "clip_high",
    "iterations",
    "kl_weight",
    "max_correction",
    "unscaled",
    "max_unscored",
)


def message_of(value: Grpo) -> pb.Grpo:
    """Return the settings as callers see them."""
    return pb.Grpo(
        rewards=[_reward(each) for each in value.rewards],
        loss=pb.Grpo.PolicyLoss.Value(f"POLICY_LOSS_{value.loss}"),
        **{name: getattr(value, name) for name in _NUMBERS},
    )


def settings_of(message: pb.Grpo) -> Grpo:
    """Return requested settings; a maximum of 0 tokens takes that of the task."""
    stated: dict[str, Any] = {name: value for name in _NUMBERS if (value := getattr(message, name))}
    if message.rewards:
        stated["rewards"] = tuple(_requested(each) for each in message.rewards)
    if message.loss:
        stated["loss"] = PolicyLoss(pb.Grpo.PolicyLoss.Name(message.loss).removeprefix("POLICY_LOSS_"))
    return Grpo(**{"max_new_tokens": 0, **stated})


def _reward(reward: Reward) -> pb.Reward:
    field = _VALUES.get(reward.kind)
    value: dict[str, Any] = {field: reward.value} if field else {"exact_match": True}
    return pb.Reward(weight=reward.weight, **value)


def _requested(message: pb.Reward) -> Reward:
    """Return a requested reward; without a kind it is exact match."""
    field, weight = message.WhichOneof("reward"), message.weight or 1.0
    kind = next((kind for kind, name in _VALUES.items() if name == field), RewardKind.EXACT_MATCH)
    return Reward(
        kind, getattr(message, field) if field and kind is not RewardKind.EXACT_MATCH else "", weight
    )
