"""Records as curation sees them: their text, label and identity, and the change of each of their texts."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from ratoon.tasks.generate import Generate, record_fault
from ratoon.tasks.kind import Record, Role, Turn, conversation_fault
from ratoon.tasks.records import prompt_text, record_of, to_json
from ratoon.tasks.text import is_encodable

KIND_ATTRIBUTE = "record_kind"
"""Attribute of records that were conversations, prompts or preferences, not texts with at most a label."""
SEGMENT_OF = "segment_of"
"""Attribute of a segment: the record ID of the text from which it was cut."""
MAX_SHOWN_TURNS = 1_000
_NAMES = frozenset({"id", "name", "type"})
"""Fields of calls and tools that texts refer to."""

Change = Callable[[str], str]


class RecordKind(StrEnum):
    """Kind of a record, by what it says of an answer."""

    TEXT = "text"
    """A text with at most a label."""
    PROMPT = "prompt"
    ANSWER = "answer"
    """A prompt with right answers."""
    PREFERENCE = "preference"
    UNPAIRED_PREFERENCE = "unpaired_preference"
    """An answer that is good or bad."""


_FREE_TEXTS = frozenset({RecordKind.ANSWER, RecordKind.PREFERENCE, RecordKind.UNPAIRED_PREFERENCE})


def kind_of(record: Record) -> RecordKind:
    """Return the kind of a record that is no text."""
    if record.rejected is not None:
        return RecordKind.PREFERENCE
    if record.is_good is not None:
        return RecordKind.UNPAIRED_PREFERENCE
    return RecordKind.ANSWER if record.answers else RecordKind.PROMPT


def has_free_text(attributes: Mapping[str, str]) -> bool:
    """Return whether the label of a record with these attributes is a text of its own, not a class."""
    return attributes.get(KIND_ATTRIBUTE) in _FREE_TEXTS


def is_preference(attributes: Mapping[str, str]) -> bool:
    """Return whether a record with these attributes is a preference or a rated answer, which is labelled by that."""
    return attributes.get(KIND_ATTRIBUTE) in (RecordKind.PREFERENCE, RecordKind.UNPAIRED_PREFERENCE)


def fault(record: Record) -> str:
    """Return why a record is not valid, whatever the task, as a part of a sentence; empty if it is."""
    for number, turn in enumerate(record.turns, 1):
        if turn.role in (Role.USER, Role.ASSISTANT) and not turn.content.strip() and not turn.tool_calls:
            return f"message {number} of the {turn.role} is empty"
    if not is_encodable(to_json(record)):
        return "a text contains half of a surrogate pair, which is not a character"
    reason = (
        record_fault(Generate(), record)
        if record.answers or not record.turns
        else conversation_fault(record.turns)
    )
    return reason[:1].lower() + reason[1:].removesuffix(".")


def is_text(record: Record) -> bool:
    """Return whether the record is the text of its prompt alone."""
    return record == record_of(prompt_text(record.turns))


def label_of(record: Record) -> str | None:
    """Return the label of a record: its first answer, without white space around it."""
    return record.answers[0].strip() if record.answers else None


def stored(record: Record, text: str, label: str | None) -> str | None:
    """Return the record as JSON; None if its text and label say all of it."""
    return None if record == record_of(text, label) else to_json(record)


def wording(record: Record) -> str:
    """Return the text by which prompts are compared: all messages but those of the system, which many records share."""
    turns = [turn for turn in record.turns if turn.role != Role.SYSTEM]
    return prompt_text(turns) or prompt_text(record.turns)


def changed(record: Record, change: Change) -> Record:
    """Return the record with each of its texts changed, those in calls and tools included."""
    return replace(
        record,
        turns=tuple(_turn(turn, change) for turn in record.turns),
        answers=tuple(map(change, record.answers)),
        rejected=None if record.rejected is None else change(record.rejected),
        tools=_json(record.tools, change),
    )


def identity(record: Record, form: Change) -> str:
    """Return a text that is equal for records that differ in the form of their texts alone."""
    return to_json(changed(replace(record, weight=1.0), form))


def setting_identity(record: Record, form: Change) -> str:
    """Return a text that is equal for records that differ at most in the messages after those of the system.

    Their answers, the ratings of these, and their tools are the same. Empty for a record without answers.
    """
    if not record.answers:
        return ""
    system = tuple(turn for turn in record.turns if turn.role == Role.SYSTEM)
    return identity(replace(record, turns=system), form)


def shortened(record: Record, each: int, total: int) -> Record:
    """Return the record as it is shown: the start of each text, and empty texts once there are too many characters.

    JSON that is too long is left out, since a part of it is no JSON.
    """
    left = total

    def start(text: str) -> str:
        nonlocal left
        text = text[: min(each, left)]
        left -= len(text)
        return text

    def whole(json_text: str) -> str:
        return json_text if len(json_text) <= left and len(start(json_text)) == len(json_text) else ""

    turns = tuple(
        replace(
            turn,
            content=start(turn.content),
            reasoning=start(turn.reasoning),
            tool_calls=whole(turn.tool_calls),
        )
        for turn in record.turns[:MAX_SHOWN_TURNS]
    )
    rejected = None if record.rejected is None else start(record.rejected)
    answers = tuple(map(start, record.answers[:MAX_SHOWN_TURNS]))
    return replace(record, turns=turns, answers=answers, rejected=rejected, tools=whole(record.tools))


def _turn(turn: Turn, change: Change) -> Turn:
    return replace(
        turn,
        content=change(turn.content),
        reasoning=change(turn.reasoning),
        tool_calls=_json(turn.tool_calls, change),
    )


def _json(text: str, change: Change) -> str:
    """Return calls or tools with their texts changed; names and ids stay, to which other texts refer."""
    return _dumped(_form(json.loads(text), change)) if text else ""


def _form(value: Any, change: Change) -> Any:
    if isinstance(value, dict):
        return {key: each if key in _NAMES else _field(key, each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [_form(each, change) for each in value]
    return change(value) if isinstance(value, str) else value


def _field(key: str, value: Any, change: Change) -> Any:
    """Return the value of a field; the arguments of a call are JSON in a text."""
    if key != "arguments":
        return _form(value, change)
    try:
        return (
            _dumped(_argument(json.loads(value), change))
            if isinstance(value, str)
            else _argument(value, change)
        )
    except ValueError:
        return change(value)


def _argument(value: Any, change: Change) -> Any:
    """Return an argument with its texts changed, and whole numbers that change as texts do, such as phone numbers."""
    if isinstance(value, dict):
        return {change(key): _argument(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [_argument(each, change) for each in value]
    if isinstance(value, int) and not isinstance(value, bool):
        text = change(str(value))
        return value if text == str(value) else text
    return change(value) if isinstance(value, str) else value


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
