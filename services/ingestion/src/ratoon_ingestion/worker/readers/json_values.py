"""JSON as it comes: one object a line, an array of objects, objects one after another, over lines or within one."""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

_CHUNK = 1 << 20
_MAX_DEPTH = 5_000
"""Brackets within brackets, beyond which no parser reads a value."""
_OUTSIDE = re.compile(r'"|[\[\]{}\n]|[^\s,:\[\]{}"]+')
_NESTED = re.compile(r'"|[\[\]{}\n]')
_IN_STRING = re.compile(r'[^"\\\n\r]*(?:\\[^\n\r][^"\\\n\r]*)*')


class BadJson(Exception):
    """A text that is no JSON; the message says where."""


@dataclass(frozen=True)
class Value:
    """One value as text: its number and line from 1, and its size in characters (above that of `text` when cut)."""

    number: int
    line: int
    text: str
    size: int

    @property
    def cut(self) -> bool:
        """Whether the value was longer than the bound."""
        return self.size > len(self.text)


class Unclosed(Exception):
    """The text ends inside a value, or inside the list of them; `line` is where that begins."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"{what}, which begins in line {line:,}, is not closed.")
        self.line = line


class Repeated(dict[str, Any]):
    """An object in which a key stands more than once."""


def parsed(text: str) -> Any:
    """The value of a JSON text. NaN and the infinities are taken as they are. BadJson when it is none."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise BadJson(f"no JSON from character {error.pos + 1:,} on") from None
    except RecursionError:
        raise BadJson("objects or lists are nested too deep") from None
    except ValueError:
        raise BadJson("a number of more than 4,300 digits") from None


def several(text: str) -> list[str]:
    """The objects of a line that holds more than one, as texts; empty when it does not."""
    scanner = _Scanner(len(text) + 1)
    try:
        values = [value.text for value in scanner.feed(text, last=True)]
        scanner.check_end()
    except Unclosed:
        return []
    return values if len(values) > 1 and all(each.startswith("{") for each in values) else []


def starts_document(line: str) -> bool:
    """Whether the first line of a file says that its values are not one a line."""
    text = line.strip()
    if text.startswith("["):
        return True
    scanner = _Scanner(len(text) + 1)
    try:
        list(scanner.feed(text, last=True))
    except Unclosed:
        return True
    return text.startswith("{") and scanner.depth > 0


def values(stream: BinaryIO, limit: int) -> Iterator[Value]:
    """The top-level values of a UTF-8 stream, those of arrays one by one; Unclosed when it ends inside of one."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    scanner = _Scanner(limit)
    while chunk := stream.read(_CHUNK):
        yield from scanner.feed(decoder.decode(chunk))
    yield from scanner.feed(decoder.decode(b"", final=True), last=True)
    scanner.check_end()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    object = dict(pairs)
    return object if len(object) == len(pairs) else Repeated(object)


class _Scanner:
    """Finds where values begin and end by brackets and strings; an array at the top is opened, not a value.

    A string that is not closed ends at the end of its line, so that it swallows no more than that.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._text, self._at, self._start = "", 0, -1
        self._dropped, self._line = 0, 1
        self._in_array = self._in_string = False
        self._array_line = 0
        self.depth, self.number, self.start_line = 0, 0, 1

    @property
    def open(self) -> bool:
        """Whether a value was begun and not ended."""
        return self._start >= 0

    def check_end(self) -> None:
        """Raise Unclosed if a value or the list of them was begun and not ended."""
        if self.open:
            raise self._unclosed()
        if self._in_array:
            raise Unclosed("The list", self._array_line)

    def _unclosed(self) -> Unclosed:
        return Unclosed(f"Value {self.number + 1:,}", self.start_line)

    def feed(self, text: str, *, last: bool = False) -> Iterator[Value]:
        """The values that end in this piece."""
        self._forget()
        self._text += text
        while self._at < len(self._text):
            if self._in_string:
                if not self._to_string_end(last):
                    return
            elif not self._to_next_token(last):
                return
            if self.open and not self.depth and not self._in_string:
                yield self._value()

    def _forget(self) -> None:
        """Drop what is not needed any more; keep the start of a value beyond the bound."""
        text, at = self._text, self._at
        if not self.open:
            self._text, self._at = text[at:], 0
            return
        excess = at - self._start - self._limit
        if excess > 0:
            self._dropped += excess
            text, at = text[: self._start + self._limit] + text[at:], self._start + self._limit
        self._text, self._at, self._start = text[self._start :], at - self._start, 0

    def _to_string_end(self, last: bool) -> bool:
        """Go to the end of the string; whether it is in this piece."""
        match = _IN_STRING.match(self._text, self._at)
        self._at = end = match.end() if match else self._at
        left = len(self._text) - end
        if not last and (left == 0 or (left == 1 and self._text[end] == "\\")):
            return False
        self._in_string = False
        if left and self._text[end] in '"\\':
            self._at += 1
        return True

    def _to_next_token(self, last: bool) -> bool:
        """Take the next bracket, quote, line end or bare word; whether there was one in this piece."""
        token = (_NESTED if self.open else _OUTSIDE).search(self._text, self._at)
        if token is None:
            self._at = len(self._text)
            return False
        mark = token[0]
        word = mark not in '"[]{}\n'
        if word and token.end() == len(self._text) and not last and len(mark) < self._limit:
            self._at = token.start()
            return False
        self._at = token.end()
        self._take(mark, token.start())
        return True

    def _take(self, mark: str, place: int) -> None:
        if mark == "\n":
            self._line += 1
        elif mark == "[" and not self.open and not self._in_array:
            self._in_array, self._array_line = True, self._line
        elif mark == "]" and not self.open and self._in_array:
            self._in_array = False
        else:
            self._begin(place)
            self._in_string = mark == '"'
            self.depth = max(self.depth + (mark in "{[") - (mark in "}]"), 0)
            if self.depth > _MAX_DEPTH:
                raise self._unclosed()

    def _begin(self, place: int) -> None:
        if not self.open:
            self._start, self.start_line = place, self._line

    def _value(self) -> Value:
        self.number += 1
        text = self._text[self._start : self._at]
        value = Value(self.number, self.start_line, text[: self._limit], len(text) + self._dropped)
        self._start, self._dropped = -1, 0
        return value
