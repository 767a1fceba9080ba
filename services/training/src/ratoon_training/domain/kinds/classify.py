"""Task `classify`: the labels that a model learns to answer with."""

from ratoon.tasks.classify import MAX_LABEL_CHARS, Classify
from ratoon_training.domain.errors import BadRecipe


def labels(task: Classify, /) -> tuple[str, ...]:
    """Return the labels of the task."""
    return task.labels


def check_labels(labels: tuple[str, ...]) -> None:
    """Raise BadRecipe unless there are two or more different labels, none padded or too long."""
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise BadRecipe("recipe.labels must name two or more different answers.", "recipe.labels")
    for label in labels:
        if not label.strip() or label != label.strip() or len(label) > MAX_LABEL_CHARS:
            raise BadRecipe(
                f"recipe.labels: {label!r} must be a word of at most {MAX_LABEL_CHARS} characters.",
                "recipe.labels",
            )
