"""Table of the kinds of task. Code that depends on the kind looks it up here and names no kind.

A service that needs more of a kind keeps a table of its own, from each `Kind` to its module, or to None where it does
not support the kind yet. `supported` looks up such a table.
"""

from collections.abc import Mapping
from typing import TypeVar

from ratoon.tasks import classify, generate, regress
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.kind import AnyKind, Kind, Record, TaskNotSupported, Verdict
from ratoon.tasks.regress import Regress

TaskSpec = Classify | Generate | Regress
"""What a model is for."""

KINDS: Mapping[Kind, AnyKind] = {
    Kind.CLASSIFY: classify,
    Kind.GENERATE: generate,
    Kind.REGRESS: regress,
}
SPECS: Mapping[Kind, type[TaskSpec]] = {
    Kind.CLASSIFY: Classify,
    Kind.GENERATE: Generate,
    Kind.REGRESS: Regress,
}

T = TypeVar("T")


def kind_of(task: TaskSpec) -> AnyKind:
    """Return the module of the kind of a task."""
    return KINDS[task.kind]


def supported(table: Mapping[Kind, T | None], task: TaskSpec, who: str) -> T:
    """Return the entry of a service's table for a task; TaskNotSupported names the service `who` without one."""
    entry = table[task.kind]
    if entry is None:
        others = ", ".join(f"`{kind}`" for kind, each in table.items() if each is not None)
        raise TaskNotSupported(f"{who} does not support tasks of the kind `{task.kind}` yet, only {others}.")
    return entry


def check(task: TaskSpec) -> None:
    """Raise BadTask if a setting of a task is out of range."""
    kind_of(task).check(task)


def record_fault(task: TaskSpec, record: Record) -> str:
    """Return why a record is not valid for a task, as a sentence; empty if it is."""
    return kind_of(task).record_fault(task, record)


def parse(task: TaskSpec, text: str) -> str | None:
    """Return the canonical form of an answer; None if the text is no answer of the task."""
    return kind_of(task).parse(task, text)


def valid_answers(task: TaskSpec) -> str:
    """Return what a valid answer is, to complete the sentence `correction must be …`."""
    return kind_of(task).valid_answers(task)


def misfit(task: TaskSpec, text: str) -> str:
    """Return why a text is no answer of the task, where `valid_answers` does not say it all: `: ` and the reason."""
    return kind_of(task).misfit(task, text)


def is_wrong(task: TaskSpec, answered: str, expected: str) -> bool:
    """Return whether an answer is wrong if `expected` is right."""
    return kind_of(task).is_wrong(task, answered, expected)


def is_negative(task: TaskSpec, answered: str, verdict: Verdict, correction: str) -> bool:
    """Return whether feedback says that an answer is wrong; a correction that repeats the answer confirms it."""
    return is_wrong(task, answered, correction) if correction else verdict is Verdict.NEGATIVE


def right_answer(task: TaskSpec, answered: str, verdict: Verdict, correction: str) -> str | None:
    """Return the right answer by feedback: the correction, else what the verdict implies; None if it implies none."""
    if correction:
        return parse(task, correction)
    return kind_of(task).right_answer(task, answered, verdict)
