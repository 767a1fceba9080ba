"""Task `generate`: the model learns every token of the answers, with the token that ends them."""

from ratoon.tasks import generate
from ratoon.tasks.generate import Generate

USUAL_ANSWER_TOKENS = 256
"""Maximum length of an answer whose task states none."""


def answers_are_texts(_: Generate, /) -> bool:
    """Return True."""
    return True


def labels(_: Generate, /) -> tuple[str, ...]:
    """Return no labels."""
    return ()


def generation(task: Generate, _: int, /) -> dict[str, float]:
    """Return the defaults of the task; greedy decoding unless they state a temperature above 0."""
    defaults = task.defaults
    limits = {"max_new_tokens": defaults.max_tokens or USUAL_ANSWER_TOKENS}
    penalty = {"repetition_penalty": defaults.repetition_penalty}
    drawn = {name: getattr(defaults, name) for name in ("temperature", "top_p", "top_k", "min_p")}
    stated = {**penalty, **(drawn if defaults.temperature else {})}
    return {
        "do_sample": bool(defaults.temperature),
        **limits,
        **{name: value for name, value in stated.items() if value is not None},
    }


def check(task: Generate, /) -> None:
    """Raise BadTask if a setting is out of range."""
    generate.check(task)
