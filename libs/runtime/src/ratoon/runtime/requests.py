"""Checks of a request message that hold for every method: values that cannot be, and names of other projects.

All of it follows the message's descriptor into nested, repeated and map fields, so a new field is checked without a
word about it. It knows no service and no method.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, cast
from urllib.parse import unquote

from google.protobuf import any_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import Default as default_pool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from ratoon.common.v1 import options_pb2
from ratoon.process.errors import InvalidArgument, PermissionDenied
from ratoon.security.identity import ANY_PROJECT, Principal

_NAME = re.compile(r"(?:/*[^/\s]+/+(?:v\d+/+)?|/+)?projects/+(?P<project>[^/\s]+)(?:/\S*)?")
"""A resource name, relative, absolute (`//host/projects/…`) or as a path (`/v1/projects/…`), after unquoting."""
_EMBEDDED = re.compile(r"projects/+(?P<project>[^/\s\"'()<>=,]+)")
_EXPRESSIONS = ("filter", "query", "order_by")
"""Fields that hold an expression: a name may stand anywhere in them."""
_BOOKKEEPING = frozenset(("name", "etag", "revision", "create_time", "update_time"))
_QUOTED_DEEPLY = 3
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OF_TEXTS = ("content_digest",)
"""Fields with the digest of a text, which is no artifact."""
_MAX_VALUES = 200_000
"""Of scalars in one request; to go through more would take seconds."""
_TIMES_S = (-62_135_596_800, 253_402_300_799)
"""Years 1 to 9999, as google.protobuf.Timestamp allows, in seconds since 1970."""
_LONGEST_S = 315_576_000.0
"""Ten years: a span of time that is longer is a mistake."""
_MAX_DAYS = 36_500
_SHORT, _LONG, _LONGEST = 1_024, 16_384, 262_144
"""The most characters of names, of other texts, and of texts that people write at length."""
_REQUEST_ID = 256
_JOBS, _LONGEST_SPEC = "ratoon.jobs.v1", 4 << 20
"""Only services send jobs; a job's whole specification is one text, bounded by the size of a message."""
_SHORT_NAMES = frozenset(
    ("name", "parent", "display_name", "label", "labels", "license", "pool", "purpose", "reader", "annotator")
)
_WHOLE = frozenset(
    kind.DESCRIPTOR.full_name
    for kind in (timestamp_pb2.Timestamp, duration_pb2.Duration, field_mask_pb2.FieldMask)
)
_LONG_TEXTS = frozenset(("changelog", "comment", "correction", "instructions", "record_json", "text"))
_PROSE = _LONG_TEXTS | {"license"}
"""Fields that hold a person's words or a licence, which no service reads as the name of a resource."""


_REQUEST: ContextVar[Message | None] = ContextVar("ratoon_request", default=None)


def current() -> Message | None:
    """The request that is being served here; None outside a call."""
    return _REQUEST.get()


def set_current(request: Message | None) -> None:
    """Note the request that is being served here; for the server and for tests."""
    _REQUEST.set(request)


def digest_of(request: Message) -> str:
    """The sha256 of a request, in hex: equal for equal requests."""
    return hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()


def populated_fields(request: Message) -> set[str]:
    """The fields that a request gives of the resource that it carries; empty when it carries none."""
    carried = [
        content
        for field, content in request.ListFields()
        if field.message_type is not None
        and not field.is_repeated
        and "name" in field.message_type.fields_by_name
    ]
    return {field.name for resource in carried[:1] for field, _ in resource.ListFields()}


@dataclass(frozen=True)
class Value:
    """One scalar value in a message: its path (`rollout.bake.seconds`, `scores["f1"]`), its field, the value."""

    path: str
    field: FieldDescriptor
    value: Any


def values(message: Message, path: str = "") -> Iterator[Value]:
    """Every scalar that a message holds, keys of maps and packed messages included.

    Timestamps, durations and masks are values of their own; InvalidArgument where a packed message is unknown.
    """
    for field, content in message.ListFields():
        here = f"{path}.{field.name}" if path else field.name
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from _of_map(field, content, here)
        elif field.is_repeated:
            for index, each in enumerate(content):
                yield from _of_one(field, each, f"{here}[{index}]")
        else:
            yield from _of_one(field, content, here)


