"""Settings of distillation to protobuf and back; `mapping` uses it."""

from typing import Any

from ratoon.service.chat_endpoints import normalized_url
from ratoon.training.v1 import distillation_pb2 as pb
from ratoon_training.domain.distillation import Distillation, Level


def message_of(value: Distillation) -> pb.Distillation:
    """Return the settings as callers see them."""
    return pb.Distillation(
        teacher_artifact_digest=value.teacher,
        level=pb.Distillation.Level.Value(f"LEVEL_{value.level}"),
        temperature=value.temperature,
        weight=value.weight,
        max_new_tokens=value.max_new_tokens,
        base_url=value.base_url,
        model=value.model,
    )


def settings_of(message: pb.Distillation) -> Distillation:
    """Return requested settings; a maximum of 0 tokens takes that of the task."""
    level = Level(
        pb.Distillation.Level.Name(message.level or pb.Distillation.LEVEL_LOGITS).removeprefix("LEVEL_")
    )
    usual: dict[str, Any] = {"temperature": 0.0} if level is Level.SEQUENCE else {}
    stated = {name: value for name in ("temperature", "weight") if (value := getattr(message, name))}
    return Distillation(
        message.teacher_artifact_digest,
        level,
        **{**usual, **stated},
        max_new_tokens=message.max_new_tokens,
        base_url=normalized_url(message.base_url),
        model=message.model.strip(),
    )
