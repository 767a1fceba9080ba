"""HTTP bindings of RPCs as their descriptors declare them (`google.api.http`): find the method, build its request.

It knows no service: whatever the contracts declare is served.
"""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from google.api import annotations_pb2
from google.api.http_pb2 import HttpRule
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ratoon.chassis.identity import Role
from ratoon.chassis.requests import changeable_paths
from ratoon.chassis.server import required_role
from ratoon.chassis.services import service_names
from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.entrypoints import json_bodies

_VARIABLE = re.compile(r"\{([a-z_.]+)(?:=([^}]*))?\}")
_WILDCARDS = {"*": r"[^/:]+", "**": r".+"}
_VERBS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Binding:
    """One way to call one method: verb, path template, and which field the body fills (`*`: the whole request)."""

    method: MethodDescriptor = field(compare=False)
    verb: str
    template: str
    body: str

    @cached_property
    def variables(self) -> list[str]:
        """The request fields that the path fills."""
        return [found.group(1) for found in _VARIABLE.finditer(self.template)]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a path must look like; one group a variable."""
        return re.compile("".join(_pieces(self.template)))

    @property
    def service(self) -> str:
        """The room that serves it: `serving` for `ratoon.serving.v1.ServingService`."""
        return str(self.method.full_name).split(".")[1]

    @property
    def rpc(self) -> str:
        """`/package.Service/Method`."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def role(self) -> Role:
        """The least role that may call it."""
        return required_role(self.rpc)

    @property
    def streams(self) -> bool:
        """Whether it answers with a stream."""
        return bool(self.method.server_streaming)

    def request(self, path: Mapping[str, str], query: Iterable[tuple[str, str]], body: object) -> Message:
        """The request message; BadRequest names the field at fault."""
        wanted: dict[str, Any] = {}
        if self.body == "*":
            wanted = _as_object(body)
        elif self.body:
            wanted = {self.body: _as_object(body)}
        for name, value in query:
            if self.body == "*":
                raise BadRequest(f"{name!r} belongs in the body.", field=name)
            _put(wanted, self.method.input_type, name, value)
        for name, value in path.items():
            _put(wanted, self.method.input_type, name, value, overwrite=True)
        request: Message = GetMessageClass(self.method.input_type)()
        self._check(wanted)
        try:
            json_format.ParseDict(wanted, request)
        except (json_format.ParseError, ValueError) as error:
            field = _field_at_fault(str(error))
            raise BadRequest(_unreadable(self.method.input_type, field), field=field) from None
        if "update_mask" in self.method.input_type.fields_by_name and self.body not in ("", "*"):
            self._complete_mask(request, wanted[self.body])
        return request

    def _complete_mask(self, request: Message, resource: Mapping[str, Any]) -> None:
        """Let an update without a mask change what its body gives, zero and null included."""
        if not request.update_mask.paths:  # type: ignore[attr-defined]
            kind = self.method.input_type.fields_by_name[self.body].message_type
            given = changeable_paths(self.method, _given(cast(Descriptor, kind), resource))
            request.update_mask.paths.extend(given)  # type: ignore[attr-defined]

    def _check(self, wanted: Mapping[str, Any]) -> None:
        """Raise BadRequest for what the message cannot hold; fields are named as the caller wrote them."""
        kind: Descriptor = self.method.input_type
        whole = self.body in ("", "*")
        json_bodies.check(kind, {name: value for name, value in wanted.items() if whole or name != self.body})
        if not whole:
            inside = cast(Descriptor, kind.fields_by_name[self.body].message_type)
            json_bodies.check(inside, wanted[self.body])


