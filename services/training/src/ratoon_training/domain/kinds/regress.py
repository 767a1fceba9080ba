"""Task `regress`: the model learns to write the number."""

from ratoon.tasks import regress
from ratoon.tasks.regress import Regress

NUMBER_TOKENS = 32
"""Maximum length of an answer: the shortest form of a number has at most 24 characters."""


def answers_are_texts(_: Regress, /) -> bool:
    """Return True."""
    return True


def labels(_: Regress, /) -> tuple[str, ...]:
    """Return no labels."""
    return ()


def generation(_: Regress, __: int, /) -> dict[str, float]:
    """Return greedy decoding of enough tokens for any number."""
    return {"do_sample": False, "max_new_tokens": NUMBER_TOKENS}


def check(task: Regress, /) -> None:
    """Raise BadTask if the range is empty or a number is not finite."""
    regress.check(task)
