"""Messages of conversations, in the forms in which people store them, as the turns of a record.

Read are the form of the chat API (`role`, `content`, `tool_calls`, content in parts) and ShareGPT's (`from`, `value`,
calls and results of tools as messages of their own). BadExample says which message is wrong and why.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ratoon.tasks.kind import Role, Turn
from ratoon_ingestion.worker.readers.values import NoCell, cell_text

_ROLES = {
    Role.SYSTEM: ("system", "developer"),
    Role.USER: ("user", "human"),
    Role.ASSISTANT: ("assistant", "gpt", "model", "chatgpt", "bing", "bard", "function_call"),
    Role.TOOL: ("tool", "observation", "function", "function_response", "ipython"),
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names}
_CALL = "function_call"
"""ShareGPT's author of a call, and the older name of the field `tool_calls`."""
_REASONING = ("reasoning_content", "reasoning", "thinking")
_WEIGHTS = ("loss_weight", "weight")
_MEDIA = ("image", "audio", "video", "file")
_SHOWN = 60
_MAX_REFERENCE = 256

Media = dict[str, list[str]]
"""References to attachments, by the plural of their type."""


class BadExample(Exception):
    """The row is no conversation; the message says where and why."""


@dataclass(frozen=True)
class Messages:
    """Turns of a conversation, and its attachments."""

    turns: tuple[Turn, ...]
    media: Media = field(default_factory=dict)
    answer_weight: float | None = None
    """Weight of the last message in training, where the message has one."""


def is_message(value: object) -> bool:
    """Return whether a value has the fields of a message."""
    return isinstance(value, Mapping) and ("role" in value or "from" in value)


def read_messages(value: object) -> Messages:
    """Return a list of messages as turns; BadExample if one of them is no message."""
    if is_message(value):
        value = [value]
    if not isinstance(value, list | tuple):
        raise BadExample("the messages are not a list")
    media: Media = {}
    turns = tuple(_turn(message, number, media) for number, message in enumerate(value, 1))
    weight = _first(value[-1], *_WEIGHTS) if value else None
    return Messages(turns, media, None if weight is None else weight_of(weight))


def check_order(turns: Sequence[Turn]) -> None:
    """Raise BadExample if a message is empty, a call has no result or another author, or a result has no call."""
    calls: list[str] | None = None
    for number, turn in enumerate(turns, 1):
        if turn.tool_calls and turn.role != Role.ASSISTANT:
            raise BadExample(
                f"message {number} of the {turn.role} calls a tool, which only the assistant does"
            )
        if turn.role in (Role.USER, Role.ASSISTANT) and not turn.content.strip() and not turn.tool_calls:
            raise BadExample(f"message {number} of the {turn.role} is empty")
        if turn.role != Role.TOOL and calls:
            raise BadExample(f"message {number - 1} calls a tool, and message {number} is not its result")
        if turn.role == Role.TOOL:
            calls = _without_answered(calls, turn, number)
        else:
            calls = _ids(turn)


def check_calls(turns: Sequence[Turn]) -> None:
    """Raise BadExample if the calls of a message are not those of the chat API."""
    for number, turn in enumerate(turns, 1):
        if turn.tool_calls:
            _calls(turn.tool_calls, number)


def answer_of(turn: Turn) -> str:
    """Return the text of an answer: its reasoning in `<think>`, its text, then its calls of tools as a JSON list."""
    repeats = turn.content.lstrip().startswith("<think>")
    thought = f"<think>\n{turn.reasoning}\n</think>" if turn.reasoning and not repeats else ""
    calls = _calls_text(turn.tool_calls) if turn.tool_calls else ""
    return "\n\n".join(part for part in (thought, turn.content, calls) if part)


def weight_of(value: object) -> float:
    """Return a weight; BadExample unless it is a number above 0."""
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise BadExample(f"the weight {_short(value)} is not a number above 0")
    return number


