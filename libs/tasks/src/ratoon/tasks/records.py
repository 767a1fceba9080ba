"""Records as JSON: how a conversation, its answers and what is said of them are stored beside a record's text.

A part of a split has the columns `text`, `label` and `example`. `example` holds this JSON for records that are more
than one message of a user with one answer; `record_of` reads all three.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ratoon.tasks.kind import Record, Role, Turn

SEPARATOR = "\n\n"
"""Between the messages of a conversation in the text of its record."""


class BadRecord(ValueError):
    """The JSON is no record."""


def record_of(text: str, label: str | None = None, example: str | None = None) -> Record:
    """Return the record of a row: `label` is its right answer, and takes the place of those in `example`.

    A preference and a judged answer keep their own answers. BadRecord if `example` is no record.
    """
    if not example:
        return Record((Turn(Role.USER, text),), () if label is None else (label,))
    record = from_json(example)
    if label is None or record.rejected is not None or record.is_good is not None:
        return record
    return Record(record.turns, (label,), tools=record.tools, weight=record.weight)


def prompt_text(turns: Sequence[Turn]) -> str:
    """Return the text of a conversation, which curation cleans, compares and counts: its messages one after another."""
    return SEPARATOR.join(turn.content for turn in turns if turn.content)


def to_json(record: Record) -> str:
    """Return the record as JSON; equal records give equal texts."""
    fields: dict[str, Any] = {"messages": [_message(turn) for turn in record.turns]}
    if record.answers:
        fields["answers"] = list(record.answers)
    if record.rejected is not None:
        fields["rejected"] = record.rejected
    if record.is_good is not None:
        fields["is_good"] = record.is_good
    if record.tools:
        fields["tools"] = json.loads(record.tools)
    if record.weight != 1.0:
        fields["weight"] = record.weight
    return _dumps(fields)


def from_json(text: str) -> Record:
    """Return the record that `to_json` wrote; BadRecord if it is none."""
    try:
        fields = json.loads(text)
        return Record(
            turns=tuple(_turn(message) for message in fields["messages"]),
            answers=tuple(map(str, fields.get("answers", ()))),
            rejected=fields.get("rejected"),
            is_good=fields.get("is_good"),
            tools=_dumps(fields["tools"]) if fields.get("tools") else "",
            weight=float(fields.get("weight", 1.0)),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadRecord(f"The example is not the JSON of a record: {error}.") from None


def messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return the conversation as chat templates and the chat API take it."""
    return [_message(turn) for turn in turns]


def _message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": str(turn.role), "content": turn.content}
    if turn.tool_calls:
        message["tool_calls"] = json.loads(turn.tool_calls)
    if turn.tool_call_id:
        message["tool_call_id"] = turn.tool_call_id
    if turn.name:
        message["name"] = turn.name
    if turn.reasoning:
        message["reasoning_content"] = turn.reasoning
    return message


def _turn(message: Mapping[str, Any]) -> Turn:
    return Turn(
        role=str(message["role"]),
        content=str(message.get("content") or ""),
        tool_calls=_dumps(message["tool_calls"]) if message.get("tool_calls") else "",
        tool_call_id=str(message.get("tool_call_id") or ""),
        name=str(message.get("name") or ""),
        reasoning=str(message.get("reasoning_content") or ""),
    )


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
