"""Bounds of what an answer may be made to match: patterns, grammars, JSON schemas, choices.

An engine compiles them and holds every token of an answer against them, next to the answers of all other callers. The
time depends on the ways in which a text can be divided between repeats, so those are bounded, whatever an engine bounds
by itself. It knows no engine.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import prod
from typing import Any

from ratoon_gateway.domain.errors import BadRequest

MAX_AMBIGUITY = 100
"""Limit of nested repeats that can divide a text in several ways. With `([a-z]*){0,60}` a token took seconds in an
engine that does not follow a grammar lazily (xgrammar 0.2.8)."""
_STAR = 4
"""Count of `*` and `+` around another repeat."""
_MAX_TIMES = 100_000
_MAX_BOUNDED_TEXTS = 50
"""Limit of different patterns and lengths in one schema: each takes a second or more to compile."""
_MAX_PATTERN, _MAX_GRAMMAR, _MAX_SCHEMA = 2_000, 8_000, 64_000
_MAX_DEPTH, _MAX_NODES, _MAX_PROPERTIES, _MAX_GROUPS = 32, 4_000, 300, 16
_MAX_CHOICES, _MAX_CHOICE_CHARACTERS = 1_000, 64_000
_QUANTIFIER = re.compile(r"\{\s*(\d*)\s*(,?)\s*(\d*)\s*\}")
_ESCAPE = re.compile(r"\\[pPuxk](?:\{[^}]*\}|<[^>]*>)|\\.", re.DOTALL)
_CLASS = re.compile(r"\[\^?(?:\\.|[^\]\\])+\]", re.DOTALL)
_GROUP_HEAD = re.compile(r"\(\?(?:P?<\w+>|[:=!]|<[=!])")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_DATA = ("const", "enum", "default", "examples", "required")
_SAME_PLACE = ("anyOf", "oneOf", "allOf")
"""Keywords whose schemas hold for the same value: a cycle through them alone never ends."""


def check_pattern(pattern: object, field: str) -> None:
    """Refuse a regular expression that is too large or whose repeats multiply too far."""
    if not isinstance(pattern, str):
        raise BadRequest(f"`{field}` must be a pattern, as a string.", field, "INVALID_TYPE")
    if len(pattern) > _MAX_PATTERN:
        raise BadRequest(
            f"`{field}` has {len(pattern):,} characters; a pattern may have at most {_MAX_PATTERN:,}.",
            field,
            "INVALID_VALUE",
        )
    _bound(_PatternReader(pattern, field).ambiguity(), field)


def check_grammar(grammar: object, field: str) -> None:
    """Refuse a grammar (EBNF) that is too large or whose repeats, over all of its rules, multiply too far."""
    if not isinstance(grammar, str) or not grammar.strip():
        raise BadRequest(f"`{field}` must be a grammar, as a string.", field, "INVALID_TYPE")
    if len(grammar) > _MAX_GRAMMAR:
        raise BadRequest(
            f"`{field}` has {len(grammar):,} characters; a grammar may have at most {_MAX_GRAMMAR:,}.",
            field,
            "INVALID_VALUE",
        )
    counts = []
    for match in _QUANTIFIER.finditer(grammar):
        minimum, comma, maximum = match.groups()
        times = _times(match)
        if times > _MAX_TIMES:
            raise BadRequest(f"`{field}` repeats more than {_MAX_TIMES:,} times.", field, "INVALID_VALUE")
        if (comma and minimum != maximum) or times > MAX_AMBIGUITY:
            counts.append(times)
    alone = len(counts) == 1 and not re.search(r"[*+]", grammar)
    _bound(1 if alone else prod(counts), field)


def check_choices(choices: object, field: str) -> None:
    """Refuse a list of allowed answers that is no list of texts, or too long."""
    if not isinstance(choices, list) or not choices or not all(isinstance(one, str) for one in choices):
        raise BadRequest(f"`{field}` must be a list of at least one string.", field, "INVALID_TYPE")
    if len(choices) > _MAX_CHOICES or sum(map(len, choices)) > _MAX_CHOICE_CHARACTERS:
        raise BadRequest(
            f"`{field}` may list at most {_MAX_CHOICES:,} answers with {_MAX_CHOICE_CHARACTERS:,} "
            "characters in total.",
            field,
            "INVALID_VALUE",
        )


def check_schema(schema: object, field: str) -> dict[str, Any] | bool:
    """Return a JSON schema as engines take it; BadRequest when it is too large, or refers to itself without end."""
    if isinstance(schema, str):
        schema = _parsed(schema, field)
    if not isinstance(schema, dict | bool):
        raise BadRequest(f"`{field}` must be a JSON schema, as an object.", field, "INVALID_TYPE")
    if isinstance(schema, bool):
        return schema
    if len(json.dumps(schema)) > _MAX_SCHEMA:
        raise BadRequest(f"`{field}` is larger than {_MAX_SCHEMA:,} characters.", field, "INVALID_VALUE")
    _check_shape(schema, field)
    _SchemaReader(schema, field).check()
    translated: dict[str, Any] = _translated(schema, names=False)
    return translated


def _translated(value: Any, *, names: bool) -> Any:
    """The schema without `oneOf`, which no engine keeps while it writes, and without keywords that steer an engine.

    `names`: the keys are names that the caller chose, no keywords.
    """
    if isinstance(value, list):
        return [_translated(each, names=False) for each in value]
    if not isinstance(value, dict):
        return value
    translated = {
        key: each if key in _DATA and not names else _translated(each, names=not names and key in _MAPS)
        for key, each in value.items()
        if names or key not in ("x-guidance", "oneOf")
    }
    if not names and "oneOf" in value:
        one_of = {"anyOf": _translated(value["oneOf"], names=False)}
        return (
            {**translated, **one_of}
            if "anyOf" not in translated
            else {**translated, "allOf": [*translated.get("allOf", []), one_of]}
        )
    return translated


def _parsed(text: str, field: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest(f"`{field}` is a string that is not JSON.", field, "INVALID_VALUE") from None


def _bound(ambiguity: int, field: str) -> None:
    if ambiguity > MAX_AMBIGUITY:
        raise BadRequest(
            f"`{field}` nests repeats that multiply to more than {MAX_AMBIGUITY}: use smaller numbers, or a separator "
            "at the end of each repeat, as in `([a-z]+,){0,50}`.",
            field,
            "TOO_COMPLEX",
        )


def _check_shape(schema: dict[str, Any], field: str) -> None:
    """Depth, number of values, and properties of one object."""
    waiting: list[tuple[Any, int]] = [(schema, 1)]
    nodes = 0
    while waiting:
        value, depth = waiting.pop()
        nodes += 1
        children = list(value.values()) if isinstance(value, dict) else value
        if not isinstance(children, list):
            continue
        if depth > _MAX_DEPTH:
            raise BadRequest(f"`{field}` nests deeper than {_MAX_DEPTH} levels.", field, "TOO_COMPLEX")
        nodes_bound = nodes + len(waiting) + len(children) > _MAX_NODES
        if nodes_bound or (isinstance(value, dict) and len(value) > _MAX_PROPERTIES):
            raise BadRequest(
                f"`{field}` is too large: {_MAX_PROPERTIES} properties of one object and {_MAX_NODES:,} values in all "
                "are allowed.",
                field,
                "TOO_COMPLEX",
            )
        waiting += [(child, depth + 1) for child in children]


def _times(quantifier: "re.Match[str]") -> int:
    """The larger number of `{m}`, `{m,}`, `{m,n}`; what is no number repeats once."""
    return max((int(text[:9]) for text in (quantifier.group(1), quantifier.group(3)) if text), default=1)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a pattern: how ambiguous its repeats are, what it always holds, and what it may hold."""

    ambiguity: int = 1
    varies: bool = False
    """True if its length is not fixed."""
    required: frozenset[str] = frozenset()
    """Marks, no letters or digits, that it always holds."""
    optional: tuple[str, ...] = ()
    """Classes and characters that it holds a varying number of times."""
    atoms: tuple[str, ...] = ()
    """All of its classes and characters."""
    length: int = 0
    """Its characters, where each repeat occurs once."""

    def repeated(self, times: int, varies: bool) -> "_Piece":
        """The piece under a quantifier."""
        nested = self.varies and times > 1 and not self._is_delimited()
        ambiguity = min(self.ambiguity * (times if nested else 1), 10 * _MAX_TIMES)
        if not varies:
            return replace(self, ambiguity=ambiguity)
        return _Piece(ambiguity, True, frozenset(), self.atoms, self.atoms, self.length)

    def and_then(self, other: "_Piece") -> "_Piece":
        """Both, one after the other."""
        return _Piece(
            max(self.ambiguity, other.ambiguity),
            self.varies or other.varies,
            self.required | other.required,
            self.optional + other.optional,
            self.atoms + other.atoms,
            self.length + other.length,
        )

    def _is_delimited(self) -> bool:
        """True if a mark shows where each repeat ends: `([a-z]+,){0,50}`."""
        return any(not any(_matches(one, mark) for one in self.optional) for mark in self.required)