def read_tools(value: object) -> str:
    """Return tools in the form of the chat API, as JSON; empty without any."""
    listed = parsed_json(value, "the tools") if isinstance(value, str) else value
    if not listed:
        return ""
    if isinstance(listed, Mapping):
        listed = [listed]
    if not isinstance(listed, list | tuple) or not all(isinstance(tool, Mapping) for tool in listed):
        raise BadExample("the tools are not a list of objects")
    return dumped([_tool(tool) for tool in listed], "the tools")


def parsed_json(text: str, what: str) -> Any:
    """Return the value of a JSON text, None of an empty one; BadExample if it is no JSON or repeats a key."""
    if not text.strip():
        return None
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadExample(f"{what} hold no valid JSON ({_short(text)})") from None


def dumped(value: Any, what: str) -> str:
    """Return a value as JSON with sorted keys; BadExample if JSON cannot hold it."""
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        raise BadExample(f"{what} hold a value that is not JSON, such as NaN") from None


def _turn(message: object, number: int, media: Media) -> Turn:
    if not isinstance(message, Mapping) or not is_message(message):
        raise BadExample(f"message {number} has no role")
    given = message.get("role") or message.get("from")
    author = given.strip().lower() if isinstance(given, str) else ""
    role = _ROLE_OF.get(author)
    if role is None:
        raise BadExample(
            f"message {number} has the role {_short(given)}, which is none of {', '.join(_ROLE_OF)}"
        )
    content = message.get("content")
    content = message.get("value") if content is None else content
    if author == _CALL:
        return Turn(role, "", tool_calls=_calls(content, number))
    turn = Turn(
        role,
        "",
        tool_calls=_message_calls(message, number),
        tool_call_id=_identifier(message.get("tool_call_id"), number),
        name=_identifier(message.get("name"), number),
        reasoning=_text(_first(message, *_REASONING), number),
    )
    if isinstance(content, list | tuple):
        return _with_parts(turn, content, number, media)
    return replace(turn, content=_text(content, number))


def _with_parts(turn: Turn, parts: Sequence[object], number: int, media: Media) -> Turn:
    """Return a turn with its content, which is a list of parts; attachments are referenced."""
    texts, calls, thoughts = list[str](), list[Any](), list[str]()
    for part in parts:
        if not isinstance(part, Mapping):
            texts.append(_part_text(part, number))
            continue
        kind = str(part.get("type") or "")
        value = part.get("text") if part.get("text") is not None else part.get("value")
        attachment = next((each for each in _MEDIA if each in kind), None)
        if attachment is not None:
            media.setdefault(f"{attachment}s", []).append(_reference(part, kind))
            texts.append(f"<{attachment}>")
        elif kind in _REASONING:
            thoughts.append(_part_text(part.get(kind) if value is None else value, number))
        elif kind == "tool_call":
            calls.extend(json.loads(_calls(value, number)))
        elif kind in ("text", "input_text", "output_text", ""):
            texts.append(_part_text(value, number))
        else:
            raise BadExample(f"message {number} has a part of the unknown type {_short(kind)}")
    if (thoughts and turn.reasoning) or (calls and turn.tool_calls):
        raise BadExample(
            f"message {number} has its {'calls' if calls else 'reasoning'} twice, as a part and beside the parts"
        )
    return replace(
        turn,
        content="".join(texts),
        reasoning=turn.reasoning or "".join(thoughts),
        tool_calls=dumped(calls, "the calls") if calls else turn.tool_calls,
    )


def _reference(part: Mapping[str, Any], kind: str) -> str:
    """Return where an attachment is; of one that is part of the row, the digest of its text."""
    value = part.get(kind) or part.get("url") or part.get("value") or part.get("path") or part
    if isinstance(value, Mapping):
        value = (
            value.get("url") or value.get("path") or value.get("data") or value.get("file_id") or dict(value)
        )
    text = value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)
    if len(text) <= _MAX_REFERENCE and not text.startswith("data:"):
        return text
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def _message_calls(message: Mapping[str, Any], number: int) -> str:
    calls, older = message.get("tool_calls"), message.get(_CALL)
    if calls and older:
        raise BadExample(f"message {number} has both tool_calls and {_CALL}")
    calls = older if calls is None else calls
    if isinstance(calls, str):
        return _calls(calls, number)
    return _calls(calls, number) if calls else ""


