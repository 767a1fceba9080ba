"""Task `classify`: annotators choose labels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from ratoon.tasks import classify
from ratoon.tasks.classify import Classify
from ratoon.tasks.labels import duplicate_sentence, duplicates, label_key
from ratoon_labeling.domain.agreement import Agreement, nominal_alpha
from ratoon_labeling.domain.errors import BadLabels, UnknownLabel
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.ratings import Work

LONGEST_LABEL = 200
"""Characters in a label."""
MAX_LABELS = 1000
WORK: tuple[Work, ...] = (Work.ANSWER,)
HAS_CLASSES = True
NEEDS_TEXT = False
POLICIES: tuple[ConflictPolicy, ...] = (
    ConflictPolicy.HUMAN_FIRST,
    ConflictPolicy.LATEST,
    ConflictPolicy.MAJORITY,
)
COMBINED: Mapping[ConflictPolicy, Callable[[Sequence[str]], str]] = {}


def check(task: Classify, /) -> None:
    """Raise BadLabels or BadTask unless annotators can choose from the labels."""
    checked_labels(task.labels)
    if task.multi_label:
        classify.check(task)


def labels(task: Classify, /) -> tuple[str, ...]:
    """Return the labels that annotators choose from."""
    return task.labels


def with_labels(task: Classify, labels: Sequence[str], /) -> Classify:
    """Return the task with other labels; BadLabels or BadTask if annotators cannot choose from them."""
    changed = replace(task, labels=tuple(labels))
    check(changed)
    return changed


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


def checked_answer(task: Classify, text: str, /) -> str:
    """Return the labels that a text names, in the guideline's spelling; UnknownLabel if it has one of them not."""
    known = classify.parse(task, text)
    if known is None:
        raise UnknownLabel(
            f"{text[:50]!r} is not {_one(task)} of the guideline's labels: {', '.join(task.labels)}.", "label"
        )
    return known


def with_text(task: Classify, answer: str, text: str, /) -> str:
    """Return the answer: it does not depend on the text."""
    return answer


def imported_answer(task: Classify, label: str, answers: Sequence[str], /) -> str:
    """Return the label, or all of several labels."""
    several = "\n".join(answers) if task.multi_label and len(answers) > 1 else ""
    return several or label or next(iter(answers), "")


def differ(task: Classify, answers: Sequence[str], /) -> bool:
    """Return whether there are two answers."""
    return len(set(answers)) > 1


def classes(task: Classify, answer: str, /) -> tuple[str, ...]:
    """Return the labels of an answer."""
    return tuple(answer.split("\n")) if task.multi_label else (answer,)


def agreement(records: Iterable[Sequence[str]], /) -> Agreement:
    """Return Krippendorff's alpha, nominal; sets of labels that are not equal count as different."""
    return Agreement(alpha=nominal_alpha(records))


def no_answers(task: Classify, records: str, others: str, /) -> str:
    """Return why no record has a label, and what to do."""
    text = f"None of {records} has {_one(task)} of the labels {', '.join(task.labels)}"
    if not others:
        return f"{text}, and none has any label: name the column of the labels, or annotate records."
    return f"{text}; {others}. Add these labels to the project, or name the column that holds the labels."


def _one(task: Classify) -> str:
    return "one or more" if task.multi_label else "one"
