"""All fields of requests: none takes a name of another project, or an impossible value."""

import importlib
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ratoon.common.v1 import options_pb2
from ratoon.process.errors import InvalidArgument, PermissionDenied
from ratoon.runtime.requests import (
    check_projects,
    check_values,
    is_artifact_field,
    is_prose,
    spans_projects,
    values,
)
from ratoon.security.identity import Principal, Role

ROOT = Path(__file__).parents[2]
CALLER = Principal("projects/own/apiKeys/k", Role.OPERATOR, "own")
FOREIGN = "projects/foreign/models/m"
Leaf = tuple[FieldDescriptor, ...]
"""The path from a request to one scalar field in it."""


def methods() -> list[MethodDescriptor]:
    names = sorted(path.relative_to(ROOT / "protos") for path in (ROOT / "protos").rglob("*_service.proto"))
    modules = [importlib.import_module(str(n.with_suffix("")).replace("/", ".") + "_pb2") for n in names]
    services = [each for module in modules for each in module.DESCRIPTOR.services_by_name.values()]
    return [method for service in services for method in service.methods]


def role(method: MethodDescriptor) -> int:
    return int(method.GetOptions().Extensions[options_pb2.required_role])


METHODS = methods()
CHECKED = [method for method in METHODS if role(method) != options_pb2.ROLE_PUBLIC]


def leaves(kind: Descriptor, matches: Callable[[FieldDescriptor], bool], above: Leaf = ()) -> Iterator[Leaf]:
    """Yield the paths to all fields of a kind in a message, including keys and values of maps."""
    for field in kind.fields:
        if field.message_type is None or not _descend(field, above):
            yield from [(*above, field)] if matches(field) else []
        else:
            yield from [(*above, field)] if matches(field) else []
            yield from leaves(field.message_type, matches, (*above, field))


def _descend(field: FieldDescriptor, above: Leaf) -> bool:
    return field.message_type not in [each.containing_type for each in (*above, field)]


def put(message: Message, leaf: Leaf, value: Any) -> None:
    """Set the field at a path, through a new item of each repeated field on it."""
    field, rest = leaf[0], leaf[1:]
    content = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _put_entry(content, field.message_type, rest, value)
    elif not rest:
        if field.is_repeated:
            content.append(value)
        elif field.message_type is not None:
            content.CopyFrom(value)
        else:
            setattr(message, field.name, value)
    elif field.is_repeated:
        put(content.add(), rest, value)
    else:
        content.SetInParent()
        put(content, rest, value)


def _put_entry(content: Any, entry: Descriptor, rest: Leaf, value: Any) -> None:
    key = value if rest[0].name == "key" else "k"
    if entry.fields_by_name["value"].message_type is not None:
        put(content[key], rest[1:], value) if len(rest) > 1 else content[key].SetInParent()
    elif rest[0].name == "key":
        filler = {FieldDescriptor.CPPTYPE_STRING: "v"}.get(entry.fields_by_name["value"].cpp_type, 1)
        content[key] = filler
    else:
        content[key] = value


def own_request(method: MethodDescriptor) -> Message:
    """Return a request about the caller's own project."""
    request: Message = GetMessageClass(method.input_type)()
    own = {"name": "projects/own", "parent": "projects/own", "project_id": "own"}
    for name in own.keys() & method.input_type.fields_by_name.keys():
        setattr(request, name, own[name])
    if method.name.startswith("Update"):
        resource = next(f for f in method.input_type.fields if f.message_type and f.name != "update_mask")
        getattr(request, resource.name).name = "projects/own"
    return request


def is_text(field: FieldDescriptor) -> bool:
    """Return True if a field may name a resource: a text that is neither a mask's path nor prose."""
    return bool(
        field.type == FieldDescriptor.TYPE_STRING
        and field.containing_type.full_name != _MASK
        and not is_prose(field)
    )


