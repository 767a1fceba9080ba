"""Rewards of answers, and settings of learning from them (GRPO). This module knows no library.

A reward is a number for an answer to a prompt: by a rule that anyone can check, by a function of the user, or by a
reward model. `advantages` compares the rewards of the answers to one prompt.
"""

import ast
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ratoon.tasks import json_schema

MAX_REWARDS = 8
MAX_REWARD_CHARS = 65_536
FUNCTION = "reward"
"""Name of the function that the source of a reward defines."""
PARAMETERS = ("messages", "completion", "references")
"""Parameters of that function: the conversation before the answer, the answer, and the right answers of the record."""
_SPREAD_FLOOR = 1e-4
"""Added to the standard deviation of a group, as TRL has it."""


class RewardKind(StrEnum):
    """Kind of a reward."""

    EXACT_MATCH = "EXACT_MATCH"
    """1 for an answer that is one of the references of its record, as the task compares answers; else 0."""
    PATTERN = "PATTERN"
    """1 for an answer in which a regular expression is found, else 0. It takes linear time."""
    JSON_SCHEMA = "JSON_SCHEMA"
    """1 for an answer that is a JSON document of a schema, else 0."""
    FUNCTION = "FUNCTION"
    """The number that a Python function returns, which runs in a sandbox."""
    REWARD_MODEL = "REWARD_MODEL"
    """The number that a reward model gives."""


@dataclass(frozen=True)
class Reward:
    """Reward of an answer; `value` is the expression, the schema, the source of the function, or the digest."""

    kind: RewardKind = RewardKind.EXACT_MATCH
    value: str = ""
    weight: float = 1.0

    @property
    def needs_references(self) -> bool:
        """Return True if a record without a right answer has no such reward."""
        return self.kind is RewardKind.EXACT_MATCH

    @property
    def pattern_schema(self) -> str:
        """Return the JSON schema of texts in which the expression is found: its check takes linear time."""
        return json.dumps({"type": "string", "pattern": self.value})


class PolicyLoss(StrEnum):
    """Average over the tokens of the answers."""

    TOKEN = "TOKEN"
    """Over all tokens of a step (DAPO, Yu et al. 2025)."""
    ANSWER = "ANSWER"
    """Over the tokens of each answer, then over the answers (GRPO, Shao et al. 2024)."""
    LENGTH = "LENGTH"
    """Sums over answers divided by the maximum length, a constant (Dr. GRPO, Liu et al. 2025)."""


@dataclass(frozen=True)
class Grpo:
    """Settings of group relative policy optimization."""

    rewards: tuple[Reward, ...] = (Reward(),)
    group_size: int = 8
    """Answers to each prompt of a step, which are compared with one another."""
    temperature: float = 1.0
    max_new_tokens: int = 256
    """Maximum number of tokens of an answer."""
    loss: PolicyLoss = PolicyLoss.TOKEN
    clip_low: float = 0.2
    clip_high: float = 0.2
    """Probability ratios to the model that wrote an answer earn nothing below 1 - clip_low, or above 1 + clip_high."""
    iterations: int = 1
    """Steps of the optimiser with the same answers."""
    kl_weight: float = 0.0
    """Weight of the divergence from the model that training starts from."""
    max_correction: float = 2.0
    """Limit of the probability ratio of the trainer to the generator, by which the loss of a token is multiplied."""
    unscaled: bool = False
    """True if advantages are differences from the mean of the group, not divided by its standard deviation."""
    max_unscored: float = 0.5
    """Share of answers without a reward, over the last ten steps, beyond which the run ends."""

    def as_json(self) -> dict[str, Any]:
        """Return a JSON object that `parse` reads."""
        return {**asdict(self), "rewards": [asdict(reward) for reward in self.rewards]}

    @staticmethod
    def parse(value: dict[str, Any]) -> "Grpo":
        """Return the settings in a JSON object."""
        fields = {name: each for name, each in value.items() if each is not None}
        if "rewards" in fields:
            fields["rewards"] = tuple(_reward(each) for each in fields["rewards"])
        if "loss" in fields:
            fields["loss"] = PolicyLoss(fields["loss"])
        return Grpo(**fields)


