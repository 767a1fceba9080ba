"""Reference pages made of the protos and their comments: one for the API of each service, one for the event topics."""

import re
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from ratoon.common.v1 import options_pb2
from ratoon.events.ports import DAY_S, DEAD_LETTERS, Topic
from scripts import protos

Field = FieldDescriptorProto
Descriptor = DescriptorProto | EnumDescriptorProto | ServiceDescriptorProto
Comments = Mapping[tuple[int, ...], str]
"""Comments of a file by their place in its descriptor."""
SCALARS = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in Field.Type.items()
    if name not in ("TYPE_MESSAGE", "TYPE_ENUM", "TYPE_GROUP")
}
REASON = re.compile(r"`([A-Z]+_[A-Z_]+)`")
"""Error reason in the comment of an RPC, which writes nothing else in this way."""


class UnknownReason(Exception):
    """The comment of an RPC names a reason that no service raises."""


@dataclass(frozen=True)
class Declared:
    """Message, enum or service with its comment and those of its fields, values or methods."""

    full_name: str
    domain: str
    descriptor: Descriptor
    comment: str
    comments: tuple[str, ...]

    @property
    def heading(self) -> str:
        """Name below the package: `Source.Columns`."""
        return re.sub(r"ratoon\.\w+\.v1\.", "", self.full_name)

    @property
    def fields(self) -> list[tuple[Field, str]]:
        """Fields of a message with their comments; none for anything else."""
        if not isinstance(self.descriptor, DescriptorProto):
            return []
        return list(zip(self.descriptor.field, self.comments, strict=True))

    @property
    def methods(self) -> list[tuple[MethodDescriptorProto, str]]:
        """Methods of a service with their comments; none for anything else."""
        if not isinstance(self.descriptor, ServiceDescriptorProto):
            return []
        return list(zip(self.descriptor.method, self.comments, strict=True))

    @property
    def is_map_entry(self) -> bool:
        """True for the message that stands for the entries of a map field."""
        return isinstance(self.descriptor, DescriptorProto) and self.descriptor.options.map_entry

    @property
    def topic(self) -> str:
        """Topic of which a message is the envelope; empty for anything else."""
        if not isinstance(self.descriptor, DescriptorProto):
            return ""
        return str(self.descriptor.options.Extensions[options_pb2.topic])

    @property
    def events(self) -> list[tuple[Field, str]]:
        """Fields of an envelope that hold its events."""
        return [(field, comment) for field, comment in self.fields if field.HasField("oneof_index")]