_MASK = "google.protobuf.FieldMask"
TEXTS = [(method, leaf) for method in CHECKED for leaf in leaves(method.input_type, is_text)]


def of(case: tuple[MethodDescriptor, Leaf]) -> str:
    method, leaf = case
    return f"{method.name}.{'.'.join(field.name for field in leaf)}"


def test_the_walk_meets_every_method_and_hundreds_of_fields():
    reached = {method.full_name for method, _ in TEXTS}
    silent = {method.full_name for method in CHECKED} - reached
    assert silent <= {
        "ratoon.serving.v1.ServingService.GetRouteTable",
        "ratoon.serving.v1.ServingService.WatchRouteTable",
    }
    assert len(METHODS) > 115
    assert len(TEXTS) > 450
    assert len(TIES) > 250


@pytest.mark.parametrize("case", TEXTS, ids=of)
def test_no_field_takes_a_name_of_another_project(case):
    method, leaf = case
    request = own_request(method)
    put(request, leaf, FOREIGN)
    with pytest.raises(PermissionDenied):
        check_projects(CALLER, request)


def replaces_the_subject(method: MethodDescriptor, leaf: Leaf) -> bool:
    """Return True if a foreign name in this field makes the whole request one about the other project."""
    request = own_request(method)
    put(request, leaf, FOREIGN)
    return not any("own" in each.value for each in values(request) if is_text(each.field))


TIES = [(m, leaf) for m, leaf in TEXTS if not spans_projects(m) and not replaces_the_subject(m, leaf)]


@pytest.mark.parametrize("case", TIES, ids=of)
def test_no_field_ties_two_projects_together_for_any_caller(case):
    method, leaf = case
    request = own_request(method)
    put(request, leaf, FOREIGN)
    with pytest.raises(InvalidArgument) as refusal:
        check_projects(Principal("flywheel", Role.SERVICE), request)
    assert refusal.value.reason == "OTHER_PROJECT"


def is_float(field: FieldDescriptor) -> bool:
    return field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)


def is_enum(field: FieldDescriptor) -> bool:
    return bool(field.type == FieldDescriptor.TYPE_ENUM)


def is_time(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp"


def impossible(field: FieldDescriptor) -> list[Any]:
    if is_float(field):
        return [math.nan, math.inf, -math.inf]
    if is_enum(field):
        return [99, -1, 2**31 - 1]
    kind = GetMessageClass(field.message_type)
    return [kind(seconds=2**62), kind(seconds=-(2**62)), kind(nanos=-1)]


IMPOSSIBLE = [
    (method, leaf)
    for method in METHODS
    for leaf in leaves(method.input_type, lambda field: is_float(field) or is_enum(field) or is_time(field))
]


@pytest.mark.parametrize("case", IMPOSSIBLE, ids=of)
def test_no_field_takes_what_cannot_be(case):
    method, leaf = case
    for value in impossible(leaf[-1]):
        request = own_request(method)
        put(request, leaf, value)
        with pytest.raises(InvalidArgument) as refusal:
            check_values(request)
        assert refusal.value.field


def test_a_field_with_the_digest_of_an_artifact_is_named_so():
    """The check of artifacts goes by the names of fields: one that its comment calls a digest must have such a name."""
    named = 0
    for path in (ROOT / "protos").rglob("*.proto"):
        comment = ""
        for line in path.read_text().splitlines():
            text = line.strip()
            if text.startswith("//"):
                comment += text
                continue
            if match := re.fullmatch(r"(?:repeated )?string (\w+) = \d+;", text):
                name = match[1]
                described = re.search(
                    r"\bsha256 of (?:the|its) (?:blob|artifact|tree|file)|[Dd]igest of the (?:blob|artifact|tree)",
                    comment,
                )
                assert described is None or is_artifact_field(name), f"{path.name}: {name}"
                named += described is not None
            comment = ""
    assert named, "no comment speaks of an artifact's digest"
