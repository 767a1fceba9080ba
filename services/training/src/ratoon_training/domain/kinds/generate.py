"""Task `generate`: the model learns every token of the answers, with the token that ends them."""

from ratoon.tasks import generate
from ratoon.tasks.generate import Generate

ANSWERS_ARE_TEXTS = True
USUAL_ANSWER_TOKENS = 256
"""Maximum length of an answer whose task states none."""


def labels(_: Generate, /) -> tuple[str, ...]:
    """Return no labels."""
    return ()


def answer_tokens(task: Generate, _: int, /) -> int:
    """Return the maximum of the task."""
    return task.defaults.max_tokens or USUAL_ANSWER_TOKENS


def check(task: Generate, /) -> None:
    """Raise BadTask if a setting is out of range."""
    generate.check(task)
