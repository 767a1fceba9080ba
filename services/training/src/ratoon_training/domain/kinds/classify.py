"""Task `classify`: the labels that a model learns to answer with."""

from ratoon.tasks import classify
from ratoon.tasks.classify import MAX_LABEL_CHARS, Classify
from ratoon_training.domain.errors import BadRecipe


def answers_are_texts(task: Classify, /) -> bool:
    """Return whether a record may have several labels: its answer lists them one a line."""
    return task.multi_label


def labels(task: Classify, /) -> tuple[str, ...]:
    """Return the labels of the task."""
    return task.labels


def generation(task: Classify, longest: int, /) -> dict[str, float]:
    """Return greedy decoding of the tokens of the longest label, and of at least 8; of several labels of all."""
    tokens = classify.max_answer_tokens(task) if task.multi_label else max(8, longest)
    return {"do_sample": False, "max_new_tokens": tokens}


def check(task: Classify, /) -> None:
    """Raise BadRecipe unless there are two or more different labels, none padded or too long.

    Several labels of a record also need labels that differ in more than their spelling; BadTask if they do not.
    """
    if task.multi_label:
        classify.check(task)
    if len(task.labels) < 2 or len(set(task.labels)) != len(task.labels):
        raise BadRecipe("recipe.labels must name two or more different answers.", "recipe.labels")
    for label in task.labels:
        if not label.strip() or label != label.strip() or len(label) > MAX_LABEL_CHARS:
            raise BadRecipe(
                f"recipe.labels: {label!r} must be a word of at most {MAX_LABEL_CHARS} characters.",
                "recipe.labels",
            )
