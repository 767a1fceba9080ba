"""How answers are generated in an evaluation."""

from dataclasses import dataclass
from enum import StrEnum

from ratoon.tasks.generate import Sampling
from ratoon_evaluation.domain.errors import BadEvaluation

MAX_TOKENS = 256
"""Tokens of an answer, where neither the run nor the task states a number."""
FEW_SHOT, MAX_FEW_SHOT = 3, 16
"""Examples of the baseline `few_shot` by default and at most."""


class Engine(StrEnum):
    """Engine that generates answers."""

    TRANSFORMERS = "TRANSFORMERS"
    VLLM = "VLLM"


@dataclass(frozen=True)
class Generation:
    """Sampling of answers, its seed and the engine. Greedy answers do not depend on the seed."""

    sampling: Sampling = Sampling()
    seed: int = 0
    engine: Engine = Engine.TRANSFORMERS


def merged(first: Sampling, second: Sampling) -> Sampling:
    """Return the values of the first; those that it lacks are those of the second."""
    chosen = {name: value for name, value in vars(first).items() if value is not None}
    return Sampling(**{**vars(second), **chosen})


DEFAULTS = Sampling(temperature=0.0, max_tokens=MAX_TOKENS)
"""Sampling of a run and a task that state nothing: greedy."""


def check_absent(requested: Generation | None) -> None:
    """Raise BadEvaluation if settings of generation are given for a task that does not generate."""
    if requested is not None:
        raise BadEvaluation("generation is for tasks of the kind `generate`: leave it out.", "generation")
