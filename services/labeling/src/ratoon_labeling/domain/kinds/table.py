"""Table of the kinds of task, and what each decides in labeling."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ratoon.tasks import kinds
from ratoon.tasks.kind import Kind
from ratoon_labeling.domain.agreement import Agreement
from ratoon_labeling.domain.annotations import is_storable
from ratoon_labeling.domain.errors import BadAnswer, UnknownLabel
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.kinds import classify, generate, regress
from ratoon_labeling.domain.mark_kinds import boxes, spans
from ratoon_labeling.domain.marks import AnswerSpec, MarkKind, Marks
from ratoon_labeling.domain.ratings import Work

Spec = TypeVar("Spec", contravariant=True)


class LabelingKind(Protocol[Spec]):
    """What a kind of task decides in labeling, implemented by a module of its name. Answers are canonical texts."""

    HAS_CLASSES: bool
    """Answers name classes out of a list, so that few of them differ and records can be counted by them."""
    NEEDS_TEXT: bool
    """Whether an answer is valid depends on the text of the record."""
    WORK: tuple[Work, ...]
    """What annotators can do with tasks of the kind."""
    POLICIES: tuple[ConflictPolicy, ...]
    """Conflict policies of the kind; the first one is the default."""
    COMBINED: Mapping[ConflictPolicy, Callable[[Sequence[str]], str]]
    """Policies that compute one answer out of several, which no annotator need have given."""

    def check(self, task: Spec, /) -> None:
        """Raise BadLabels or BadTask if annotators cannot answer the task."""
        ...

    def labels(self, task: Spec, /) -> tuple[str, ...]:
        """Return the labels that annotators choose from; none if answers are texts or numbers."""
        ...

    def with_labels(self, task: Any, labels: Sequence[str], /) -> Any:
        """Return the task with other labels; BadLabels or BadTask if it cannot have them."""
        ...

    def checked_answer(self, task: Spec, text: str, /) -> str:
        """Return the canonical form of an annotator's answer; UnknownLabel or BadAnswer if it is none."""
        ...

    def with_text(self, task: Spec, answer: str, text: str, /) -> str:
        """Return a checked answer to a record with a text; BadAnswer if the answer does not fit the text."""
        ...

    def imported_answer(self, task: Spec, label: str, answers: Sequence[str], /) -> str:
        """Return the answer that a record came with, of its label and its right answers; empty if it has none."""
        ...

    def differ(self, task: Spec, answers: Sequence[str], /) -> bool:
        """Return whether answers of one record, at least one, contradict each other."""
        ...

    def classes(self, task: Spec, answer: str, /) -> tuple[str, ...]:
        """Return the classes that an answer names, by which records are counted and sampled; none without classes."""
        ...

    def agreement(self, records: Iterable[Sequence[str]], /) -> Agreement:
        """Return how far annotators agree, of the answers that each record got."""
        ...

    def no_answers(self, task: Spec, records: str, others: str, /) -> str:
        """Return why no record has an answer, and what to do.

        `records` counts all (`3 records`), `others` names the answers that are not valid; empty if there are none.
        """
        ...


KINDS: Mapping[Kind, LabelingKind[Any]] = {
    Kind.CLASSIFY: classify,
    Kind.GENERATE: generate,
    Kind.REGRESS: regress,
}
MARKS: Mapping[MarkKind, LabelingKind[Any]] = {MarkKind.SPANS: spans, MarkKind.BOXES: boxes}


def rules_of(task: AnswerSpec) -> LabelingKind[Any]:
    """Return the rules of the kind of a task or of marks."""
    return MARKS[task.kind] if isinstance(task, Marks) else KINDS[task.kind]


def labels_of(task: AnswerSpec) -> tuple[str, ...]:
    """Return the labels that annotators choose from; none if answers are texts or numbers."""
    return rules_of(task).labels(task)


def parsed(task: AnswerSpec, text: str) -> str | None:
    """Return the canonical form of an answer; None if the text is no answer, or cannot be stored."""
    if isinstance(task, Marks):
        try:
            return rules_of(task).checked_answer(task, text)
        except (BadAnswer, UnknownLabel):
            return None
    answer = kinds.parse(task, text)
    return answer if answer is not None and is_storable(answer) else None