class Transcoder:
    """All bindings of the contracts."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        self.bindings = sorted(bindings, key=lambda binding: (binding.template, binding.verb))

    @staticmethod
    def of_contracts() -> "Transcoder":
        """Every method of every service of Ratoon that declares a binding."""
        return Transcoder(binding for method in _methods() for binding in bindings_of(method))

    @property
    def services(self) -> list[str]:
        """The full names of the services that are bound."""
        return sorted({str(binding.method.containing_service.full_name) for binding in self.bindings})

    def match(self, verb: str, path: str) -> tuple[Binding, dict[str, str]] | None:
        """The binding of a path and what its variables are; None when there is none."""
        for binding in self.bindings:
            if binding.verb == verb and (found := binding.pattern.fullmatch(path)):
                return binding, dict(zip(binding.variables, found.groups(), strict=True))
        return None

    def verbs(self, path: str) -> list[str]:
        """The verbs that this path takes."""
        return sorted({b.verb for b in self.bindings if b.pattern.fullmatch(path)})


def _given(kind: Descriptor, resource: Mapping[str, Any]) -> Iterator[str]:
    """The fields that a JSON object gives, and those one level below."""
    for key, value in resource.items():
        if (field := _field(kind, key)) is not None:
            yield field.name
            if isinstance(value, Mapping) and field.message_type is not None:
                yield from (f"{field.name}.{name}" for name in _given(field.message_type, value))


def bindings_of(method: MethodDescriptor) -> list[Binding]:
    """The bindings a method declares."""
    rule: HttpRule = method.GetOptions().Extensions[annotations_pb2.http]
    rules = [rule, *rule.additional_bindings]
    return [_binding(method, each) for each in rules if each.WhichOneof("pattern") in _VERBS]


def _binding(method: MethodDescriptor, rule: HttpRule) -> Binding:
    verb = str(rule.WhichOneof("pattern"))
    return Binding(method, verb.upper(), getattr(rule, verb), rule.body)


def _methods() -> Iterator[MethodDescriptor]:
    for room in service_names():
        package = importlib.import_module(f"ratoon.{room}.v1")
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.endswith("_service_pb2"):
                services = importlib.import_module(
                    f"ratoon.{room}.v1.{module.name}"
                ).DESCRIPTOR.services_by_name
                yield from (method for service in services.values() for method in service.methods)


def _pieces(template: str) -> Iterator[str]:
    """A regular expression for a path template, piece by piece."""
    place = 0
    for found in _VARIABLE.finditer(template):
        yield re.escape(template[place : found.start()])
        segments = (found.group(2) or "*").split("/")
        yield "(" + "/".join(_WILDCARDS.get(segment, re.escape(segment)) for segment in segments) + ")"
        place = found.end()
    yield re.escape(template[place:])


def _as_object(body: object) -> dict[str, Any]:
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # protobuf has no answer to it but a defect
        raise BadRequest(
            "The body contains half of a character (a lone surrogate, `\\ud800` to `\\udfff`)."
        ) from None
    return dict(body)


def _put(target: dict[str, Any], kind: Descriptor, name: str, text: str, *, overwrite: bool = False) -> None:
    """Set a field given as text by its dotted name; repeated fields grow, unless this one must stand alone."""
    head, _, rest = name.partition(".")
    described = _field(kind, head)
    if described is None:
        raise BadRequest(f"There is no field {name!r}.", field=name)
    known = next((key for key in (described.name, described.json_name) if key in target), described.name)
    if rest and described.message_type is not None:
        inside = target.setdefault(known, {})
        if not isinstance(inside, dict):
            raise BadRequest(f"{head!r} is set both as a whole and by {name!r}.", field=name)
        _put(inside, described.message_type, rest, text, overwrite=overwrite)
    elif described.is_repeated:
        several = target.setdefault(known, [])
        if not isinstance(several, list):
            raise BadRequest(f"{name!r} is set both as one value and as several.", field=name)
        several.append(_value(described, text))
    elif known in target and not overwrite:
        raise BadRequest(f"{name!r} is set twice.", field=name)
    else:
        target[known] = _value(described, text)


def _field(kind: Descriptor, name: str) -> FieldDescriptor | None:
    found: FieldDescriptor | None = kind.fields_by_name.get(name) or kind.fields_by_camelcase_name.get(name)
    return found


def _value(described: FieldDescriptor, text: str) -> str | bool:
    """Query texts as JSON values: numbers may stay text there, truth may not."""
    if described.type == FieldDescriptor.TYPE_BOOL and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text


def _unreadable(kind: Descriptor, field: str) -> str:
    """What the check of bodies leaves to the parser of protobuf: times, durations, masks, bytes."""
    if field:
        return (
            f"{field} cannot be read; times are RFC 3339 (2026-01-31T12:00:00Z), durations end in s (3.5s)."
        )
    return f"The request cannot be read as a {kind.name}."


def _field_at_fault(error: str) -> str:
    found = re.findall(r"Failed to parse ([A-Za-z0-9_.]+) field", error)
    return str(found[-1]) if found else ""
