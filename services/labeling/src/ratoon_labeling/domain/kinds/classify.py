"""Task `classify`: the labels that annotators choose from."""

from collections.abc import Sequence

from ratoon.tasks.classify import Classify
from ratoon.tasks.labels import duplicate_sentence, duplicates, label_key, match_label
from ratoon_labeling.domain.errors import BadLabels, UnknownLabel

LONGEST_LABEL = 200
"""Characters in a label."""
MAX_LABELS = 1000


def labels(task: Classify, /) -> tuple[str, ...]:
    """Return the labels that annotators choose from; BadLabels if they cannot be."""
    return checked_labels(task.labels)


def checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels; BadLabels unless there are two or more, none empty, padded or the same as another."""
    if not 2 <= len(labels) <= MAX_LABELS:
        raise BadLabels(f"A guideline needs 2 to {MAX_LABELS:,} labels; got {len(labels)}.", "labels")
    for label in labels:
        if not label_key(label) or label != label.strip() or len(label) > LONGEST_LABEL:
            raise BadLabels(
                f"The label {label[:50]!r} is empty, padded with white space or longer than {LONGEST_LABEL}.",
                "labels",
            )
    if same := duplicates(labels):
        raise BadLabels(duplicate_sentence(*same[0]), "labels")
    return tuple(labels)


def known_label(label: str, labels: Sequence[str]) -> str:
    """Return the guideline's label that this one is, in the guideline's spelling; UnknownLabel when it has none."""
    known = match_label(label, labels)
    if known is None:
        raise UnknownLabel(
            f"{label[:50]!r} is not one of the guideline's labels: {', '.join(labels)}.", "label"
        )
    return known
