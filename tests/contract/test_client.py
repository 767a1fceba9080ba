"""Generated client: each public RPC has a method whose request the gateway parses, each message survives both ways."""

import asyncio
import inspect
import types as python_types
import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import httpx
import pydantic
import pytest
from fastapi import FastAPI, Response
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ratoon.client import AsyncRatoon, Ratoon, types
from ratoon.client._generated.clients import AsyncResources, SyncResources
from ratoon.client._omit import Omit
from ratoon.security.identity import Role
from ratoon_gateway.entrypoints.bindings import Binding, bindings_of_contracts
from ratoon_gateway.entrypoints.rest import json_of, rest_router

PUBLIC = [each for each in bindings_of_contracts() if each.role < Role.SERVICE]
RESOURCES = sorted(
    name for name, each in vars(SyncResources).items() if not name.startswith("_") and hasattr(each, "func")
)


class RecordingCalls:
    """Calls no service: remembers the last message and the binding by which it came."""

    def admit(self, scope: object, role: Role) -> None:
        """Admit every caller."""

    async def threads(self, function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    async def answer(self, binding: Binding, message: Message, request: object) -> Response:
        self.call = binding, message
        return Response(b"{}")


GATEWAY_CALLS = RecordingCalls()
GATEWAY = FastAPI(routes=rest_router(bindings_of_contracts(), GATEWAY_CALLS).routes, openapi_url=None)


def read_by_gateway(request: httpx.Request) -> tuple[Binding, Message]:
    """Return what the gateway makes of a request."""

    async def send() -> httpx.Response:
        return await httpx.ASGITransport(GATEWAY).handle_async_request(request)

    answer = asyncio.run(send())
    assert answer.status_code == 200, request.url
    return GATEWAY_CALLS.call


class Recorder:
    """Remembers the last request and answers with an empty message."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.request = request
        return httpx.Response(200, json={})


def calls() -> Iterator[tuple[str, str]]:
    client = Ratoon(base_url="http://server", api_key="key")
    for resource in RESOURCES:
        for name, method in inspect.getmembers(type(getattr(client, resource)), inspect.isfunction):
            if not name.startswith("_") and name != "wait":
                yield resource, name
                assert inspect.signature(method).return_annotation is not inspect.Signature.empty
    client.close()


CALLS = list(calls())


def sent(resource: str, method: str) -> tuple[Binding, Message, dict[str, object]]:
    """Call a method with a value for each of its parameters; return what the gateway makes of the request."""
    recorder = Recorder()
    http = httpx.Client(transport=httpx.MockTransport(recorder))
    client = Ratoon(base_url="http://server", api_key="key", http_client=http)
    function = getattr(getattr(client, resource), method)
    hints = typing.get_type_hints(function, include_extras=False)
    names = [name for name in inspect.signature(function).parameters if name != "timeout"]
    binding = next(each for each in PUBLIC if each.method.name == RPCS[resource, method])
    values = {name: path_or_value(binding, name, hints[name]) for name in names}
    answer = function(**values)
    if binding.streams:
        list(answer)
    return *read_by_gateway(recorder.request), values


def path_or_value(binding: Binding, name: str, hint: Any) -> object:
    """Return a resource name for a parameter of the path, else a value of its type."""
    for variable, pattern in zip(binding.variables, patterns(binding.template), strict=True):
        if variable.field.rpartition(".")[2] == name:
            return pattern.replace("*", "x-1")
    return value_of(hint)


def patterns(template: str) -> list[str]:
    return [part.partition("}")[0].partition("=")[2] or "*" for part in template.split("{")[1:]]


def value_of(hint: Any) -> Any:
    """Return a value of a type, other than its default."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return value_of(arguments[0])
    if origin in (typing.Union, python_types.UnionType):
        return value_of(next(each for each in arguments if each not in (type(None), Omit)))
    if origin in (list, Sequence):
        return [value_of(arguments[0])]
    if origin in (dict, Mapping):
        return {value_of(arguments[0]): value_of(arguments[1])}
    if issubclass(hint, pydantic.BaseModel):
        names = hint.model_fields.keys() - OTHER_CHOICES.get(hint.__name__, set())
        return hint(
            **{name: value_of(kind) for name, kind in typing.get_type_hints(hint).items() if name in names}
        )
    if issubclass(hint, Enum):
        return list(hint)[-1]
    if hint in (datetime, pydantic.AwareDatetime):
        return datetime(2030, 1, 2, tzinfo=UTC)
    return {bool: True, int: 3, float: 0.5, str: "text"}[hint]


def other_choices() -> dict[str, set[str]]:
    """Return all but the first field of each `oneof`, by the name that the client gives the message."""
    choices: dict[str, set[str]] = {}
    messages = [binding.method.input_type for binding in PUBLIC]
    for message in messages:  # it grows
        inner = (field.message_type for field in message.fields if field.message_type)
        messages += [each for each in inner if each not in messages]
        name = message.full_name.rpartition(".v1.")[2].replace(".", "")
        choices[name] = {field.name for oneof in message.oneofs for field in oneof.fields[1:]}
    return choices


OTHER_CHOICES = other_choices()


def rpcs() -> dict[tuple[str, str], str]:
    """Return the RPC of each method, by the path and the verb in the source of the method."""
    names: dict[tuple[str, str], str] = {}
    client = Ratoon(base_url="http://server", api_key="key")
    for resource, method in CALLS:
        source = inspect.getsource(getattr(type(getattr(client, resource)), method))
        matching = [
            each
            for each in PUBLIC
            if f'"{each.verb}"' in source and f'"{without_field(each.template)}"' in source
        ]
        assert len(matching) == 1, (resource, method)
        names[resource, method] = matching[0].method.name
    client.close()
    return names


def without_field(template: str) -> str:
    """Return a path template as methods have it: `{name=…}` for `{project.name=…}`."""
    return "{".join(
        part.rpartition(".")[2] if "." in part.partition("=")[0] else part for part in template.split("{")
    )


RPCS = rpcs()


def test_every_public_rpc_has_one_method():
    public = sorted(each.method.name for each in PUBLIC)
    assert sorted(RPCS.values()) == public


@pytest.mark.parametrize(("resource", "method"), CALLS, ids=[f"{r}.{m}" for r, m in CALLS])
def test_the_gateway_reads_every_parameter_of_a_call(resource, method):
    binding, request, values = sent(resource, method)
    assert binding.method.name == RPCS[resource, method]
    filled = {name for _, name in filled_fields(request)}
    assert values.keys() - filled <= {"name"} | {"timeout"}
    for name in ("request_id", "page_token", "parent", "etag"):
        if name in values:
            assert values[name] in [value for value, field in filled_fields(request) if field == name]


@pytest.mark.parametrize(
    ("resource", "method", "set_by_server"),
    [
        ("evaluation_runs", "create", "verdict"),
        ("model_versions", "create", "signature_digest"),
        ("policies", "create", "last_decision"),
        ("projects", "create", "notices"),
    ],
)
def test_a_create_takes_no_field_that_the_server_sets(resource, method, set_by_server):
    _, _, values = sent(resource, method)
    assert set_by_server not in values


@pytest.mark.parametrize("resource", RESOURCES)
def test_the_async_client_has_the_same_methods(resource):
    assert hasattr(AsyncResources, resource)
    kinds = [type(getattr(each(base_url="http://server"), resource)) for each in (Ratoon, AsyncRatoon)]
    sync, asynchronous = (dict(inspect.getmembers(kind, inspect.isfunction)) for kind in kinds)
    assert sync.keys() == asynchronous.keys()
    for name in sync.keys() - {"__init__"}:
        parameters = [inspect.signature(each[name]).parameters for each in (sync, asynchronous)]
        assert parameters[0] == parameters[1], name


def filled_fields(message: Message) -> Iterator[tuple[Any, str]]:
    """Yield value and name of each field of a request, and of the resource in it."""
    for field, value in message.ListFields():
        yield value, field.name
        if field.message_type is not None and not field.is_repeated and isinstance(value, Message):
            yield from ((inner, each.name) for each, inner in value.ListFields())


@pytest.mark.parametrize("name", sorted({each.method.output_type.name for each in PUBLIC}))
def test_a_message_survives_the_way_to_the_client_and_back(name):
    binding = next(each for each in PUBLIC if each.method.output_type.name == name)
    message = example(binding.method.output_type)
    kind = getattr(types, name, None)
    if kind is None:  # pages, and the empty responses of deletions
        assert name.startswith(("List", "Delete"))
        return
    read = kind.model_validate_json(json_of(message))
    assert unknown(read) == []
    back = json_format.ParseDict(
        read.model_dump(mode="json", by_alias=True), GetMessageClass(message.DESCRIPTOR)()
    )
    assert back == message


def example(kind: Descriptor) -> Message:
    """Return a message in which every field is set."""
    message: Any = GetMessageClass(kind)()
    for field in kind.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            entry, target = field.message_type.fields_by_name["value"], getattr(message, field.name)
            if entry.message_type is None:
                target["key"] = scalar(entry)
            else:
                target["key"].CopyFrom(example_of(entry.message_type))
        elif field.message_type is not None:
            inside = example_of(field.message_type)
            target = getattr(message, field.name)
            target.append(inside) if field.is_repeated else target.CopyFrom(inside)
        elif field.is_repeated:
            getattr(message, field.name).append(scalar(field))
        else:
            setattr(message, field.name, scalar(field))
    return message


def example_of(kind: Descriptor) -> Message:
    if kind.full_name == "google.protobuf.Timestamp":
        timestamp: Any = GetMessageClass(kind)()
        timestamp.FromDatetime(datetime(2026, 1, 31, 12, 0, 0, 123456))
        return timestamp
    return example(kind)


def scalar(field: FieldDescriptor) -> object:
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"\x00bytes\xff"
    return {
        FieldDescriptor.CPPTYPE_STRING: "text ✓",
        FieldDescriptor.CPPTYPE_BOOL: True,
        FieldDescriptor.CPPTYPE_DOUBLE: 0.1,
        FieldDescriptor.CPPTYPE_INT64: 2**53 + 1,
        FieldDescriptor.CPPTYPE_INT32: 7,
    }[field.cpp_type]


def unknown(model: pydantic.BaseModel) -> list[str]:
    """Return the fields of a message, and of those within it, that the client does not know."""
    names = list(model.model_extra or {})
    for value in model.__dict__.values():
        values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        for each in values:
            if isinstance(each, pydantic.BaseModel):
                names += unknown(each)
    return names