def _reward(value: dict[str, Any]) -> Reward:
    return Reward(**{**value, "kind": RewardKind(value["kind"])})


def advantages(rewards: Sequence[float | None], unscaled: bool = False) -> list[float | None]:
    """Return the advantage of each answer to a prompt over the others; None of one without a reward.

    The difference from the mean, divided by the standard deviation of the sample, as TRL has it. Answers of equal
    rewards have none, to the bit; an answer without a reward does not move the mean.
    """
    scored = [each for each in rewards if each is not None]
    if not scored or max(scored) == min(scored):
        return [None if each is None else 0.0 for each in rewards]
    mean = math.fsum(scored) / len(scored)
    deviation = math.sqrt(math.fsum((each - mean) ** 2 for each in scored) / (len(scored) - 1))
    scale = 1.0 if unscaled else deviation + _SPREAD_FLOOR
    return [None if each is None else (each - mean) / scale for each in rewards]


def total(weights: Sequence[float], values: Sequence[float | None]) -> float | None:
    """Return the weighted sum of the rewards of one answer: of those that it has; None if it has none."""
    known = [weight * value for weight, value in zip(weights, values, strict=True) if value is not None]
    return math.fsum(known) if known else None


def limits(grpo: Grpo) -> list[tuple[str, bool, str]]:
    """Return field, whether it is out of its limits, and what they are."""
    rewards = grpo.rewards
    faults = [fault for reward in rewards if (fault := _fault(reward))]
    return [
        ("rewards", not 1 <= len(rewards) <= MAX_REWARDS, f"must be 1 to {MAX_REWARDS} rewards"),
        ("rewards", bool(faults), faults[0] if faults else ""),
        (
            "group_size",
            not 2 <= grpo.group_size <= 256,
            "must be 2 to 256: the answers to a prompt are compared with one another",
        ),
        ("temperature", not 0 < grpo.temperature <= 10, "must be above 0 and at most 10"),
        ("max_new_tokens", not 1 <= grpo.max_new_tokens <= 65_536, "must be 1 to 65,536"),
        ("clip_low", not 0 < grpo.clip_low < 1, "must be above 0 and below 1"),
        ("clip_high", not 0 < grpo.clip_high <= 10, "must be above 0 and at most 10"),
        ("iterations", not 1 <= grpo.iterations <= 64, "must be 1 to 64"),
        ("kl_weight", not 0 <= grpo.kl_weight <= 100, "must be 0 to 100"),
        ("max_correction", not 1 <= grpo.max_correction <= 1000, "must be 1 to 1,000"),
        ("max_unscored", not 0 < grpo.max_unscored <= 1, "must be above 0 and at most 1"),
    ]


def _fault(reward: Reward) -> str:
    if not (math.isfinite(reward.weight) and 0 < abs(reward.weight) <= 1000):
        return "must have weights of at most 1,000, and none of 0"
    if len(reward.value) > MAX_REWARD_CHARS:
        return f"must have at most {MAX_REWARD_CHARS:,} characters each"
    match reward.kind:
        case RewardKind.PATTERN:
            fault = json_schema.schema_fault(reward.pattern_schema)
            return f"has a pattern that is no regular expression: {fault}" if fault else ""
        case RewardKind.JSON_SCHEMA:
            return _schema_fault(reward.value)
        case RewardKind.FUNCTION:
            return _function_fault(reward.value)
        case RewardKind.REWARD_MODEL:
            return "" if reward.value else "must name the artifact of a reward model"
    return ""


def _schema_fault(schema: str) -> str:
    try:
        value = json.loads(schema)
    except (ValueError, RecursionError):
        value = None
    fault = json_schema.schema_fault(schema) if isinstance(value, dict) else "it is no JSON object"
    return f"has a json_schema that is no JSON schema: {fault}" if fault else ""


def _function_fault(source: str) -> str:
    """Return why a source defines no reward; nothing of it runs here."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"has a function that is no Python: {str(error)[:200]}"
    definitions = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == FUNCTION]
    names = [argument.arg for argument in definitions[-1].args.args] if definitions else []
    if names != list(PARAMETERS):
        return f"has a function that does not define `def {FUNCTION}({', '.join(PARAMETERS)})`"
    return ""