def _of_map(field: FieldDescriptor, content: Any, path: str) -> Iterator[Value]:
    entry = cast(Descriptor, field.message_type).fields_by_name
    for key in content:
        here = f'{path}["{str(key)[:100]}"]'
        yield Value(here, entry["key"], key)
        yield from _of_one(entry["value"], content[key], here)


def _of_one(field: FieldDescriptor, value: Any, path: str) -> Iterator[Value]:
    if not isinstance(value, Message):
        yield Value(path, field, value)
    elif value.DESCRIPTOR.full_name == any_pb2.Any.DESCRIPTOR.full_name:
        yield from values(_unpacked(value, path), path)
    elif value.DESCRIPTOR.full_name in _WHOLE:
        yield Value(path, field, value)
    else:
        yield from values(value, path)


def _unpacked(packed: Any, path: str) -> Message:
    try:
        kind = GetMessageClass(default_pool().FindMessageTypeByName(packed.TypeName()))
        return kind.FromString(packed.value)
    except (KeyError, DecodeError):
        raise _bad(path, f"{path} holds a message of a kind that is unknown here.") from None


def check_values(request: Message, parsed: Sequence[Value] | None = None) -> None:
    """InvalidArgument, with the path of the field, for what no field may hold, whatever its method.

    Floats that are no numbers, enum numbers without a name, times and durations out of range, texts without bound.
    `parsed` are the values of the request, where they are known already.
    """
    for each in values(request) if parsed is None else parsed:
        if each.field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
            _check_float(each)
        elif each.field.type == FieldDescriptor.TYPE_ENUM:
            _check_enum(each, cast(EnumDescriptor, each.field.enum_type))
        elif each.field.type == FieldDescriptor.TYPE_STRING:
            _check_text(each)
        elif each.field.message_type is not None:
            _check_time(each)
        elif each.field.name.endswith("_days") and abs(each.value) > _MAX_DAYS:
            raise _bad(each.path, f"{each.path} may not be {each.value}: give {_MAX_DAYS:,} days or fewer.")


def _check_float(each: Value) -> None:
    if not math.isfinite(each.value):
        raise _bad(each.path, f"{each.path} must be a finite number; it is {each.value}.")
    if each.field.name.endswith("seconds") and abs(each.value) > _LONGEST_S:
        raise _bad(each.path, f"{each.path} may not be {each.value}: give ten years or less, in seconds.")


def _check_enum(each: Value, kind: EnumDescriptor) -> None:
    if each.value not in kind.values_by_number:
        names = ", ".join(value.name for value in kind.values if value.number)
        raise _bad(each.path, f"{each.path} may not be {each.value}; give one of {names}.")


def _check_text(each: Value) -> None:
    max_length = _bound(each.field)
    if len(each.value) > max_length:
        raise _bad(
            each.path,
            f"{each.path} has {len(each.value):,} characters; at most {max_length:,} are allowed.",
            "TEXT_TOO_LONG",
        )
    if max_length <= _SHORT and "\0" in each.value:
        raise _bad(each.path, f"{each.path} may not hold the character NUL.")


def _bound(field: FieldDescriptor) -> int:
    """The most characters that a text may have, by the name of its field."""
    holder = cast(Descriptor, field.containing_type)
    if holder.file.package == _JOBS:
        return _LONGEST_SPEC
    if _is_declared_prose(field):
        return _LONGEST
    entry = holder.GetOptions().map_entry
    if field.name == "request_id":
        return _REQUEST_ID
    if field.name in _SHORT_NAMES or field.name.endswith("_id") or (entry and field.name == "key"):
        return _SHORT
    return _LONGEST if field.name in _LONG_TEXTS else _LONG


def is_prose(field: FieldDescriptor) -> bool:
    """Return whether a field holds text that no service reads as the name of a resource."""
    return field.name in _PROSE or _is_declared_prose(field)


@cache
def _is_declared_prose(field: FieldDescriptor) -> bool:
    return bool(field.GetOptions().Extensions[options_pb2.prose])


def _check_time(each: Value) -> None:
    kind = each.value.DESCRIPTOR.full_name
    if kind == timestamp_pb2.Timestamp.DESCRIPTOR.full_name:
        low, high = _TIMES_S
        if not (low <= each.value.seconds <= high and 0 <= each.value.nanos < 1_000_000_000):
            raise _bad(each.path, f"{each.path} is no time between the years 1 and 9999.")
    elif kind == duration_pb2.Duration.DESCRIPTOR.full_name:
        seconds, nanos = each.value.seconds, each.value.nanos
        opposed = seconds * nanos < 0
        if abs(seconds) > _LONGEST_S or abs(nanos) >= 1_000_000_000 or opposed:
            raise _bad(each.path, f"{each.path} is no duration of ten years or less.")