class Contracts:
    """Everything that the protos declare, and the pages made of it."""

    def __init__(self, files: Sequence[FileDescriptorProto]) -> None:
        self.declared = {each.full_name: each for file in files for each in declarations(file)}

    @staticmethod
    def of_repository() -> "Contracts":
        """Return the contracts of this repository."""
        with tempfile.TemporaryDirectory() as scratch:
            image = Path(scratch, "image.binpb")
            protos.describe(protos.PROTOS, image, "--include_source_info")
            files = FileDescriptorSet.FromString(image.read_bytes()).file
        return Contracts([file for file in files if file.package.startswith("ratoon.")])

    def api_pages(self, reasons: Collection[str]) -> dict[str, list[str]]:
        """Return the lines of one page for each package; `reasons` are the error reasons that have an entry."""
        packages = defaultdict(list)
        for each in self.declared.values():
            packages[each.domain].append(each)
        return {f"api/{domain}.md": self._api_page(domain, packages[domain], reasons) for domain in packages}

    def topics_page(self, consumers: Mapping[str, Sequence[str]]) -> list[str]:
        """Return the lines of the page of topics; `consumers` are the services that consume each topic."""
        usual = Topic("")
        lines = [
            "# Event topics",
            "",
            "An event is a CloudEvent in the Kafka binding (binary mode) with a protobuf payload, the envelope of its "
            "topic. The key is the resource name, so the events of one resource keep their order. Delivery is at least "
            "once; drop an event with a revision that is lower than the last one of its resource. Events carry names, "
            f"digests and numbers, no texts of people. A topic has {usual.partitions} partitions and keeps events for "
            f"{days(usual)} days, at most {usual.retention_bytes >> 20} MiB of each partition. Events that a consumer "
            f"could not handle are in `<topic>{DEAD_LETTERS}` for {days(usual.dead_letters())} days.",
            "",
        ]
        envelopes = [each for each in self.declared.values() if each.topic]
        for each in sorted(envelopes, key=lambda each: each.topic):
            users = (
                ", ".join(consumers.get(each.topic, ())) or "none among the services; the topic is public API"
            )
            lines += [
                f"## {each.topic}",
                "",
                each.comment,
                "",
                f"- Owner: {each.domain}",
                f"- Consumers: {users}",
                f"- Payload: `{each.full_name}`. Key: `name`. {each.comments[0]}",
                "",
                "| event type | meaning | fields |",
                "|---|---|---|",
                *self._event_rows(each),
                "",
            ]
        return lines

    def _event_rows(self, envelope: Declared) -> Iterator[str]:
        for field, _ in envelope.events:
            event = self.declared[field.type_name.lstrip(".")]
            parts = "<br>".join(f"`{each.name}`: {cell(comment)}" for each, comment in event.fields)
            yield f"| `{event.full_name}` (`{field.name}`) | {cell(event.comment)} | {parts} |"

    def _api_page(self, domain: str, members: Sequence[Declared], reasons: Collection[str]) -> list[str]:
        """Return the page of one package without its events, which are described with their topics."""
        events = {field.type_name.lstrip(".") for each in members if each.topic for field, _ in each.events}
        services = [each for each in members if each.methods]
        messages = [
            each
            for each in members
            if not each.methods and not each.topic and not each.is_map_entry and each.full_name not in events
        ]
        is_request = [each.heading.endswith(("Request", "Response")) for each in messages]
        ordered = [
            each for _, each in sorted(zip(is_request, messages, strict=True), key=lambda pair: pair[0])
        ]
        return [
            f"# {domain.capitalize()} API",
            "",
            *(line for service in services for line in self._service(service, reasons)),
            *([] if services else ["Messages that the APIs of several services use.", ""]),
            "## Messages",
            "",
            *(line for message in ordered for line in self._message(message)),
        ]

    def _service(self, service: Declared, reasons: Collection[str]) -> Iterator[str]:
        yield f"gRPC service `{service.full_name}`. {service.comment}"
        yield "JSON over HTTP names fields in lower camel case (`pageSize`). Errors: [reasons](../errors.md)."
        yield from ("", "## RPCs")
        for method, comment in service.methods:
            yield from (f"### {method.name}", "", with_reasons(comment, method.name, reasons), "")
            yield from (f"- {line}" for line in self._facts(method, service.domain))
            yield ""

    def _facts(self, method: MethodDescriptorProto, domain: str) -> Iterator[str]:
        """Yield what the options of a method say."""
        options = method.options
        rule = options.Extensions[annotations_pb2.http]
        if verb := rule.WhichOneof("pattern"):
            body = {"": "", "*": ", the request is the body"}.get(rule.body, f", `{rule.body}` is the body")
            yield f"HTTP: `{verb.upper()} {route(getattr(rule, verb))}`{body}"
        answer = self._link(method.output_type, domain)
        answer = f"stream of {answer}" if method.server_streaming else answer
        yield f"Request: {self._link(method.input_type, domain)}. Response: {answer}"
        role = options_pb2.Role.Name(options.Extensions[options_pb2.required_role])
        yield f"Lowest role: {role.removeprefix('ROLE_').lower()}"
        if changeable := options.Extensions[options_pb2.changeable]:
            yield f"Changeable fields: {', '.join(f'`{each}`' for each in changeable)}"

    def _message(self, each: Declared) -> list[str]:
        """Return the section of one message or enum."""
        lines = [f"### {each.heading}", "", each.comment, ""]
        if isinstance(each.descriptor, EnumDescriptorProto):
            values = zip(each.descriptor.value, each.comments, strict=True)
            rows = [f"| `{value.name}` | {cell(comment)} |" for value, comment in values]
            return [*lines, "| value | meaning |", "|---|---|", *rows, ""]
        rows = [
            f"| `{field.name}` | {self._type(field, each.domain)} | {cell(comment)} |"
            for field, comment in each.fields
        ]
        return [*lines, "| field | type | meaning |", "|---|---|---|", *rows, ""] if rows else lines

    def _type(self, field: Field, domain: str) -> str:
        """Return the type of a field: `list of X`, `map of string to X`, `optional X`."""
        kind = self.declared.get(field.type_name.lstrip("."))
        if kind and kind.is_map_entry:
            key, value = (self._type(each, domain) for each, _ in kind.fields)
            return f"map of {key} to {value}"
        one = SCALARS.get(field.type) or self._link(field.type_name, domain)
        if field.label == Field.LABEL_REPEATED:
            return f"list of {one}"
        return f"optional {one}" if field.proto3_optional else one

    def _link(self, type_name: str, domain: str) -> str:
        """Return a link to the section of a message or enum; the plain name of one from outside."""
        each = self.declared.get(type_name.lstrip("."))
        if each is None:
            return type_name.rpartition(".")[2]
        page = "" if each.domain == domain else f"{each.domain}.md"
        return f"[{each.heading}]({page}#{each.heading.replace('.', '').lower()})"