def _calls(value: object, number: int) -> str:
    """Return calls of tools in the form of the chat API, as JSON."""
    what = f"the calls of message {number}"
    listed = parsed_json(value, what) if isinstance(value, str) else value
    if isinstance(listed, Mapping):
        listed = [listed]
    if not isinstance(listed, list | tuple) or not listed:
        raise BadExample(f"message {number} calls a tool, but {what} are not a list of objects")
    return dumped([_call(call, number) for call in listed], what)


def _call(call: object, number: int) -> dict[str, Any]:
    if not isinstance(call, Mapping):
        raise BadExample(f"message {number} calls a tool, but the call is not an object")
    function = call.get("function")
    function = function if isinstance(function, Mapping) else call
    name = function.get("name")
    if not isinstance(name, str) or not name.strip():
        raise BadExample(f"message {number} calls a tool without a name")
    given = function.get("arguments", function.get("parameters"))
    what = f"the arguments of the tool in message {number}"
    arguments = parsed_json(given, what) if isinstance(given, str) else given
    form: dict[str, Any] = {
        "type": "function",
        "function": {"name": name, "arguments": dumped({} if arguments is None else arguments, what)},
    }
    identifier = _identifier(call.get("id"), number)
    return {**form, "id": identifier} if identifier else form


def _tool(tool: Any) -> Any:
    """Return a tool in the form of the chat API."""
    return tool if "function" in tool or "type" in tool else {"type": "function", "function": tool}


def _calls_text(tool_calls: str) -> str:
    """Return calls of tools as the JSON list of their names and arguments."""
    functions = (call["function"] for call in json.loads(tool_calls))
    return dumped(
        [{"name": each["name"], "arguments": json.loads(each["arguments"])} for each in functions],
        "the calls",
    )


def _ids(turn: Turn) -> list[str] | None:
    """Return the ids of the calls of a turn, empty ones for those without; None without calls."""
    return [str(call.get("id", "")) for call in json.loads(turn.tool_calls)] if turn.tool_calls else None


def _without_answered(calls: list[str] | None, turn: Turn, number: int) -> list[str]:
    """Return the calls that have no result yet; one result without an id answers all; BadExample if it answers none."""
    if calls is None:
        raise BadExample(f"message {number} is the result of a tool that no message before it calls")
    if not turn.tool_call_id or not any(calls):
        return []
    if turn.tool_call_id not in calls:
        raise BadExample(
            f"message {number} is the result of the call {_short(turn.tool_call_id)}, which is not open"
        )
    return [call for call in calls if call != turn.tool_call_id]


def _text(value: object, number: int) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float) and not math.isfinite(value):
        raise BadExample(
            f"message {number} holds {'NaN' if value != value else 'an infinite number'}, not text"
        )
    try:
        return cell_text(value) or ""
    except NoCell as error:
        raise BadExample(f"message {number} holds {error}, not text") from None


def _first(fields: Mapping[str, Any], *names: str) -> Any:
    """Return the first of some fields that has a value."""
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _part_text(value: object, number: int) -> str:
    """Return the text of a part; BadExample if it has none, since what it holds instead would be lost."""
    if value is None:
        raise BadExample(f"message {number} has a part without a text")
    return _text(value, number)


def _identifier(value: object, number: int) -> str:
    """Return a name or an id; BadExample unless it is a text or a whole number."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadExample(f"message {number} has a name or an id that is neither a text nor a whole number")
    return str(value)


def _short(value: object) -> str:
    return ascii(value if isinstance(value, str) else str(value))[:_SHOWN]


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    listed = list(pairs)
    if len(dict(listed)) < len(listed):
        raise ValueError("a key stands twice")
    return dict(listed)


def _refuse(name: str) -> None:
    raise ValueError(name)