def _bad(field: str, sentence: str, reason: str = "BAD_VALUE") -> InvalidArgument:
    return InvalidArgument(sentence, reason=reason, field=field)


def projects_in(value: Value) -> Iterator[str]:
    """The projects that a text names, in lower case; none when it names no resource.

    Disguises count: other cases, percent-encoding, spaces around it, a host or an API version before it.
    """
    field = value.field
    if field.type != FieldDescriptor.TYPE_STRING or is_prose(field):
        return
    text = _unquoted(value.value).strip().casefold()
    if "projects/" not in text:
        return
    if field.name in _EXPRESSIONS:
        yield from (match["project"] for match in _EMBEDDED.finditer(text))
    elif match := _NAME.fullmatch(text.rpartition("://")[2]):
        yield match["project"]


def _unquoted(text: str) -> str:
    for _ in range(_QUOTED_DEEPLY if "%" in text else 0):
        text = unquote(text)
    return text


def bounded_values(request: Message) -> list[Value]:
    """The values of a request; InvalidArgument when they are more than any honest request has."""
    bounded = list(islice(values(request), _MAX_VALUES + 1))
    if len(bounded) > _MAX_VALUES:
        raise _bad(
            bounded[-1].path,
            f"A request may hold {_MAX_VALUES:,} values: send it in parts.",
            "TOO_MANY_VALUES",
        )
    return bounded


def check_projects(
    principal: Principal,
    request: Message,
    *,
    spans: bool = False,
    acting: str = "",
    parsed: Sequence[Value] | None = None,
) -> None:
    """PermissionDenied when a request names a resource outside the principal's project, in whichever field.

    A principal of the whole installation, a service included, may name any project, but only one in one request
    unless the method `spans` projects: so what is stored for a project never refers to another one's resources, and
    a service that acts on it later with its own rights stays inside the project. A service that is `acting` for a
    project names that one alone.
    """
    known = values(request) if parsed is None else parsed
    named = [(each, project) for each in known for project in projects_in(each)]
    if principal.project != ANY_PROJECT:
        _check_own(principal, request, named)
    elif not spans:
        _check_one(request, named)
        _check_acting(principal, acting, named)


def _check_own(principal: Principal, request: Message, named: list[tuple[Value, str]]) -> None:
    own = principal.project.casefold()
    foreign = [each.path for each, project in named if project != own]
    disguised = [
        each.path
        for each, _ in named
        if each.field.name not in _EXPRESSIONS and not principal.may_touch(each.value)
    ]
    beside = [path for path, name in _subjects(request) if name and not principal.may_touch(name)]
    if getattr(request, "project_id", own) != own:
        beside.append("project_id")
    if foreign or disguised or beside or not named:
        field = next(iter((*foreign, *disguised, *beside)), "")
        raise PermissionDenied(
            f"{principal.name} may only touch projects/{principal.project}"
            + (f", and {field} names something else." if field else "."),
            reason="PROJECT_NOT_YOURS",
            **({"field": field} if field else {}),
        )


def _check_acting(principal: Principal, acting: str, named: list[tuple[Value, str]]) -> None:
    foreign = next((each.path for each, project in named if acting and project != acting.casefold()), "")
    if foreign:
        raise PermissionDenied(
            f"{principal.name} works for projects/{acting} here, and {foreign} names something else.",
            reason="PROJECT_NOT_YOURS",
            field=foreign,
        )


def _check_one(request: Message, named: list[tuple[Value, str]]) -> None:
    projects = {project for _, project in named}
    chosen = getattr(request, "project_id", "") if "project_id" in request.DESCRIPTOR.fields_by_name else ""
    if chosen:
        projects.add(chosen.casefold())
    if len(projects) <= 1:
        return
    home = chosen.casefold() or named[0][1]
    path = next(each.path for each, project in named if project != home)
    raise InvalidArgument(
        f"{path} lies in another project than the rest of the request: a request, and what it makes, lies in one.",
        reason="OTHER_PROJECT",
        field=path,
    )


