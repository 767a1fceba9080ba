"""What a kind of task decides: one Protocol, which the modules `classify`, `generate` and `regress` implement.

An answer is a text, whatever the kind: a label, a reference, a number as it is written. `parse` brings it into its
canonical form, which is what services store, send and compare. `ratoon.tasks.kinds` holds the table of the kinds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from math import inf
from typing import Any, Protocol, TypeVar

from ratoon.tasks.text import is_encodable


class Kind(StrEnum):
    """Kind of a task."""

    CLASSIFY = "classify"
    GENERATE = "generate"
    REGRESS = "regress"


class Direction(StrEnum):
    """Which values of a metric are better."""

    HIGHER = "HIGHER"
    LOWER = "LOWER"
    NONE = "NONE"
    """The metric describes answers and judges none."""


@dataclass(frozen=True)
class Metric:
    """Metric with the range of its values."""

    name: str
    direction: Direction = Direction.HIGHER
    low: float = 0.0
    high: float = 1.0

    @property
    def is_judge(self) -> bool:
        """Return whether versions can be compared by it."""
        return self.direction is not Direction.NONE

    def gain(self, value: float, reference: float) -> float:
        """Return by how much a value is better than a reference; negative if it is worse."""
        return reference - value if self.direction is Direction.LOWER else value - reference


def metrics(*each: Metric) -> Mapping[str, Metric]:
    """Return metrics by their names."""
    return {metric.name: metric for metric in each}


def error(name: str, high: float = inf) -> Metric:
    """Return a metric of errors: lower is better, 0 is perfect."""
    return Metric(name, Direction.LOWER, 0.0, high)


class SplitMode(StrEnum):
    """How records are divided into training, validation and test by default."""

    STRATIFIED = "STRATIFIED"
    """The same shares of each label."""
    GROUPED = "GROUPED"
    """Records of one conversation, user or document stay together."""
    QUANTILES = "QUANTILES"
    """The same shares of each quantile of the number."""


class DriftInput(StrEnum):
    """What drift compares with the training data."""

    TOKENS = "tokens"
    LENGTH = "length"
    LANGUAGE = "language"
    EMBEDDINGS = "embeddings"
    LABELS = "predicted_labels"
    NUMBERS = "predicted_numbers"
    ANSWER_TOKENS = "answer_tokens"
    ANSWER_LENGTH = "answer_length"
    ANSWER_LANGUAGE = "answer_language"
    ANSWER_STATUS = "answer_status"
    """Whether answers are valid, and whether they refuse."""


PROMPT_INPUTS = (DriftInput.TOKENS, DriftInput.LENGTH, DriftInput.LANGUAGE, DriftInput.EMBEDDINGS)
"""What drift compares for every kind."""


class Verdict(IntEnum):
    """Verdict of a feedback on its answer."""

    NEGATIVE = -1
    NEUTRAL = 0
    POSITIVE = 1


class Role(StrEnum):
    """Author of a turn of a conversation."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation."""

    role: str
    content: str
    tool_calls: str = ""
    """JSON list of the tools that the assistant calls, in the form of the chat API; empty: none."""
    tool_call_id: str = ""
    """The call that a message of a tool answers."""
    name: str = ""
    """Name of the tool or of the participant."""
    reasoning: str = ""
    """What the assistant thought before it answered."""


@dataclass(frozen=True)
class Record:
    """What a model learns from or is judged on."""

    turns: tuple[Turn, ...] = ()
    """The prompt; empty for plain text."""
    answers: tuple[str, ...] = ()
    """Right answers: the label, the references, the number, the plain text."""
    rejected: str | None = None
    """The worse answer of a preference, whose better one is the only one of `answers`."""
    is_good: bool | None = None
    """Judgement of the only one of `answers`; None: it is right."""
    tools: str = ""
    """JSON list of the tools that the assistant may call, in the form of the chat API; empty: none."""
    weight: float = 1.0
    """Weight of the record in training, more than 0."""


class BadTask(ValueError):
    """A setting of a task is out of range; `field` names it within the message of its kind."""

    code, reason = "INVALID_ARGUMENT", "BAD_TASK"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class TaskNotSupported(Exception):
    """A service does not support the kind of task yet."""

    code, reason = "FAILED_PRECONDITION", "TASK_NOT_SUPPORTED"


Spec = TypeVar("Spec", contravariant=True)


class TaskKind(Protocol[Spec]):
    """A kind of task, implemented by a module of its name.

    The names in capitals are facts about the kind; the functions get the task of a project.
    """

    METRICS: Mapping[str, Metric]
    """Metrics by name."""
    PRIMARY: str
    """The metric that decides between versions, unless the project names another."""
    BASELINES: tuple[str, ...]
    """Names of the answerers that a version is compared with."""
    RECIPES: tuple[str, ...]
    SELECTION: tuple[str, ...]
    """Metrics by which the epochs of a training can be compared, the default first; none: by the loss."""
    """Names of the recipes that train a model of this kind."""
    DRIFT_INPUTS: tuple[DriftInput, ...]
    DEFAULT_SPLIT: SplitMode
    FREE_TEXT: bool
    """Answers are free text, which may hold personal data: indexes and logs do not keep them."""

    def check(self, task: Spec, /) -> None:
        """Raise BadTask if a setting of the task is out of range."""
        ...

    def record_fault(self, task: Spec, record: Record, /) -> str:
        """Return why a record is not valid, as a sentence; empty if it is."""
        ...

    def parse(self, task: Spec, text: str, /) -> str | None:
        """Return the canonical form of an answer; None if the text is no answer."""
        ...

    def valid_answers(self, task: Spec, /) -> str:
        """Return what a valid answer is, to complete the sentence `correction must be …`."""
        ...

    def misfit(self, task: Spec, text: str, /) -> str:
        """Return why a text is no answer, as `: ` and the reason; empty where `valid_answers` says it all."""
        ...

    def is_wrong(self, task: Spec, answered: str, expected: str, /) -> bool:
        """Return whether an answer is wrong if `expected` is right. Texts that are no answer are wrong."""
        ...

    def right_answer(self, task: Spec, answered: str, verdict: Verdict, /) -> str | None:
        """Return the right answer that follows from a verdict on an answer; None if none does."""
        ...


AnyKind = TaskKind[Any]


def conversation_fault(turns: Sequence[Turn]) -> str:
    """Return why turns are no prompt, as a sentence; empty if they are."""
    if not turns:
        return "The record has no message."
    for number, turn in enumerate(turns, 1):
        if turn.role not in tuple(Role):
            return f"Message {number} has the role {turn.role[:20]!r}, which is none of {', '.join(Role)}."
        if not is_encodable(turn.content):
            return f"Message {number} contains half of a surrogate pair, which is not a character."
    if not any(turn.role == Role.USER and turn.content.strip() for turn in turns):
        return "No message of the user has a text."
    return ""
