"""Settings of distillation: a model learns from the answers, or from the probabilities, of another one."""

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ratoon_training.domain.errors import EndpointNotAllowed

MAX_MODEL_CHARS = 256


class Level(StrEnum):
    """What a student learns of its teacher."""

    LOGITS = "LOGITS"
    """The probabilities of all tokens at each place of the right answers (Hinton et al. 2015): same tokenizer."""
    SEQUENCE = "SEQUENCE"
    """Answers that the teacher writes, in the place of the right ones (Kim and Rush 2016): any tokenizer."""


@dataclass(frozen=True)
class Distillation:
    """Settings of distillation.

    The teacher is the artifact with the digest `teacher`, or the model `model` behind the endpoint `base_url`.
    """

    teacher: str = ""
    level: Level = Level.LOGITS
    temperature: float = 2.0
    """Divides the logits of both models; of the answers of SEQUENCE, 0 takes the likeliest token."""
    weight: float = 0.5
    """Weight of the divergence from the teacher; the rest is that of the right answers."""
    max_new_tokens: int = 256
    """Maximum number of tokens of an answer that the teacher writes."""
    base_url: str = ""
    model: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object that `parse` reads."""
        return asdict(self)

    @staticmethod
    def parse(value: dict[str, Any]) -> "Distillation":
        """Return the settings in a JSON object."""
        fields = {name: each for name, each in value.items() if each is not None}
        if "level" in fields:
            fields["level"] = Level(fields["level"])
        return Distillation(**fields)


def check_endpoint(settings: Distillation, listed: Collection[str]) -> None:
    """Raise EndpointNotAllowed unless the operator listed the endpoint of the teacher."""
    if settings.base_url and settings.base_url not in listed:
        raise EndpointNotAllowed(
            f"{settings.base_url} is not one of the endpoints of RATOON_TRAINING_ENDPOINTS: add it there, or choose "
            "another teacher.",
            "recipe.distillation.base_url",
        )


def limits(settings: Distillation) -> list[tuple[str, bool, str]]:
    """Return field, whether it is out of its limits, and what they are."""
    writes = settings.level is Level.SEQUENCE
    return [
        (
            "teacher_artifact_digest",
            bool(settings.teacher) == bool(settings.base_url),
            "or base_url names the teacher: give one of them",
        ),
        (
            "base_url",
            bool(settings.base_url) and not writes,
            "needs the level SEQUENCE: endpoints give no probabilities of all tokens",
        ),
        (
            "model",
            bool(settings.model) != bool(settings.base_url) or len(settings.model) > MAX_MODEL_CHARS,
            f"has 1 to {MAX_MODEL_CHARS} characters with base_url, and is empty without",
        ),
        (
            "temperature",
            not (
                math.isfinite(settings.temperature) and (0 if writes else 0.01) <= settings.temperature <= 100
            ),
            "must be 0.01 to 100; 0 is for answers that the teacher writes (SEQUENCE)",
        ),
        ("weight", not 0 < settings.weight <= 1, "must be above 0 and at most 1"),
        ("max_new_tokens", not 1 <= settings.max_new_tokens <= 65_536, "must be 1 to 65,536"),
    ]