def declarations(file: FileDescriptorProto) -> Iterator[Declared]:
    """Yield the services, messages and enums of a file, in their order; nested ones follow their message."""
    comments = {
        tuple(place.path): " ".join(place.leading_comments.split())
        for place in file.source_code_info.location
    }
    domain = file.package.split(".")[1]
    for place, service in enumerate(file.service):
        yield _declared(service, file.package, domain, (6, place), comments)
    for place, message in enumerate(file.message_type):
        yield from _messages(message, file.package, domain, (4, place), comments)
    for place, enum in enumerate(file.enum_type):
        yield _declared(enum, file.package, domain, (5, place), comments)


def _messages(
    message: DescriptorProto, scope: str, domain: str, path: tuple[int, ...], comments: Comments
) -> Iterator[Declared]:
    yield _declared(message, scope, domain, path, comments)
    inner = f"{scope}.{message.name}"
    for place, nested in enumerate(message.nested_type):
        yield from _messages(nested, inner, domain, (*path, 3, place), comments)
    for place, enum in enumerate(message.enum_type):
        yield _declared(enum, inner, domain, (*path, 4, place), comments)


def _declared(
    descriptor: Descriptor, scope: str, domain: str, path: tuple[int, ...], comments: Comments
) -> Declared:
    """Return a declaration; fields of messages, values of enums and methods of services all have the number 2."""
    if isinstance(descriptor, DescriptorProto):
        count = len(descriptor.field)
    else:
        count = len(descriptor.value if isinstance(descriptor, EnumDescriptorProto) else descriptor.method)
    parts = tuple(comments.get((*path, 2, place), "") for place in range(count))
    return Declared(f"{scope}.{descriptor.name}", domain, descriptor, comments.get(path, ""), parts)


def route(template: str) -> str:
    """Return a route with a plain parameter for each wildcard: `/v1/projects/{project}/models/{model}`."""
    path = re.sub(r"\{[\w.]+=([^}]*)\}", r"\1", template)
    return re.sub(r"(\w+)/\*", lambda match: f"{match[1]}/{{{singular(match[1])}}}", path)


def singular(collection: str) -> str:
    """Return the name of one item of a collection: `policy` of `policies`, `api_key` of `apiKeys`."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", collection).lower()
    return re.sub(r"(?:(?<=as)es|s)$", "", re.sub(r"ies$", "y", name))


def with_reasons(comment: str, rpc: str, reasons: Collection[str]) -> str:
    """Return the comment of an RPC with a link at each error reason; UnknownReason for one that is never raised."""
    if unknown := [each for each in REASON.findall(comment) if each not in reasons]:
        raise UnknownReason(
            f"the comment of {rpc} names reasons that no service raises: {', '.join(unknown)}"
        )
    return REASON.sub(lambda match: f"[{match[0]}](../errors.md#{match[1].lower()})", comment)


def days(topic: Topic) -> int:
    """Return the number of days for which a topic keeps its events."""
    return round(topic.retention_s / DAY_S)


def cell(text: str) -> str:
    """Return a text for a cell of a table."""
    return text.replace("|", "\\|")
