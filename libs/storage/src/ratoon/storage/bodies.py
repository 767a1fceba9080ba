"""Stored bodies: resources as JSON documents that two releases read and write next to each other.

A body holds the fields of a frozen dataclass and a `schema_version`; a body without one is version 1. An older body is
upgraded when it is read, and stored in its new shape by the next save. A newer body, or one with unknown fields, is
read as far as its known fields go; a save keeps its version and its unknown fields. Fields that were renamed are also
written under their old names for one release. It knows no database, no domain.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

VERSION_KEY = "schema_version"
_VERSIONED = f'{{"{VERSION_KEY}":'
_UNKNOWN_VALUE = frozenset(("enum", "literal_error"))

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
"""Upgrade step: a pure function from the body of one version to the body of the next."""
Mirror = Callable[[dict[str, Any]], dict[str, Any]]
"""Pure function from a body to its renamed fields under their names in the previous release, nested as they were.

The body may lack any field.
"""


class Unreadable(ValueError):
    """Body that cannot be read. `fault` names the field and the kind of its fault, never its value."""

    def __init__(self, fault: str, *, is_newer: bool = False) -> None:
        """`is_newer`: a newer release wrote the body, nothing is damaged."""
        super().__init__(fault)
        self.fault, self.is_newer = fault, is_newer


@dataclass(frozen=True)
class Origin:
    """Body that a resource was read from, where it holds more than the fields of the resource."""

    version: int
    document: dict[str, Any]
    resource: Any
    """The resource as it was read, with a plain revision."""


class StoredRevision(int):
    """Revision that carries the origin of its resource, so that `dataclasses.replace` keeps it up to the next save."""

    origin: Origin

    @staticmethod
    def of(number: int, origin: Origin) -> "StoredRevision":
        """Return the revision with this number."""
        revision = StoredRevision(number)
        revision.origin = origin
        return revision


def next_revision(revision: int) -> int:
    """Return the revision of the next save; it has the same origin."""
    if isinstance(revision, StoredRevision):
        return StoredRevision.of(revision + 1, revision.origin)
    return revision + 1


@cache
def _adapter_of(kind: type) -> TypeAdapter[Any]:
    """Return what validates a kind; to build it takes tens of milliseconds of processor for a kind with many fields."""
    return TypeAdapter[Any](kind)


class BodyCodec:
    """Reads and writes the bodies of one kind of resource. Each upgrade step raises the version of the kind by one."""

    def __init__(self, kind: type, upgrades: Sequence[Upgrade] = (), mirror: Mirror | None = None) -> None:
        """`mirror` serves the previous release; what that release changes there, the last upgrade step takes over."""
        if VERSION_KEY in {field.name for field in fields(kind)}:
            raise ValueError(f"{kind.__name__}.{VERSION_KEY}: this name belongs to the stored body.")
        self.version = len(upgrades) + 1
        self._upgrades, self._mirror = tuple(upgrades), mirror
        self._adapter = _adapter_of(kind)
        self._prefix = f"{_VERSIONED}{self.version},"

    def dump(self, resource: Any) -> str:
        """Return the body of a resource, with all that its origin holds beyond its fields."""
        if isinstance(resource.revision, StoredRevision):
            return self._written(*self._over(resource.revision.origin, resource))
        if self._mirror is not None:
            return self._written(self.version, self._adapter.dump_python(resource, mode="json"))
        return self._prefix + self._adapter.dump_json(resource).decode()[1:]

    def load(self, body: str) -> Any:
        """Return the resource of a body; Unreadable when it cannot be read."""
        if document := self._current(body):
            with suppress(Exception):  # the checks of a kind raise errors of its domain
                return self._adapter.validate_json(document, extra="forbid")
        return self._load_other(body)

    def _current(self, body: str) -> str:
        """Return the fields of a body that is not known to be of another version; empty for others."""
        if body.startswith(self._prefix):
            return "{" + body[len(self._prefix) :]
        return "" if self.version > 1 or body.startswith(_VERSIONED) else body

    def _written(self, version: int, document: dict[str, Any]) -> str:
        """Return the body of a document, with its mirror."""
        if self._mirror is not None:
            document = _merged(document, self._mirror(document))
        return to_json({VERSION_KEY: version} | document, inf_nan_mode="null").decode()

    def _unmirrored(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a document of our version without its mirror, and with what the previous release changed there."""
        if self._mirror is None:
            return document
        if _differs(document, self._mirror(document)):
            document = _upgraded(document, self._upgrades[-1], self.version)
        return _without(document, self._mirror(document))

    def _load_other(self, body: str) -> Any:
        """Return the resource of an older or newer body, or of one with unknown fields."""
        version, document = _document(body)
        for number, upgrade in enumerate(self._upgrades[version - 1 :], version + 1):
            document = _upgraded(document, upgrade, number)
        if version <= self.version:
            document = self._unmirrored(document)
        resource, is_whole = self._known(version, document)
        if is_whole and version <= self.version:
            return resource
        origin = Origin(max(version, self.version), document, resource)
        return replace(resource, revision=StoredRevision.of(resource.revision, origin))

    def _known(self, version: int, document: dict[str, Any]) -> tuple[Any, bool]:
        """Return the resource of a document, and whether it holds all of the document."""
        with suppress(Exception):
            return self._adapter.validate_python(document, extra="forbid"), True
        try:
            return self._adapter.validate_python(document), False
        except ValidationError as error:
            types = {each["type"] for each in error.errors(include_url=False, include_input=False)}
            has_newer_values = version == self.version and types <= _UNKNOWN_VALUE
            raise Unreadable(_fault(error), is_newer=version > self.version or has_newer_values) from None
        except Exception as error:
            raise Unreadable(
                f"the whole ({type(error).__name__})", is_newer=version > self.version
            ) from error

    def _over(self, origin: Origin, resource: Any) -> tuple[int, dict[str, Any]]:
        """Return the version and the document of a resource, with what its origin holds beyond its fields."""
        now = replace(resource, revision=int(resource.revision))
        known, new = (self._adapter.dump_python(each, mode="json") for each in (origin.resource, now))
        return origin.version, _with_unknown(origin.document, known, new)