@dataclass(slots=True)
class _Frame:
    """One open group of a pattern: its finished parts and the last one, which a quantifier may follow."""

    done: _Piece = field(default_factory=_Piece)
    last: _Piece = field(default_factory=_Piece)
    branches: list[int] = field(default_factory=list)
    """The lengths at the ends of its branches but the last."""

    def add(self, piece: _Piece) -> None:
        """Begin another part."""
        self.done, self.last = self.done.and_then(self.last), piece

    def end_branch(self) -> None:
        """Begin another branch."""
        self.add(_Piece())
        self.branches.append(self.done.length)

    def whole(self) -> _Piece:
        """All of it; of several branches none is certain."""
        both = self.done.and_then(self.last)
        if not self.branches:
            return both
        ends = [0, *self.branches, both.length]
        lengths = {end - start for start, end in pairwise(ends)}
        varies = both.varies or len(lengths) > 1
        return replace(both, required=frozenset(), optional=both.atoms, varies=varies, length=max(lengths))


class _PatternReader:
    """Reads a pattern without a dialect: what any engine could read as a repeat counts as one."""

    def __init__(self, pattern: str, field: str) -> None:
        self._pattern, self._field = pattern, field
        self._frames = [_Frame()]

    def ambiguity(self) -> int:
        """Return the product of its repeats."""
        place = 0
        while place < len(self._pattern):
            place = self._step(place)
        return max(frame.whole().ambiguity for frame in self._frames)

    def _step(self, place: int) -> int:
        """Read one token; the place after it."""
        steps: dict[str, Callable[[int], int]] = {
            "\\": self._escape,
            "[": self._class,
            "(": self._open,
            ")": self._close,
            "{": self._braces,
        }
        character = self._pattern[place]
        if step := steps.get(character):
            return step(place)
        if character in "*+?":
            self._repeat(1 if character == "?" else _STAR, varies=True)
        elif character == "|":
            self._frames[-1].end_branch()
        elif character not in "^$":
            self._atom(character)
        return place + 1

    def _atom(self, written: str) -> None:
        mark = written if len(written) == 1 and written != "." else written[1:]
        required = frozenset({mark}) if len(mark) == 1 and not mark.isalnum() else frozenset[str]()
        self._frames[-1].add(_Piece(required=required, atoms=(written,), length=1))

    def _repeat(self, times: int, varies: bool) -> None:
        frame = self._frames[-1]
        frame.last = frame.last.repeated(times, varies)

    def _escape(self, place: int) -> int:
        match = _ESCAPE.match(self._pattern, place)
        end = match.end() if match else place + 1
        self._atom(self._pattern[place:end])
        return end

    def _class(self, place: int) -> int:
        match = _CLASS.match(self._pattern, place)
        if match is None or self._pattern.startswith(("[]", "[^]"), place):
            raise self._wrong("has an empty or open character class")
        self._frames[-1].add(_Piece(atoms=(match.group(),), length=1))
        return match.end()

    def _open(self, place: int) -> int:
        self._frames.append(_Frame())
        if len(self._frames) > _MAX_GROUPS:
            raise self._wrong(f"nests more than {_MAX_GROUPS} groups")
        head = _GROUP_HEAD.match(self._pattern, place)
        return head.end() if head else place + 1

    def _close(self, place: int) -> int:
        if len(self._frames) == 1:
            raise self._wrong("closes a group that is not open")
        group = self._frames.pop().whole()
        self._frames[-1].add(group)
        return place + 1

    def _braces(self, place: int) -> int:
        match = _QUANTIFIER.match(self._pattern, place)
        if match is None or not (match.group(1) or match.group(3)):
            self._atom("{")
            return place + 1
        times = _times(match)
        if times > _MAX_TIMES:
            raise self._wrong(f"repeats more than {_MAX_TIMES:,} times")
        minimum, comma, maximum = match.groups()
        self._repeat(
            max(times, _STAR) if comma and not maximum else times, bool(comma) and minimum != maximum
        )
        return match.end()

    def _wrong(self, what: str) -> BadRequest:
        return BadRequest(f"`{self._field}` {what}.", self._field, "INVALID_VALUE")


