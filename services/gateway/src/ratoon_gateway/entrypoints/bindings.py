"""HTTP bindings of RPCs as their descriptors declare them (`google.api.http`): verb, path, request message.

It knows no service: every binding of the contracts is served.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ratoon.runtime.requests import changeable_paths
from ratoon.runtime.server import required_role
from ratoon.runtime.services import service_names
from ratoon.security.identity import Role
from ratoon_gateway.domain.errors import BadRequest

_VARIABLE = re.compile(r"\{([a-z_.]+)(?:=([^}]*))?\}")
_VERBS = ("get", "post", "put", "patch", "delete")
_CONVERTORS = {"*": "segment", "**": "tail"}


@dataclass(frozen=True)
class Variable:
    """One variable of a path template: the request field that it fills, and its value in terms of path parameters."""

    field: str
    pattern: str

    @staticmethod
    def of_template(match: re.Match[str]) -> "Variable":
        """Return a variable whose wildcards are parameters, each named after the collection before it."""
        segments = (match[2] or "*").split("/")
        for index, segment in enumerate(segments):
            if segment in _CONVERTORS:
                name = _singular(segments[index - 1]) if index else match[1]
                segments[index] = f"{{{name}:{_CONVERTORS[segment]}}}"
        return Variable(match[1], "/".join(segments))

    def value(self, parameters: Mapping[str, str]) -> str:
        """Return the value of the field for these path parameters."""
        return re.sub(r"\{(\w+):\w+\}", lambda match: parameters[match[1]], self.pattern)


@dataclass(frozen=True)
class Binding:
    """One way to call one method: verb, path template, and the field that the body fills (`*`: the whole request)."""

    method: MethodDescriptor = field(compare=False)
    verb: str
    template: str
    body: str

    @cached_property
    def variables(self) -> list[Variable]:
        """Variables of the path."""
        return [Variable.of_template(match) for match in _VARIABLE.finditer(self.template)]

    @cached_property
    def path(self) -> str:
        """Path with typed parameters, as the web framework reads it: `/v1/projects/{project:segment}`."""
        patterns = iter(self.variables)
        return _VARIABLE.sub(lambda _: next(patterns).pattern, self.template)

    @cached_property
    def parameters(self) -> list[str]:
        """Names of the path's parameters."""
        return re.findall(r"\{(\w+):", self.path)

    @property
    def service(self) -> str:
        """Service that has the method: `serving` for `ratoon.serving.v1.ServingService`."""
        return str(self.method.full_name).split(".")[1]

    @property
    def rpc(self) -> str:
        """`/package.Service/Method`."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def role(self) -> Role:
        """Lowest role that may call the method."""
        return required_role(self.rpc)

    @property
    def streams(self) -> bool:
        """True if the method answers with a stream."""
        return bool(self.method.server_streaming)

    @property
    def body_type(self) -> Descriptor | None:
        """Message that the body holds; None where the method takes no body."""
        request: Descriptor = self.method.input_type
        if self.body in ("", "*"):
            return request if self.body else None
        return cast(Descriptor, request.fields_by_name[self.body].message_type)

    def request(
        self, parameters: Mapping[str, str], query: Mapping[str, Any], body: Mapping[str, Any]
    ) -> Message:
        """Return the request message of validated JSON values; BadRequest where protobuf cannot read one of them.

        The path has precedence over the body.
        """
        values: dict[str, Any] = {**query, **(body if self.body == "*" else {})}
        if self.body not in ("", "*"):
            values[self.body] = dict(body)
        for variable in self.variables:
            _set(values, self.method.input_type, variable.field, variable.value(parameters))
        request: Message = GetMessageClass(self.method.input_type)()
        try:
            json_format.ParseDict(values, request)
        except (json_format.ParseError, ValueError) as error:
            raise _unreadable(self.method.input_type, str(error)) from None
        if "update_mask" in self.method.input_type.fields_by_name and self.body not in ("", "*"):
            self._complete_mask(request, body)
        return request

    def _complete_mask(self, request: Message, resource: Mapping[str, Any]) -> None:
        """Let an update without a mask change what its body sets, zero and null included."""
        if not request.update_mask.paths:  # type: ignore[attr-defined]
            paths = changeable_paths(self.method, _paths(cast(Descriptor, self.body_type), resource))
            request.update_mask.paths.extend(paths)  # type: ignore[attr-defined]


def bindings_of_contracts() -> list[Binding]:
    """Return the bindings of every method of every service, sorted by path."""
    bindings = [binding for method in _methods() for binding in bindings_of(method)]
    return sorted(bindings, key=lambda binding: (binding.template, binding.verb))


def services_of(bindings: list[Binding]) -> list[str]:
    """Return the full names of the services that have bindings."""
    return sorted({str(binding.method.containing_service.full_name) for binding in bindings})


def bindings_of(method: MethodDescriptor) -> list[Binding]:
    """Return the bindings that a method declares."""
    rule: HttpRule = method.GetOptions().Extensions[annotations_pb2.http]
    rules = [rule, *rule.additional_bindings]
    return [_binding(method, each) for each in rules if each.WhichOneof("pattern") in _VERBS]


def _binding(method: MethodDescriptor, rule: HttpRule) -> Binding:
    verb = str(rule.WhichOneof("pattern"))
    return Binding(method, verb.upper(), getattr(rule, verb), rule.body)


def _methods() -> Iterator[MethodDescriptor]:
    for service in service_names():
        package = importlib.import_module(f"ratoon.{service}.v1")
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.endswith("_service_pb2"):
                file = importlib.import_module(f"ratoon.{service}.v1.{module.name}").DESCRIPTOR
                for declared in file.services_by_name.values():
                    yield from declared.methods


def _singular(collection: str) -> str:
    if collection.endswith("ies"):
        return collection[:-3] + "y"
    double = collection.endswith(("sses", "iases"))
    return collection.removesuffix("es") if double else collection.removesuffix("s")


def _set(values: dict[str, Any], kind: Descriptor, name: str, text: str) -> None:
    """Set a field by its dotted name, in place of any value under its JSON name."""
    head, _, rest = name.partition(".")
    field = kind.fields_by_name[head]
    key = field.json_name if field.json_name in values else field.name
    if rest:
        inner = values.setdefault(key, {})
        _set(inner, cast(Descriptor, field.message_type), rest, text)
    else:
        values[key] = text


def _paths(kind: Descriptor, resource: Mapping[str, Any]) -> Iterator[str]:
    """Yield the fields that a JSON object sets, and those one level below."""
    for key, value in resource.items():
        field = kind.fields_by_name.get(key) or kind.fields_by_camelcase_name.get(key)
        if field is not None:
            yield field.name
            if isinstance(value, Mapping) and field.message_type is not None:
                yield from (f"{field.name}.{name}" for name in _paths(field.message_type, value))


def _unreadable(kind: Descriptor, error: str) -> BadRequest:
    """Return the error for values that only the parser of protobuf checks: times, masks, bytes, `oneof`."""
    fields = re.findall(r"Failed to parse ([A-Za-z0-9_.]+) field", error)
    if not fields:
        return BadRequest(f"The request cannot be read as a {kind.name}.")
    sentence = "cannot be read; times are RFC 3339 (2026-01-31T12:00:00Z), durations end in s (3.5s)."
    return BadRequest(f"{fields[-1]} {sentence}", field=fields[-1])