def _document(body: str) -> tuple[int, dict[str, Any]]:
    """Return the version and the fields of a body."""
    try:
        document = from_json(body)
    except ValueError:
        raise Unreadable("the whole (json_invalid)") from None
    if not isinstance(document, dict):
        raise Unreadable("the whole (dataclass_type)")
    version = document.pop(VERSION_KEY, 1)
    if type(version) is not int or version < 1:
        raise Unreadable(f"{VERSION_KEY} (int_type)")
    return version, document


def _upgraded(document: dict[str, Any], upgrade: Upgrade, version: int) -> dict[str, Any]:
    try:
        return upgrade(document)
    except Exception as error:
        raise Unreadable(f"the upgrade to version {version} ({type(error).__name__})") from error


def _fault(error: ValidationError) -> str:
    """Return the first field that cannot be read, and the kind of its fault."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'} ({first['type']})"


def _merged(document: dict[str, Any], mirrored: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the mirrored fields in it, nested as they are."""
    return document | {
        key: _merged(document[key], value) if isinstance(value, dict) and key in document else value
        for key, value in mirrored.items()
    }


def _differs(document: dict[str, Any], mirrored: dict[str, Any]) -> bool:
    """Return whether the document holds another value for a mirrored field."""
    return any(
        _differs(document[key], value) if isinstance(value, dict) else document[key] != value
        for key, value in mirrored.items()
        if key in document
    )


def _without(document: dict[str, Any], mirrored: dict[str, Any]) -> dict[str, Any]:
    """Return the document without the mirrored fields."""
    return {
        key: _without(value, mirrored[key]) if isinstance(mirrored.get(key), dict) else value
        for key, value in document.items()
        if key not in mirrored or isinstance(mirrored[key], dict)
    }


def _with_unknown(stored: Any, known: Any, new: Any) -> Any:
    """Return a new value with the fields that the stored one holds beyond those that were read of it."""
    if isinstance(stored, dict) and isinstance(known, dict) and isinstance(new, dict):
        unknown = {key: value for key, value in stored.items() if key not in known and key not in new}
        return {
            key: _with_unknown(stored.get(key), known.get(key), value) for key, value in new.items()
        } | unknown
    if isinstance(stored, list) and isinstance(known, list) and isinstance(new, list):
        return _with_unknown_items(stored, known, new) if len(stored) == len(known) else new
    return new


def _with_unknown_items(stored: list[Any], known: list[Any], new: list[Any]) -> list[Any]:
    """Match each new item with the one that equals it, else with the only one that has the same first field."""
    if not any(isinstance(each, dict | list) for each in stored):
        return new
    equal: dict[bytes, list[tuple[Any, Any]]] = defaultdict(list)
    named: dict[bytes, list[tuple[Any, Any]]] = defaultdict(list)
    for pair in zip(stored, known, strict=True):
        equal[to_json(pair[1])].append(pair)
        named[_first_field(pair[1])].append(pair)
    count = Counter(map(_first_field, new))

    def matched(item: Any) -> Any:
        first = _first_field(item)
        if same := equal[to_json(item)]:
            return _with_unknown(*same.pop(0), item)
        return _with_unknown(*named[first][0], item) if len(named[first]) == count[first] == 1 else item

    return [matched(each) for each in new]


def _first_field(item: Any) -> bytes:
    """Return the first field of an item, which is the identity of our value objects."""
    return to_json(next(iter(item.values()), None)) if isinstance(item, dict) else b""