def _matches(written: str, mark: str) -> bool:
    """True if a class, an escape or a character can match this mark, or if that is not certain."""
    try:
        return re.fullmatch(written, mark) is not None
    except (re.error, RecursionError):
        return True


@dataclass(slots=True)
class _SchemaReader:
    """Reads the patterns, counts and references of a schema."""

    root: dict[str, Any]
    name: str
    patterns: set[str] = field(default_factory=set)
    lengths: set[int] = field(default_factory=set)
    followed: set[str] = field(default_factory=set)
    """References that lead to an end."""

    def check(self) -> None:
        """Read all of it."""
        waiting: list[Any] = [self.root]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                self._check_one(value)
                waiting += value.values()
            elif isinstance(value, list):
                waiting += value
        if len(self.patterns) + len(self.lengths) > _MAX_BOUNDED_TEXTS:
            raise BadRequest(
                f"`{self.name}` has more than {_MAX_BOUNDED_TEXTS} different patterns and lengths of strings: leave "
                "some out, or use the same ones.",
                self.name,
                "TOO_COMPLEX",
            )

    def _check_one(self, schema: dict[str, Any]) -> None:
        if isinstance(schema.get("pattern"), str):
            self._pattern(schema["pattern"], "pattern")
        mapped = schema.get("patternProperties")
        for pattern in mapped if isinstance(mapped, dict) else ():
            self._pattern(pattern, "patternProperties")
        for keyword in _COUNTS:
            if isinstance(schema.get(keyword), int | float):
                self._count(keyword, schema[keyword])
        if isinstance(schema.get("$ref"), str):
            self._follow(schema, frozenset())

    def _pattern(self, pattern: str, keyword: str) -> None:
        if pattern not in self.patterns:
            check_pattern(pattern, f"{self.name}.{keyword}")
            self.patterns.add(pattern)

    def _count(self, keyword: str, count: float) -> None:
        if count < 0 or count > _MAX_TIMES or count != int(count):
            raise BadRequest(
                f"`{self.name}`: {keyword} must be a whole number from 0 to {_MAX_TIMES:,}.",
                self.name,
                "INVALID_VALUE",
            )
        if keyword.endswith("Length"):
            self.lengths.add(int(count))

    def _follow(self, schema: object, following: frozenset[str]) -> None:
        """Refuse a reference that leads back to itself with nothing between; `following`: those that led here."""
        if not isinstance(schema, dict):
            return
        for keyword in _SAME_PLACE:
            for one in schema[keyword] if isinstance(schema.get(keyword), list) else ():
                self._follow(one, following)
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return
        if not reference.startswith("#"):
            raise self._bad_reference(
                reference, "a reference must point into the schema, like `#/$defs/name`"
            )
        if reference in following or len(following) >= _MAX_DEPTH:
            raise self._bad_reference(reference, "the reference is circular")
        if reference not in self.followed:
            self._follow(self._resolved(reference), following | {reference})
            self.followed.add(reference)

    def _resolved(self, reference: str) -> object:
        value: Any = self.root
        for part in reference[1:].strip("/").split("/") if reference.strip("#/") else ():
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, list) and name.isascii() and name.isdigit() and int(name[:9]) < len(value):
                value = value[int(name[:9])]
            elif isinstance(value, dict) and name in value:
                value = value[name]
            else:
                raise self._bad_reference(reference, "the schema does not contain it")
        return value

    def _bad_reference(self, reference: str, why: str) -> BadRequest:
        return BadRequest(f"`{self.name}` refers to {reference[:100]!r}: {why}.", self.name, "INVALID_VALUE")
