"""Rows of conversations, instructions, preferences and rated answers: the layout of a row, and its record.

A row is an example if it has no column of the text, and its fields are those of a known layout or were named. One
conversation is one record: its last message of the assistant is the answer, all others are the prompt.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import BadRecord, from_json, record_of, to_json
from ratoon.tasks.text import is_encodable
from ratoon_ingestion.domain.attachments import MEDIA
from ratoon_ingestion.domain.conversations import fault
from ratoon_ingestion.domain.sources import Columns
from ratoon_ingestion.worker.readers.json_values import BadJson, Repeated, parsed
from ratoon_ingestion.worker.readers.messages import (
    BadExample,
    Media,
    Messages,
    answer_of,
    check_calls,
    check_order,
    dumped,
    is_message,
    parsed_json,
    read_messages,
    read_tools,
    weight_of,
)
from ratoon_ingestion.worker.readers.values import NoCell, cell_line, cell_text, label_line

EXAMPLE = "example"
"""Column of whole records, as parts of splits have it."""
MAX_ANSWER_CHARS = 65_536
_CONVERSATIONS = ("messages", "conversations")
_ANSWERS = ("completion", "response")
_ALL_ANSWERS = ("output", *_ANSWERS)
_PAIR = ("chosen", "rejected")
_PAIRS = (("chosen_messages", "rejected_messages"), ("preferred_output", "non_preferred_output"))
"""Fields of two conversations, the better one first."""
CONVERSATION = "conversation"
"""Attribute that names the conversation of an example, by which a split can group."""
_CONVERSATION_IDS = ("conversation_id", CONVERSATION)
ATTRIBUTES = (*MEDIA, CONVERSATION)
"""Fields that are attributes of an example without being named."""
_BOOLEANS = {"true": True, "false": False}
_NUMBERS = {"1": True, "0": False}
"""Ratings as numbers, which beside a prompt and its answer can mean nothing else."""
_OF_MESSAGES = ("prompt", *_ANSWERS, *_PAIR, *_PAIRS[0], *_PAIRS[1])
"""Fields that hold a text or messages."""
_FIELDS = (
    EXAMPLE, *_CONVERSATIONS, "instruction", "input", "context", "output", "history", "system", *_OF_MESSAGES,
    "tools", "functions", "kto_tag", *MEDIA, *_CONVERSATION_IDS,
)  # fmt: skip
"""Fields of examples that are read without being named."""

Row = Mapping[str, Any]


class Layout(StrEnum):
    """Layout of a row."""

    TEXT = "text"
    """A text, and perhaps a label."""
    EXAMPLE = "example"
    """A whole record, as Ratoon writes it."""
    CHAT = "chat"
    SHAREGPT = "sharegpt"
    ALPACA = "alpaca"
    PROMPT = "prompt"
    """A prompt, with an answer or without."""
    PREFERENCE = "preference"
    """Two conversations that differ in the last message."""


@dataclass(frozen=True)
class Example:
    """A record, and the label beside it, if it has one that does not rate the answer."""

    record: Record
    attributes: Mapping[str, str]
    """References to its attachments by their type, and the name of its conversation."""
    label: str | None = None


@dataclass(frozen=True)
class _Read:
    """A record as its messages give it, its attachments, and its last message if that is the answer."""

    record: Record
    media: Media
    last: Turn | None = None


def layout_of(columns: Columns, fields: Collection[str]) -> Layout:
    """Return the layout of a row with these fields."""
    named = columns.of_examples
    if "messages" in named:
        return Layout.CHAT
    if "prompt" in named or "answer" in named:
        return Layout.ALPACA if "prompt" not in named and "instruction" in fields else Layout.PROMPT
    if "text" in columns.named or columns.text in fields:
        return Layout.TEXT
    return next((layout for layout, matches in _DETECTED.items() if matches(fields)), Layout.TEXT)


def example_columns(columns: Columns, header: Collection[str]) -> tuple[str, ...]:
    """Return the columns of a table that its examples need; none if its rows are texts alone."""
    layout = layout_of(columns, header)
    if layout is Layout.TEXT:
        has_whole = EXAMPLE in header and "text" not in columns.named
        return (EXAMPLE, *(name for name in ATTRIBUTES if name in header)) if has_whole else ()
    return tuple(
        dict.fromkeys((*columns.of_examples.values(), *(each for each in _FIELDS if each in header)))
    )


def row_layout(columns: Columns, row: Row) -> Layout:
    """Return the layout of a row; a whole record counts where there is one."""
    if (columns.of_examples or "text" not in columns.named) and _is_whole(row.get(EXAMPLE)):
        return Layout.EXAMPLE
    return layout_of(columns, [name for name, value in row.items() if value is not None])


def from_cells(columns: Columns, cells: Mapping[str, str]) -> Row:
    """Return the row of a CSV: of an example, empty cells hold nothing, and messages are the JSON of some."""
    if row_layout(columns, cells) is Layout.TEXT:
        return cells
    row: dict[str, Any] = {name: text for name, text in cells.items() if text}
    answers = [name for name in (columns.answer, *_ALL_ANSWERS) if name in cells]
    if not any(row.get(name) for name in answers):
        row |= dict.fromkeys(answers, "")
    for name in _OF_MESSAGES:
        if (messages := _messages_of(row.get(name, ""))) is not None:
            row[name] = messages
    return row


def example_of(columns: Columns, row: Row, layout: Layout) -> Example:
    """Return the example of a row; BadExample says why it is none."""
    try:
        _check_keys(row)
        return _example(columns, row, layout)
    except RecursionError:
        raise BadExample("objects or lists are nested too deep") from None


def _example(columns: Columns, row: Row, layout: Layout) -> Example:
    read = _READERS[layout](_Fields(columns, row))
    if layout is not Layout.EXAMPLE and not read.record.turns:
        raise BadExample("the conversation has no message before the answer")
    if layout is Layout.EXAMPLE:
        record, label = _with_newer_answer(columns, row, read.record)
    else:
        record, label = _with_label(columns, row, read, layout)
        record = replace(record, tools=_tools(columns, row), weight=_weight(columns, row, record.weight))
    _check(record)
    attributes = {**_references(row, read.media), **_conversation_id(row)}
    if not all(map(is_encodable, attributes.values())):
        raise BadExample(
            "a reference to an attachment contains half of a surrogate pair, which is not a character"
        )
    return Example(record, attributes, label)


@dataclass(frozen=True)
class _Fields:
    """Fields of a row by their role."""

    columns: Columns
    row: Row

    def one(self, role: str, *detected: str) -> Any:
        """Return the value of a named column, else that of the first detected field that has one."""
        if name := getattr(self.columns, role, ""):
            return self.row.get(name)
        return next((self.row[name] for name in detected if self.row.get(name) is not None), None)

    def text(self, role: str, *detected: str) -> str:
        """Return the text of a field; empty if it has none."""
        return _text(self.one(role, *detected), role)

    def history(self) -> tuple[Turn, ...]:
        """Return the earlier turns of an instruction or a prompt: pairs of an instruction and its answer."""
        value = self.one("", "history")
        pairs = parsed_json(value, "the history") if isinstance(value, str) else value
        turns = list[Turn]()
        for pair in pairs if isinstance(pairs, list | tuple) else [pairs] if pairs else ():
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise BadExample("the history is not a list of pairs of an instruction and its answer")
            instruction, answer = (_text(each, "history") for each in pair)
            turns += Turn(Role.USER, instruction), Turn(Role.ASSISTANT, answer)
        return tuple(turns)

    def conversation(self, *turns: Turn) -> tuple[Turn, ...]:
        """Return turns after the system prompt of the row, unless they begin with the same one."""
        text = self.text("system", "system")
        is_there = bool(turns) and turns[0].role == Role.SYSTEM and turns[0].content.strip() == text.strip()
        return turns if is_there or not text else (Turn(Role.SYSTEM, text), *turns)


def _whole(fields: _Fields) -> _Read:
    value = fields.row[EXAMPLE]
    if isinstance(value, str):
        value = parsed_json(value, "the fields of the example")
    try:
        record = from_json(dumped(value, "the fields of the example"))
    except BadRecord as error:
        raise BadExample(str(error)) from None
    check_calls(record.turns)
    read_tools(record.tools)
    weight_of(record.weight)
    return _Read(record, {})


def _chat(fields: _Fields) -> _Read:
    value = fields.one("messages", *_CONVERSATIONS)
    if isinstance(value, str):
        value = parsed_json(value, "the messages")
    read = read_messages(value)
    turns = fields.conversation(*read.turns)
    if _has_pair(fields):
        return _preferred(fields, turns, read.media)
    if (answer := fields.one("answer")) is not None:
        return _answered(turns, answer, read.media)
    return _by_last_message(replace(read, turns=turns))


def _alpaca(fields: _Fields) -> _Read:
    texts = (fields.text("", "instruction"), fields.text("", "input", "context"))
    turns = fields.conversation(*fields.history(), Turn(Role.USER, "\n".join(text for text in texts if text)))
    if _has_pair(fields):
        return _preferred(fields, turns, {})
    return _answered(turns, fields.one("answer", "output", "response"), {})


def _prompt(fields: _Fields) -> _Read:
    turns, media = _turns(fields.one("prompt", "prompt", fields.columns.text))
    turns = fields.conversation(*fields.history(), *turns)
    if _has_pair(fields):
        return _preferred(fields, turns, media)
    return _answered(turns, fields.one("answer", *_ANSWERS), media)


def _pair(fields: _Fields) -> _Read:
    """Return the preference of two conversations: what they share is the prompt, and what a field `input` holds."""
    names = next((names for names in _PAIRS if names[0] in fields.row), None)
    if names is None:
        chosen, rejected = (_conversation(fields.one(role, name), name) for role, name in _roles_of_pair())
    else:
        chosen, rejected = (_conversation(fields.row.get(name), name) for name in names)
    before = fields.row.get("input")
    shared = read_messages(before.get("messages")).turns if isinstance(before, Mapping) else ()
    turns = fields.conversation(*shared, *chosen.turns[:-1])
    if not turns or rejected.turns[:-1] != chosen.turns[:-1]:
        raise BadExample("the chosen and the rejected conversation do not share all but their last message")
    check_order((*turns, *chosen.turns[-1:]))
    record = Record(turns, (_answer(chosen.turns[-1:]),), _answer(rejected.turns[-1:]))
    weight = chosen.answer_weight
    return _Read(record if weight is None else replace(record, weight=weight), chosen.media)


_READERS: Mapping[Layout, Callable[[_Fields], _Read]] = {
    Layout.EXAMPLE: _whole,
    Layout.CHAT: _chat,
    Layout.SHAREGPT: _chat,
    Layout.ALPACA: _alpaca,
    Layout.PROMPT: _prompt,
    Layout.PREFERENCE: _pair,
}


def _is_preference(fields: Collection[str]) -> bool:
    return any(set(pair) <= set(fields) for pair in (_PAIR, *_PAIRS))


_DETECTED: Mapping[Layout, Callable[[Collection[str]], bool]] = {
    Layout.CHAT: lambda fields: "messages" in fields,
    Layout.SHAREGPT: lambda fields: "conversations" in fields,
    Layout.ALPACA: lambda fields: "instruction" in fields,
    Layout.PROMPT: lambda fields: "prompt" in fields,
    Layout.PREFERENCE: _is_preference,
}


def _is_whole(value: object) -> bool:
    """Return whether a value is a record as Ratoon writes it, as an object or its JSON."""
    if isinstance(value, Mapping):
        return isinstance(value.get("messages"), list | tuple)
    return isinstance(value, str) and value.startswith("{") and '"messages"' in value


def _roles_of_pair() -> tuple[tuple[str, str], tuple[str, str]]:
    return ("answer", _PAIR[0]), ("rejected", _PAIR[1])


def _has_pair(fields: _Fields) -> bool:
    """Return whether a row is a preference; BadExample if it has the better answer alone, which would be lost."""
    if fields.one("rejected", _PAIR[1]) is not None:
        return True
    if fields.row.get(_PAIR[0]) is not None and not fields.columns.of_examples:
        raise BadExample("the row has a chosen answer and no rejected one")
    return False


def _preferred(fields: _Fields, turns: tuple[Turn, ...], media: Media) -> _Read:
    pair = [fields.one(role, name) for role, name in _roles_of_pair()]
    if all(isinstance(each, list | tuple) and len(each) > 1 and _is_conversation(each) for each in pair):
        read = _pair(fields)
        if any(_role_and_text(turn) not in map(_role_and_text, read.record.turns) for turn in turns):
            raise BadExample("the prompt is not part of the chosen and the rejected conversation")
        return read
    check_order(turns)
    chosen, rejected = (_after(each, name) for each, name in zip(pair, _PAIR, strict=True))
    return _Read(Record(turns, (chosen,), rejected), media)


def _after(value: Any, what: str) -> str:
    """Return an answer of a preference, which is a text or a message."""
    return _answer(read_messages(value).turns) if _is_conversation(value) else _text(value, what)


def _answer(turns: Sequence[Turn]) -> str:
    if len(turns) != 1 or turns[0].role != Role.ASSISTANT:
        raise BadExample("the chosen and the rejected answer must each be one message of the assistant")
    return answer_of(turns[0])


def _role_and_text(turn: Turn) -> tuple[str, str]:
    """Return the author and the text of a turn, without white space around it."""
    return turn.role, turn.content.strip()


def _answered(turns: tuple[Turn, ...], answer: Any, media: Media) -> _Read:
    """Return a prompt with its answer: a text, several, or messages, the last of which is the answer."""
    if _is_conversation(answer):
        read = read_messages(answer)
        joined = {**media, **read.media}
        return _by_last_message(Messages((*turns, *read.turns), joined, read.answer_weight))
    listed = answer if isinstance(answer, list | tuple) else (answer,)
    check_order(turns)
    return _Read(Record(turns, tuple(text for each in listed if (text := _text(each, "answer")))), media)


def _by_last_message(read: Messages) -> _Read:
    check_order(read.turns)
    if not read.turns or read.turns[-1].role != Role.ASSISTANT:
        return _Read(Record(read.turns), read.media)
    weight = 1.0 if read.answer_weight is None else read.answer_weight
    last = read.turns[-1]
    return _Read(Record(read.turns[:-1], (answer_of(last),), weight=weight), read.media, last)


def _with_newer_answer(columns: Columns, row: Row, record: Record) -> tuple[Record, str | None]:
    """Return a whole record; the label beside it, as in a part of a split, is newer than its answers."""
    label = _text(row.get(columns.label), "label").strip()
    if not label or record.rejected is not None or record.is_good is not None:
        return record, None
    if not record.answers:
        return record, label
    is_known = label in map(str.strip, record.answers)
    return (record if is_known else record_of("", label, to_json(record))), None


def _with_label(columns: Columns, row: Row, read: _Read, layout: Layout) -> tuple[Record, str | None]:
    """Return the record, and the label of its row unless that rates the answer.

    Another label beside a conversation is the answer to the whole of it.
    """
    record, label = read.record, _label(columns, row)
    if label is None or record.rejected is not None:
        return record, label
    is_good = _BOOLEANS.get(label.lower())
    if not record.answers:
        if is_good is not None and any(name in row for name in (columns.answer, *_ALL_ANSWERS)):
            raise BadExample(f"the label {label!r} rates an answer, and the answer is empty")
        return record, label
    if is_good is None and layout in (Layout.CHAT, Layout.SHAREGPT) and read.last is not None:
        return replace(record, turns=(*record.turns, read.last), answers=()), label
    is_good = _NUMBERS.get(label) if is_good is None else is_good
    if is_good is None:
        raise BadExample(f"the label {label[:50]!r} beside an answer is neither true nor false")
    return replace(record, is_good=is_good), None


def _label(columns: Columns, row: Row) -> str | None:
    value = row.get(columns.label)
    try:
        return label_line(row.get("kto_tag") if value is None else value)
    except NoCell as error:
        raise BadExample(f"the label holds {error}") from None


def _tools(columns: Columns, row: Row) -> str:
    value = _Fields(columns, row).one("tools", "tools", "functions")
    before = row.get("input")
    return read_tools(before.get("tools") if value is None and isinstance(before, Mapping) else value)


def _weight(columns: Columns, row: Row, weight: float) -> float:
    value = row.get(columns.weight) if columns.weight else None
    return weight if value is None else weight_of(value)


def _turns(value: Any) -> tuple[tuple[Turn, ...], Media]:
    if _is_conversation(value):
        read = read_messages(value)
        return read.turns, read.media
    text = _text(value, "prompt")
    if not text.strip():
        raise BadExample("the prompt is empty")
    return (Turn(Role.USER, text),), {}


def _conversation(value: Any, what: str) -> Messages:
    if not _is_conversation(value):
        raise BadExample(f"{what} is a text, and the row has no prompt")
    return read_messages(value)


def _is_conversation(value: object) -> bool:
    return is_message(value) or (isinstance(value, list | tuple) and any(map(is_message, value)))


def _text(value: Any, what: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise BadExample(f"the {what} is {value}, not text")
    try:
        return cell_text(value) or ""
    except NoCell as error:
        raise BadExample(f"the {what} holds {error}, not text") from None


def _references(row: Row, media: Media) -> dict[str, str]:
    """Return the references to attachments, by their type."""
    by_type = {name: list(references) for name, references in media.items()}
    for name in MEDIA:
        value = row.get(name)
        if isinstance(value, str) and value:
            by_type[name] = [value]
        elif isinstance(value, list | tuple) and value:
            by_type[name] = [each if isinstance(each, str) else "(embedded)" for each in value]
    return {name: ", ".join(references) for name, references in by_type.items()}


def _conversation_id(row: Row) -> dict[str, str]:
    value = next((row[name] for name in _CONVERSATION_IDS if isinstance(row.get(name), str | int)), None)
    name = cell_line(value)
    return {CONVERSATION: name} if name else {}


def _messages_of(text: str) -> Any:
    """Return the messages of a text that is the JSON of a message or of a list of them; None for other texts."""
    if not text.startswith(("[", "{")):
        return None
    try:
        value = parsed(text)
    except BadJson:
        return None
    listed = value if isinstance(value, list) else [value]
    return value if listed and all(map(is_message, listed)) else None


def _check_keys(row: Row) -> None:
    """Raise BadExample if an object in the row has a key twice."""
    left: list[Any] = [row]
    while left:
        value = left.pop()
        if isinstance(value, Repeated):
            raise BadExample("a key stands twice in one object")
        if isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            left.extend(value)


def _check(record: Record) -> None:
    """Raise BadExample if the record is not valid, whatever the task."""
    if reason := fault(record):
        raise BadExample(reason)
    for answer in (*record.answers, record.rejected or ""):
        if len(answer) > MAX_ANSWER_CHARS:
            raise BadExample(f"an answer has {len(answer):,} characters, more than {MAX_ANSWER_CHARS:,}")
