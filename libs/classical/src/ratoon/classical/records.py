"""The text that a classical model reads of a record: the same in training, evaluation and serving."""

from collections.abc import Sequence

from ratoon.tasks.kind import Role, Turn
from ratoon.tasks.records import prompt_text


def text_of(turns: Sequence[Turn]) -> str:
    """Return the messages of a conversation one after another, without those of the system: they say nothing new."""
    return prompt_text([turn for turn in turns if turn.role != Role.SYSTEM])