def _subjects(request: Message) -> Iterator[tuple[str, str]]:
    """Yield the subjects of a request: its `name` and `parent`, and the names of the resources in it."""
    for field, content in request.ListFields():
        if field.name in ("name", "parent"):
            yield field.name, content
        elif field.message_type is not None and not field.is_repeated and hasattr(content, "name"):
            yield f"{field.name}.name", content.name


def digests_in(request: Message) -> list[Value]:
    """The digests of artifacts that a request refers to; not those of texts (`content_digest`)."""
    return [
        each
        for each in values(request)
        if each.field.type == FieldDescriptor.TYPE_STRING
        and is_artifact_field(each.field.name)
        and _DIGEST.fullmatch(each.value)
    ]


def is_artifact_field(name: str) -> bool:
    """Return whether a field of this name holds the digest of an artifact."""
    return name.endswith(("digest", "sha256")) and name not in _OF_TEXTS


def project_of_request(request: Message) -> str:
    """The one project that a request is about; empty when it names none or several."""
    projects = {project for each in values(request) for project in projects_in(each)}
    if chosen := getattr(request, "project_id", ""):
        projects.add(chosen)
    return projects.pop() if len(projects) == 1 else ""


def spans_projects(method: MethodDescriptor) -> bool:
    """Return whether one request of a method may be about several projects."""
    return bool(method.GetOptions().Extensions[options_pb2.spans_projects])


def complete_mask(method: MethodDescriptor, request: Message) -> None:
    """Let an update without a mask change what it carries; InvalidArgument when that is nothing.

    InvalidArgument too if a mask names a part of a message that the message does not have. A field without presence
    counts as carried when it is not zero: to set it to zero, name it in the mask.
    """
    if "update_mask" not in method.input_type.fields_by_name:
        return
    if paths := request.update_mask.paths:  # type: ignore[attr-defined]
        _check_mask(method, paths)
        return
    carried = changeable_paths(method, present_paths(request))
    if not carried:
        raise InvalidArgument(
            f"{method.name} carries nothing that can be changed: give at least one of "
            f"{', '.join(changeable(method))}, or name it in update_mask.",
            reason="NOTHING_TO_CHANGE",
            field="update_mask",
        )
    request.update_mask.paths.extend(carried)  # type: ignore[attr-defined]


def _check_mask(method: MethodDescriptor, paths: Iterable[str]) -> None:
    """Raise InvalidArgument for a path into a message that has no such field; services judge whole fields."""
    resources = [
        field.message_type
        for field in method.input_type.fields
        if field.message_type is not None and field.name != "update_mask" and not field.is_repeated
    ]
    for path in paths:
        if "." in path and not any(_has_path(kind, path) for kind in resources):
            raise InvalidArgument(
                f"update_mask names {path!r}, and there is no such field: give at least one of "
                f"{', '.join(changeable(method))}, or leave the mask out.",
                reason="UNKNOWN_FIELD",
                field="update_mask",
            )


def _has_path(kind: Descriptor, path: str) -> bool:
    """Return whether a message has a field at any depth; keys of maps and of structures are not known before."""
    name, _, rest = path.partition(".")
    field = kind.fields_by_name.get(name)
    if field is None or not rest:
        return field is not None
    if field.message_type is None:
        return False
    is_open = (
        field.message_type.GetOptions().map_entry or field.message_type.file.package == "google.protobuf"
    )
    return is_open or (not field.is_repeated and _has_path(field.message_type, rest))


def present_paths(request: Message) -> Iterator[str]:
    """The fields of the resource that a request carries, and those one level below."""
    for field, content in request.ListFields():
        if field.message_type is not None and field.name != "update_mask" and not field.is_repeated:
            for inner, value in content.ListFields():
                yield inner.name
                if isinstance(value, Message):
                    yield from (f"{inner.name}.{deeper.name}" for deeper, _ in value.ListFields())


def changeable(method: MethodDescriptor) -> list[str]:
    """The fields that an update may change, as its method declares them (`limits.*`: each field of `limits`)."""
    return list(method.GetOptions().Extensions[options_pb2.changeable])


def changeable_paths(method: MethodDescriptor, paths: Iterable[str]) -> list[str]:
    """Those of the paths that an update may change, in order and once."""
    allowed = set(changeable(method))

    def can_change(path: str) -> bool:
        whole, _, part = path.partition(".")
        if not allowed:
            return not part and whole not in _BOOKKEEPING
        return path in allowed or (bool(part) and f"{whole}.*" in allowed)

    return list(dict.fromkeys(path for path in paths if can_change(path)))
