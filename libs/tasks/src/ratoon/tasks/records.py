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

    If it is one of them, they stay as they were written, that one first: labels have no white space around them. A
    preference and a judged answer keep their own answers. BadRecord if `example` is no record.
    """
    if not example:
        return Record((Turn(Role.USER, text),), () if label is None else (label,))
    record = from_json(example)
    if label is None or record.rejected is not None or record.is_good is not None:
        return record
    same = [answer for answer in record.answers if _same(answer, label)]
    others = [answer for answer in record.answers if not _same(answer, label)]
    answers = (*same[:1], *others) if same else (label,)
    return Record(record.turns, answers, tools=record.tools, weight=record.weight)


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
    """Return the record that `to_json` wrote; BadRecord if it is none.

    A value of another type than `to_json` writes is refused, never turned into a text.
    """
    try:
        fields = json.loads(text)
        return Record(
            turns=tuple(_turn(message) for message in fields["messages"]),
            answers=tuple(_str(answer, "an answer") for answer in _list(fields.get("answers", []))),
            rejected=None if fields.get("rejected") is None else _str(fields["rejected"], "rejected"),
            is_good=_is_good(fields.get("is_good")),
            tools=_dumps(fields["tools"]) if fields.get("tools") else "",
            weight=_weight(fields.get("weight", 1.0)),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadRecord(f"The example is not the JSON of a record: {error}.") from None


def messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return the conversation as the chat API takes it."""
    return [_message(turn) for turn in turns]


def template_messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return the conversation as engines give it to chat templates: the arguments of calls are objects, not JSON."""
    return [_with_arguments(message) for message in messages(turns)]


def _same(answer: str, label: str) -> bool:
    """Return whether a label is the canonical form of an answer: without white space around it, or the same JSON."""
    if answer.strip() == label.strip():
        return True
    try:
        return bool(json.loads(answer) == json.loads(label))
    except (ValueError, RecursionError):
        return False


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


def _with_arguments(message: dict[str, Any]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    return {**message, "tool_calls": list(map(_call, calls))} if isinstance(calls, list) else message


def _call(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or isinstance(function.get("arguments"), dict):
        return call
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except (ValueError, TypeError):
        return call
    return {**call, "function": {**function, "arguments": arguments}}


def _turn(message: Mapping[str, Any]) -> Turn:
    return Turn(
        role=_str(message["role"], "role"),
        content=_text(message, "content"),
        tool_calls=_dumps(message["tool_calls"]) if message.get("tool_calls") else "",
        tool_call_id=_text(message, "tool_call_id"),
        name=_text(message, "name"),
        reasoning=_text(message, "reasoning_content"),
    )


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return "" if value is None else _str(value, name)


def _str(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("answers are no list")
    return value


def _is_good(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise TypeError("is_good is neither true nor false")
    return value


def _weight(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("weight is no number")
    return float(value)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
