"""Documents with fields of a message, in YAML or JSON: files of `--file`, and values of message flags.

A document is checked against the schema of the API before anything is sent. Errors name the line.
"""

import base64
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import typer
import yaml

from ratoon.cli.names import nearest
from ratoon.client.schema import ENUMS, MESSAGES, Field, find_method, json_name

_TAGS = {
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:bool": "true or false",
    "tag:yaml.org,2002:null": "null",
    "tag:yaml.org,2002:str": "a string",
    "tag:yaml.org,2002:timestamp": "a time",
    "tag:yaml.org,2002:map": "an object",
    "tag:yaml.org,2002:seq": "a list",
}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class _Loader(yaml.SafeLoader):
    """Loader that refuses aliases: a small file could stand for an endless one."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="anchors and aliases are not supported", problem_mark=mark)
        return super().compose_node(parent, index)


@dataclass(frozen=True)
class Document:
    """One document: where it begins (`file.yaml:3`), and the values of its fields by their names in Python."""

    place: str
    fields: dict[str, Any]
    lines: dict[str, int]


def read_documents(path: str, fields: tuple[Field, ...], message: str) -> list[Document]:
    """Return the documents of a file (`-`: standard input) as values of `fields`; raise typer.BadParameter.

    A file holds one document, several that `---` separates, or a list of them.
    """
    label = "standard input" if path == "-" else path
    roots = _nodes(_text(path, label), label, is_json=path.endswith(".json"))
    items = [each for root in roots for each in _items(root)]
    if not items:
        raise typer.BadParameter(f"{label} contains no document.")
    reader = _Reader(label)
    return [reader.document(node, fields, message) for node in items]


def read_settings(path: Path | None, resource: str) -> dict[str, Any]:
    """Return the fields of a new or changed resource in a file, or none without a file; raise typer.BadParameter."""
    if path is None:
        return {}
    method = find_method(resource, "create")
    assert method is not None, resource
    documents = read_documents(str(path), method.fields, method.message)
    if len(documents) != 1:
        raise typer.BadParameter(f"{path} holds {len(documents)} documents; it must hold one.")
    return documents[0].fields


def read_value(text: str, field: Field, label: str) -> Any:
    """Return the value of a flag as JSON; raise typer.BadParameter naming the flag `label`."""
    if field.kind in MESSAGES:
        roots = _nodes(text, label, is_json=False)
        if len(roots) != 1:
            raise typer.BadParameter(f"{label} takes one object, in YAML or JSON.")
        return _Reader(label).single(roots[0], field, field.name)
    return scalar(text, field, lambda fault: typer.BadParameter(f"{label} {fault}"))


def _text(path: str, label: str) -> str:
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise typer.BadParameter(f"{label} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{label} is not UTF-8 text.") from None


def _nodes(text: str, label: str, is_json: bool) -> list[yaml.Node]:
    if is_json:
        try:
            json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, ValueError) else ""
            raise typer.BadParameter(
                f"{label} is not JSON: {getattr(error, 'msg', 'too deep')}{where}."
            ) from None
    if text.lstrip()[:1] in ("{", "["):
        text = text.replace("\t", " ")  # JSON has tabs between tokens only, where YAML allows none
    try:
        return [node for node in yaml.compose_all(text, Loader=_Loader) if node is not None]
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        depth = "it is nested too deeply" if isinstance(error, RecursionError) else "it cannot be read"
        problem = getattr(error, "problem", None) or depth
        raise typer.BadParameter(f"{label} is not YAML: {problem}{where}.") from None


def _items(root: yaml.Node) -> list[yaml.Node]:
    if isinstance(root, yaml.SequenceNode):
        return list(root.value)
    return [] if root.tag == "tag:yaml.org,2002:null" else [root]


class _Reader:
    """Converts nodes of one file into JSON values."""

    def __init__(self, label: str) -> None:
        self._label = label

    def document(self, node: yaml.Node, fields: tuple[Field, ...], message: str) -> Document:
        """Return a document."""
        values, lines = {}, {}
        for key, value, field in self._members(node, fields, message, ""):
            values[field.name] = self.value(value, field, key)
            lines[field.name] = value.start_mark.line + 1
        return Document(self._place(node), values, lines)

    def value(self, node: yaml.Node, field: Field, path: str) -> Any:
        """Return the value of a field; `path` is its place in the document."""
        if node.tag == "tag:yaml.org,2002:null":
            return None
        if field.key:
            return self._map(node, field, path)
        if not field.repeated:
            return self.single(node, field, path)
        if not isinstance(node, yaml.SequenceNode):
            raise self._fault(node, f"{path} must be a list; it is {_named(node)}.")
        return [self.single(each, field, f"{path}[{place}]") for place, each in enumerate(node.value)]

    def single(self, node: yaml.Node, field: Field, path: str) -> Any:
        """Return one value of a field."""
        if field.kind in MESSAGES:
            message = MESSAGES[field.kind]
            members = self._members(node, message.fields, message.name, f"{path}.")
            return {json_name(each.name): self.value(value, each, key) for key, value, each in members}
        if not isinstance(node, yaml.ScalarNode):
            raise self._fault(node, f"{path} must be {_expected(field)}; it is {_named(node)}.")
        text = str(node.value)
        kinds = _ACCEPTED.get(field.kind, ("str",))
        if node.tag.rpartition(":")[2] not in kinds:
            advice = f' Write it in quotes: "{text}".' if kinds[0] == "str" else ""
            raise self._fault(node, f"{path} must be {_expected(field)}; it is {_named(node)}.{advice}")
        return scalar(text, field, lambda fault: self._fault(node, f"{path} {fault}"))

    def _map(self, node: yaml.Node, field: Field, path: str) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise self._fault(node, f"{path} must be an object; it is {_named(node)}.")
        value = Field(field.name, field.kind, field.comment)
        return {str(key.value): self.single(each, value, f"{path}[{key.value}]") for key, each in node.value}

    def _members(
        self, node: yaml.Node, fields: tuple[Field, ...], message: str, prefix: str
    ) -> Iterator[tuple[str, yaml.Node, Field]]:
        """Yield path, value and field of each key of an object; refuse unknown and repeated keys."""
        if not isinstance(node, yaml.MappingNode):
            where = prefix.removesuffix(".") or "A document"
            raise self._fault(
                node, f"{where} must be an object with fields of {message}; it is {_named(node)}."
            )
        known = {name: each for each in fields for name in (each.name, json_name(each.name))}
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._fault(key, f"a field of {message} has a name; it is {_named(key)}.")
            name = str(key.value)
            if (field := known.get(name)) is None:
                offered = [json_name(each.name) for each in fields]
                hint = nearest(name, offered) or f" Its fields are {', '.join(offered)}."
                raise self._fault(key, f"{message} has no field {prefix}{name}.{hint}")
            if field.name in seen:
                raise self._fault(key, f"{prefix}{name} is set twice.")
            seen.add(field.name)
            yield f"{prefix}{name}", value, field

    def _place(self, node: yaml.Node) -> str:
        return f"{self._label}:{node.start_mark.line + 1}"

    def _fault(self, node: yaml.Node, sentence: str) -> typer.BadParameter:
        return typer.BadParameter(f"{self._place(node)}: {sentence}")


def scalar(text: str, field: Field, fault: Callable[[str], Exception]) -> Any:
    """Return the JSON value of a text for a field without fields of its own; raise `fault(sentence)`."""
    if field.kind in ENUMS:
        return _enum_value(text, field.kind, fault)
    if field.kind == "string":
        return text
    try:
        return _READERS[field.kind](text)
    except (KeyError, ValueError, OverflowError):
        raise fault(f"must be {_expected(field)}; it is {text!r}.") from None


def enum_words(kind: str) -> list[str]:
    """Return the values of an enum as flags take them: `text-archive`."""
    return [
        each.name.lower().replace("_", "-") for each in ENUMS[kind] if not each.value.endswith("_UNSPECIFIED")
    ]


def _enum_value(text: str, kind: str, fault: Callable[[str], Exception]) -> str:
    folded = text.replace("-", "_").upper()
    for each in ENUMS[kind]:
        if folded in (each.name, each.value):
            return each.value
    words = enum_words(kind)
    raise fault(f"is one of {', '.join(words)}; it is {text!r}.{nearest(text.lower(), words)}")


def read_time(text: str) -> datetime:
    """Return a time; `30d` is 30 days from now, a time without a zone is UTC. ValueError for other text."""
    if match := _SPAN.fullmatch(text):
        return datetime.now(UTC) + timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _time(text: str) -> str:
    return read_time(text).isoformat().replace("+00:00", "Z")


def _duration(text: str) -> str:
    if match := _SPAN.fullmatch(text):
        return f"{int(match[1]) * _SECONDS[match[2]]}s"
    return f"{float(text.removesuffix('s')):.6f}".rstrip("0").rstrip(".") + "s"


def _number(text: str) -> float:
    value = float(text)
    if not abs(value) < float("inf"):
        raise ValueError
    return value


def _truth(text: str) -> bool:
    return _TRUTH[text.lower()]


def _bytes(text: str) -> str:
    base64.b64decode(text, validate=True)
    return text


_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_READERS: dict[str, Callable[[str], Any]] = {
    "integer": int,
    "number": _number,
    "bool": _truth,
    "time": _time,
    "duration": _duration,
    "bytes": _bytes,
}
_ACCEPTED = {
    "integer": ("int", "str"),
    "number": ("int", "float", "str"),
    "bool": ("bool",),
    "time": ("timestamp", "str"),
    "duration": ("str", "int", "float"),
    "string": ("str", "timestamp"),
}
_EXPECTED = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "bool": "true or false",
    "time": "a time such as 2030-12-31T18:00:00Z",
    "duration": "a duration such as 30s",
    "bytes": "base64",
}


def _expected(field: Field) -> str:
    if field.kind in ENUMS:
        return f"one of {', '.join(enum_words(field.kind))}"
    return _EXPECTED.get(field.kind, "an object")


def _named(node: yaml.Node) -> str:
    return _TAGS.get(node.tag, "of another type")
