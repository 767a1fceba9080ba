"""Task `generate`: annotators write the answer, or rewrite the one that came with the record."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from ratoon.tasks import generate
from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import BadTask
from ratoon_labeling.domain.agreement import Agreement, mean_token_f1
from ratoon_labeling.domain.annotations import MAX_ANSWER_CHARS, is_storable
from ratoon_labeling.domain.errors import BadAnswer
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.ratings import Work

WORK: tuple[Work, ...] = tuple(Work)
HAS_CLASSES = False
NEEDS_TEXT = False
POLICIES: tuple[ConflictPolicy, ...] = (
    ConflictPolicy.HUMAN_FIRST,
    ConflictPolicy.LATEST,
    ConflictPolicy.MAJORITY,
)
COMBINED: Mapping[ConflictPolicy, Callable[[Sequence[str]], str]] = {}


def check(task: Generate, /) -> None:
    """Raise BadTask if a setting of the task is out of range."""
    generate.check(task)


def labels(task: Generate, /) -> tuple[str, ...]:
    """Return none: answers are texts."""
    return ()


def with_labels(task: Generate, labels: Sequence[str], /) -> Generate:
    """Return the task; BadTask if there are labels."""
    if labels:
        raise BadTask("A task of the kind `generate` has no labels.", "labels")
    return task


def checked_answer(task: Generate, text: str, /) -> str:
    """Return the text without white space around it, or the JSON document in its canonical form; else BadAnswer."""
    known = generate.parse(task, text)
    if known is None:
        why = generate.misfit(task, text)
        raise BadAnswer(f"The answer {text[:50]!r} is not {generate.valid_answers(task)}{why}.", "label")
    if not is_storable(known):
        raise BadAnswer(
            f"The answer has {len(known):,} characters; it may have {MAX_ANSWER_CHARS:,}, and not NUL.",
            "label",
        )
    return known


def with_text(task: Generate, answer: str, text: str, /) -> str:
    """Return the answer: it does not depend on the text."""
    return answer


def imported_answer(task: Generate, label: str, answers: Sequence[str], /) -> str:
    """Return the label, else the first answer."""
    return label or next(iter(answers), "")


def differ(task: Generate, answers: Sequence[str], /) -> bool:
    """Return whether there are two answers."""
    return len(set(answers)) > 1


def classes(task: Generate, answer: str, /) -> tuple[str, ...]:
    """Return none: each answer may be different."""
    return ()


def agreement(records: Iterable[Sequence[str]], /) -> Agreement:
    """Return the mean token F1 over the pairs of answers of one record."""
    return Agreement(token_f1=mean_token_f1(records))


def no_answers(task: Generate, records: str, others: str, /) -> str:
    """Return why no record has an answer, and what to do."""
    text = f"None of {records} has an answer that is {generate.valid_answers(task)}"
    if not others:
        return f"{text}: name the column of the answers, or annotate records."
    return f"{text}; {others}. Name the column that holds the answers, or change the form of the task."
