"""Generated part of `ratoon.client`: models and resources from `protos/`, written into `libs/client`.

`python -m scripts.client generate` writes the code, `check` compares it with the protos. Each public RPC becomes a
method of a resource, each message that it takes or returns becomes a model, and comments become docstrings. RPCs
without an HTTP path and those of other services (ROLE_SERVICE) are left out. A Create method takes the fields that the
comment of its resource names (“Only `a` and `b` are read.”), else those that the server does not set. An Update method
takes the changeable fields.
"""

import argparse
import filecmp
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from textwrap import indent, wrap

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

from ratoon.common.v1 import options_pb2
from scripts import protos

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "libs/client/src/ratoon/client"
GENERATED = ("_generated", "types.py")
HEADER = "# Generated from protos/ by scripts/client.py; `make proto` writes it again.\n"
WIDTH = 110
SERVER_FIELDS = {"name", "revision", "create_time", "update_time", "etag", "state", "progress", "failure"}
"""Fields that the server sets in every resource."""
SET_BY_SERVER = re.compile(r"Set\s+by\s+the\s+server|Set\s+only\s+in\s+the\s+response")
ONLY_READ = re.compile(r"Only\s+(.+?)\s+(?:is|are)\s+(?:read|used)", re.DOTALL)
"""Comments are wrapped: a line may end between any two words."""
STANDARD_VERBS = {"Create", "Get", "List", "Update", "Delete", "Watch"}

Field = FieldDescriptorProto
INT64 = {Field.TYPE_INT64, Field.TYPE_UINT64, Field.TYPE_SINT64, Field.TYPE_FIXED64, Field.TYPE_SFIXED64}
INT32 = {Field.TYPE_INT32, Field.TYPE_UINT32, Field.TYPE_SINT32, Field.TYPE_FIXED32, Field.TYPE_SFIXED32}
SCALARS = {
    Field.TYPE_STRING: ("str", '""'),
    Field.TYPE_BOOL: ("bool", "False"),
    Field.TYPE_DOUBLE: ("float", "0.0"),
    Field.TYPE_FLOAT: ("float", "0.0"),
    Field.TYPE_BYTES: ("Bytes", 'b""'),
    **dict.fromkeys(INT32, ("int", "0")),
    **dict.fromkeys(INT64, ("Int64", "0")),
}
WELL_KNOWN = {
    ".google.protobuf.Timestamp": ("Timestamp", "datetime"),
    ".google.protobuf.Duration": ("Duration", "timedelta"),
}
"""Message: its type in a model, and that of a parameter."""


@dataclass(frozen=True)
class Type:
    """Message or enum of the API. `name` joins the names of the messages around it: `ProjectGate`."""

    full_name: str
    name: str
    domain: str
    descriptor: DescriptorProto | EnumDescriptorProto
    comment: str
    comments: dict[str, str]

    @property
    def message(self) -> DescriptorProto:
        """Descriptor of a message."""
        assert isinstance(self.descriptor, DescriptorProto), self.full_name
        return self.descriptor


@dataclass(frozen=True)
class Method:
    """Public RPC with its HTTP binding."""

    descriptor: MethodDescriptorProto
    domain: str
    comment: str
    verb: str
    template: str
    body: str

    @property
    def rpc(self) -> str:
        """Name of the RPC."""
        return self.descriptor.name

    @cached_property
    def collection(self) -> tuple[str, ...]:
        """Collections in the path: `("projects", "datasets", "versions")`."""
        path = re.sub(r"\{\w[\w.]*(?:=([^}]*))?\}", lambda match: match[1] or "*", self.template)
        segments = path.removeprefix("/v1/").partition(":")[0].split("/")
        return tuple(segment for segment in segments if segment != "*")

    @property
    def name(self) -> str:
        """Name of the method in its resource: the custom verb of the path, else the verb of the RPC."""
        custom = self.template.rpartition(":")[2] if re.search(r":\w+$", self.template) else ""
        return snake(custom or re.match(r"[A-Z][a-z]+", self.rpc)[0])  # type: ignore[index]


@dataclass(frozen=True)
class Parameter:
    """Parameter of a generated method: annotation, default (empty: required), and where its value goes."""

    name: str
    annotation: str
    default: str
    comment: str
    wire_name: str = ""


@dataclass
class Api:
    """Everything that the protos declare, by full name."""

    types: dict[str, Type] = field(default_factory=dict)
    methods: list[Method] = field(default_factory=list)


def main() -> int:
    """Run the command named on the command line; 0 when the generated client is in order."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=("generate", "check"))
    if parser.parse_args().command == "generate":
        generate(TARGET)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        stale = differences(Path(scratch), TARGET)
    if stale:
        print(
            "client: generated code is stale, run `make proto` and commit:",
            *stale,
            sep="\n  ",
            file=sys.stderr,
        )
    return 1 if stale else 0


def differences(left: Path, right: Path) -> list[str]:
    """Return the generated files, relative, that the two directories do not hold alike."""
    ours, theirs = set(generated_files(left)), set(generated_files(right))
    _, changed, lost = filecmp.cmpfiles(left, right, sorted(ours & theirs), shallow=False)
    return sorted([*changed, *lost, *(ours ^ theirs)])


def generated_files(folder: Path) -> Iterator[str]:
    """Yield the generated files under a directory, relative to it."""
    for path in folder.rglob("*.py"):
        name = str(path.relative_to(folder))
        if name.startswith(GENERATED):
            yield name


def generate(target: Path) -> None:
    """Write the generated modules under `target`, and delete those that are no longer generated."""
    written = modules(read_api())
    for name in set(generated_files(target)) - set(written):
        (target / name).unlink()
    for name, text in written.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text)
    paths = [str(target / name) for name in written]
    ruff("check", "-q", "--fix", "--select", "I,F401", *paths)
    ruff("format", "-q", *paths)


def ruff(command: str, *arguments: str) -> None:
    """Run ruff with the settings of the repository."""
    program = Path(sys.executable).parent / "ruff"
    subprocess.run([program, command, "--config", ROOT / "pyproject.toml", *arguments], cwd=ROOT, check=True)


def read_api() -> Api:
    """Return what the protos declare, with their comments."""
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch, "image.binpb")
        protos.describe(protos.PROTOS, image, "--include_source_info")
        files = FileDescriptorSet.FromString(image.read_bytes()).file
    api = Api()
    for file in files:
        if file.package.startswith("ratoon."):
            add_file(api, file)
    return api


def add_file(api: Api, file: FileDescriptorProto) -> None:
    """Add the types and methods of one proto."""
    comments = {tuple(place.path): clean(place.leading_comments) for place in file.source_code_info.location}
    domain = file.package.split(".")[1]
    for place, message in enumerate(file.message_type):
        add_message(api, message, f".{file.package}", "", domain, (4, place), comments)
    for place, enum in enumerate(file.enum_type):
        add_enum(api, enum, f".{file.package}", "", domain, (5, place), comments)
    for place, service in enumerate(file.service):
        for number, method in enumerate(service.method):
            rule = method.options.Extensions[annotations_pb2.http]
            verb = rule.WhichOneof("pattern")
            if verb and method.options.Extensions[options_pb2.required_role] != options_pb2.ROLE_SERVICE:
                comment = comments.get((6, place, 2, number), "")
                api.methods.append(
                    Method(method, domain, comment, verb.upper(), getattr(rule, verb), rule.body)
                )


def add_message(
    api: Api,
    message: DescriptorProto,
    scope: str,
    prefix: str,
    domain: str,
    path: tuple[int, ...],
    comments: dict[tuple[int, ...], str],
) -> None:
    """Add a message and those within it."""
    full_name, name = f"{scope}.{message.name}", f"{prefix}{message.name}"
    described = {each.name: comments.get((*path, 2, place), "") for place, each in enumerate(message.field)}
    api.types[full_name] = Type(full_name, name, domain, message, comments.get(path, ""), described)
    for place, nested in enumerate(message.nested_type):
        add_message(api, nested, full_name, name, domain, (*path, 3, place), comments)
    for place, enum in enumerate(message.enum_type):
        add_enum(api, enum, full_name, name, domain, (*path, 4, place), comments)


def add_enum(
    api: Api,
    enum: EnumDescriptorProto,
    scope: str,
    prefix: str,
    domain: str,
    path: tuple[int, ...],
    comments: dict[tuple[int, ...], str],
) -> None:
    """Add an enum."""
    full_name = f"{scope}.{enum.name}"
    described = {each.name: comments.get((*path, 2, place), "") for place, each in enumerate(enum.value)}
    api.types[full_name] = Type(
        full_name, f"{prefix}{enum.name}", domain, enum, comments.get(path, ""), described
    )


def modules(api: Api) -> dict[str, str]:
    """Return the text of each generated module by its path."""
    used = used_types(api)
    by_name: dict[str, str] = {}
    for each in used:
        if by_name.setdefault(each.name, each.full_name) != each.full_name:
            raise SystemExit(
                f"client: {each.full_name} and {by_name[each.name]} have the same name in the client"
            )
    domains = sorted({each.domain for each in used})
    resources = resources_of(api)
    return {
        "_generated/__init__.py": HEADER + '"""Generated models and resources."""\n',
        **{f"_generated/{name}_types.py": types_module(api, name, used) for name in domains},
        **{
            f"_generated/{domain}.py": resources_module(
                api, domain, {n: m for n, m in resources.items() if m[0].domain == domain}
            )
            for domain in sorted({methods[0].domain for methods in resources.values()})
        },
        "_generated/clients.py": clients_module(api, resources),
        "_generated/schema.py": schema_module(api, resources, used),
        "types.py": types_index(used),
    }


def used_types(api: Api) -> list[Type]:
    """Return the types that callers pass or get, each after those that it refers to."""
    ordered: dict[str, Type] = {}
    for method in api.methods:
        for each in api.types[method.descriptor.input_type].message.field:
            add_used(api, each.type_name, ordered)
        if listing := listed_field(api, method):
            add_used(api, listing.type_name, ordered)
        elif not is_empty(api, method):
            add_used(api, method.descriptor.output_type, ordered)
    return list(ordered.values())


def add_used(api: Api, full_name: str, ordered: dict[str, Type]) -> None:
    """Add a type, after those of its fields. A scalar, a map entry and a well-known type have no model."""
    if full_name not in api.types or full_name in ordered:
        return
    added = api.types[full_name]
    if isinstance(added.descriptor, DescriptorProto):
        for each in added.message.field:
            add_used(api, each.type_name, ordered)
    if not is_map(added):
        ordered[full_name] = added


def is_empty(api: Api, method: Method) -> bool:
    """Return True if the response of a method has no fields."""
    return not api.types[method.descriptor.output_type].message.field


def listed_field(api: Api, method: Method) -> Field | None:
    """Return the field of a listing that holds its items; None for a method that is no listing."""
    fields = api.types[method.descriptor.output_type].message.field
    if "next_page_token" not in {each.name for each in fields}:
        return None
    items = [each for each in fields if each.name != "next_page_token"]
    if len(items) != 1 or items[0].label != Field.LABEL_REPEATED:
        raise SystemExit(f"client: the response of {method.rpc} must hold one list and next_page_token")
    return items[0]


def resources_of(api: Api) -> dict[str, list[Method]]:
    """Return the methods of each resource by the attribute of the client: the plural that its List method names."""
    names: dict[tuple[str, ...], str] = {}
    for method in api.methods:
        if method.rpc.startswith("List"):
            names[method.collection] = snake(method.rpc.removeprefix("List"))
    by_attribute: dict[str, list[Method]] = defaultdict(list)
    for method in api.methods:
        by_attribute[names.get(method.collection) or attribute_without_list(method.collection, names)].append(
            method
        )
    return dict(sorted(by_attribute.items()))


def attribute_without_list(collection: tuple[str, ...], names: dict[tuple[str, ...], str]) -> str:
    """Return the attribute of a collection without a List method: that of the same collection elsewhere, or its own."""
    same = [name for other, name in names.items() if other[-1] == collection[-1]]
    return same[0] if len(same) == 1 else snake(collection[-1])


def types_module(api: Api, domain: str, used: Iterable[Type]) -> str:
    """Return the module with the models of one domain."""
    own = [each for each in used if each.domain == domain]
    parts = [model(api, each) if isinstance(each.descriptor, DescriptorProto) else enum(each) for each in own]
    others = foreign_types(api, own, domain)
    imports = "".join(f"from ratoon.client._generated.{t.domain}_types import {t.name}\n" for t in others)
    return (
        f'{HEADER}"""Models of {domain}."""\n\n'
        "from ratoon.client._models import Bytes, Duration, Int64, Message, OpenEnum, Timestamp\n"
        f"{imports}\n\n" + "\n\n".join(parts)
    )


def foreign_types(api: Api, types: Iterable[Type], domain: str) -> list[Type]:
    """Return the types of other domains that the fields of messages refer to."""
    names = {
        each.type_name
        for owner in types
        if isinstance(owner.descriptor, DescriptorProto)
        for each in owner.message.field
        if each.type_name in api.types
    }
    types = [api.types[name] for name in sorted(names)]
    return [each for each in types if each.domain != domain and not is_map(each)]


def is_map(kind: Type) -> bool:
    """Return True for the entries of a map."""
    return isinstance(kind.descriptor, DescriptorProto) and kind.descriptor.options.map_entry


def model(api: Api, owner: Type) -> str:
    """Return the class of a message."""
    lines = [f"class {owner.name}(Message):", indent(docstring(owner.comment), "    ")]
    for each in owner.message.field:
        if json_name(each.name) != each.json_name:
            raise SystemExit(f"client: the JSON name of {owner.full_name}.{each.name} cannot be derived")
        annotation, default = model_type(api, each)
        lines += [
            "",
            f"    {each.name}: {annotation} = {default}",
            indent(docstring(owner.comments[each.name]), "    "),
        ]
    return "\n".join(lines) + "\n"


def enum(owner: Type) -> str:
    """Return the class of an enum. Its members have no prefix, their values are the names on the wire."""
    assert isinstance(owner.descriptor, EnumDescriptorProto)
    lines = [f"class {owner.name}(OpenEnum):", indent(docstring(owner.comment), "    ")]
    for each in owner.descriptor.value:
        lines += ["", f"    {member(owner.descriptor, each.name)} = {each.name!r}"]
        lines.append(indent(docstring(owner.comments[each.name]), "    "))
    return "\n".join(lines) + "\n"


def member(descriptor: EnumDescriptorProto, value: str) -> str:
    """Return the name of an enum's member: `RUNNING` for `STATE_RUNNING`."""
    prefix = f"{snake(descriptor.name).upper()}_"
    short = value.removeprefix(prefix)
    if short == value or not short.isidentifier():
        raise SystemExit(f"client: {descriptor.name}.{value} must begin with {prefix} and a letter")
    return short


def model_type(api: Api, each: Field) -> tuple[str, str]:
    """Return the annotation and the default of a field in a model."""
    if (entry := map_entry(api, each)) is not None:
        return f"dict[{single_type(api, entry.field[0])[0]}, {single_type(api, entry.field[1])[0]}]", "{}"
    annotation, default = single_type(api, each)
    if each.label == Field.LABEL_REPEATED:
        return f"list[{annotation}]", "[]"
    if each.type == Field.TYPE_MESSAGE or each.proto3_optional or each.HasField("oneof_index"):
        return f"{annotation} | None", "None"
    return annotation, default


def single_type(api: Api, each: Field) -> tuple[str, str]:
    """Return the type of one value of a field, and the default of a field of it."""
    if each.type_name in WELL_KNOWN:
        return WELL_KNOWN[each.type_name][0], "None"
    if each.type == Field.TYPE_ENUM:
        enum = api.types[each.type_name]
        assert isinstance(enum.descriptor, EnumDescriptorProto)
        return enum.name, f"{enum.name}.{member(enum.descriptor, enum.descriptor.value[0].name)}"
    return (api.types[each.type_name].name, "None") if each.type == Field.TYPE_MESSAGE else SCALARS[each.type]


def parameter_type(api: Api, each: Field) -> str:
    """Return the annotation of a field as a parameter."""
    if (entry := map_entry(api, each)) is not None:
        return f"Mapping[{plain_type(api, entry.field[0])}, {plain_type(api, entry.field[1])}]"
    annotation = plain_type(api, each)
    return f"Sequence[{annotation}]" if each.label == Field.LABEL_REPEATED else annotation


def plain_type(api: Api, each: Field) -> str:
    """Return the type of one value of a parameter."""
    if each.type_name in WELL_KNOWN:
        return WELL_KNOWN[each.type_name][1]
    annotation = single_type(api, each)[0]
    return {"Int64": "int", "Bytes": "bytes"}.get(annotation, annotation)


def map_entry(api: Api, each: Field) -> DescriptorProto | None:
    """Return the message of the entries of a map field; None for another field."""
    entry = api.types.get(each.type_name)
    return entry.message if entry is not None and is_map(entry) else None


def resources_module(api: Api, domain: str, resources: dict[str, list[Method]]) -> str:
    """Return the module with the resources of one domain."""
    classes = [
        resource_class(api, name, methods, is_async)
        for name, methods in resources.items()
        for is_async in (False, True)
    ]
    text = "\n\n".join(classes)
    names = sorted({t.name: t for t in api.types.values() if re.search(rf"\b{t.name}\b", text)}.items())
    imports = "".join(
        f"from ratoon.client._generated.{t.domain}_types import {name}\n"
        for name, t in names
        if not is_map(t) and not name.endswith("Request")
    )
    return (
        f'{HEADER}"""Resources of {domain}."""\n\n'
        "from collections.abc import Callable, Mapping, Sequence\n"
        "from datetime import datetime, timedelta\n\n"
        f"{imports}"
        "from ratoon.client._models import changes, present\n"
        "from ratoon.client._omit import Omit, omit\n"
        "from ratoon.client._pagination import AsyncPaginator, SyncPage\n"
        "from ratoon.client._paths import expand\n"
        "from ratoon.client._transport import AsyncTransport, Call, SyncTransport, new_request_id\n"
        "from ratoon.client._watch import AsyncWatch, SyncWatch\n\n\n"
        f"{text}"
    )


def resource_class(api: Api, attribute: str, methods: list[Method], is_async: bool) -> str:
    """Return the class of one resource."""
    head = f"""class {class_name(attribute, is_async)}:
{indent(resource_docstring(api, attribute, methods), "    ")}

    def __init__(self, transport: {"AsyncTransport" if is_async else "SyncTransport"}) -> None:
        self._transport = transport
"""
    texts = [method_text(api, method, is_async) for method in sorted(methods, key=lambda m: m.name)]
    texts += [wait_text(api, method, is_async) for method in methods if can_wait(api, method)]
    return head + "\n" + "\n".join(indent(text, "    ") for text in texts)


def class_name(attribute: str, is_async: bool) -> str:
    """Return the name of the class of a resource."""
    return f"{'Async' if is_async else ''}{pascal(attribute)}Resource"


def resource_docstring(api: Api, attribute: str, methods: list[Method]) -> str:
    """Return the comment of the messages of a resource as a docstring."""
    for method in methods:
        if (listing := listed_field(api, method)) or method.name == "get":
            return docstring(
                api.types[listing.type_name if listing else method.descriptor.output_type].comment
            )
    return docstring(f"{attribute.replace('_', ' ').capitalize()}.")


def method_text(api: Api, method: Method, is_async: bool) -> str:
    """Return one method."""
    required, optional = parameters(api, method)
    timeout = Parameter(
        "timeout", "float | None", "None", "Seconds that one attempt may take. Default: that of the client."
    )
    streams = method.descriptor.server_streaming
    keywords = optional if streams else [*optional, timeout]
    signature = [f"{each.name}: {each.annotation}" for each in required]
    signature += (
        ["*", *(f"{each.name}: {each.annotation} = {each.default}" for each in keywords)] if keywords else []
    )
    answer, call = answer_of(api, method, call_text(api, method, required, optional), is_async)
    plain = streams or listed_field(api, method) is not None
    prefix = "async " if is_async and not plain else ""
    awaited = "await " if is_async and not plain else ""
    body = f"{awaited}{call}" if answer == "None" else f"return {awaited}{call}"
    return (
        f"{prefix}def {method.name}({', '.join(['self', *signature])}) -> {answer}:\n"
        f"{indent(docstring(method.comment, [*required, *keywords]), '    ')}\n"
        f"    {body}\n"
    )


def answer_of(api: Api, method: Method, call: str, is_async: bool) -> tuple[str, str]:
    """Return the annotation of the answer, and the expression that makes the call."""
    if listing := listed_field(api, method):
        kind = api.types[listing.type_name].name
        page = f"AsyncPaginator[{kind}]" if is_async else f"SyncPage[{kind}]"
        return page, f"self._transport.page({kind}, {listing.json_name!r}, {call}, timeout)"
    kind = api.types[method.descriptor.output_type].name
    if method.descriptor.server_streaming:
        return f"{'Async' if is_async else 'Sync'}Watch[{kind}]", f"self._transport.watch({kind}, {call})"
    if is_empty(api, method):
        return "None", f"self._transport.send({call}, timeout)"
    return kind, f"self._transport.call({kind}, {call}, timeout)"


def call_text(api: Api, method: Method, required: list[Parameter], optional: list[Parameter]) -> str:
    """Return the expression of the call."""
    values = ", ".join(f"{each.name}={each.name}" for each in required)
    template = re.sub(r"\{\w+\.(\w+)=", r"{\1=", method.template)
    arguments = [repr(method.verb), f"expand({template!r}, {values})" if values else repr(template)]
    resource = resource_fields(api, method)
    inside = [each for each in optional if method.body == "*" or each.name in resource]
    outside = [each for each in optional if each not in inside]
    if outside:
        arguments.append(f"query=present({fields_text(outside)})")
    if method.body:
        encode = "changes" if method.verb == "PATCH" else "present"
        arguments.append(f"body={encode}({fields_text(inside)})" if inside else "body={}")
    if any(each.name == "request_id" for each in optional):
        arguments.append("repeatable=True")
    return f"Call({', '.join(arguments)})"


def fields_text(parameters: list[Parameter]) -> str:
    """Return a dict of wire names and parameters."""
    values = {"request_id": "request_id or new_request_id()"}
    return (
        "{"
        + ", ".join(f"{each.wire_name!r}: {values.get(each.name, each.name)}" for each in parameters)
        + "}"
    )


def parameters(api: Api, method: Method) -> tuple[list[Parameter], list[Parameter]]:
    """Return the parameters of a method: those in the path, and the optional ones."""
    request = api.types[method.descriptor.input_type]
    paths = re.findall(r"\{(?:(\w+)\.)?(\w+)", method.template)
    inner = method.body if method.body not in ("", "*") else ""
    resource = resource_fields(api, method)
    owner = (
        api.types[next(each.type_name for each in request.message.field if each.name == inner)]
        if inner
        else None
    )
    comments = {**request.comments, **({} if owner is None else owner.comments)}
    required = [
        Parameter(name, "str", "", (owner.comments if outer and owner else request.comments)[name])
        for outer, name in paths
    ]
    taken = {name for _, name in paths} | {inner, "update_mask"}
    optional = [parameter(api, method, each, comments[each.name]) for each in resource.values()]
    optional += [
        parameter(api, method, each, request.comments[each.name], inside=method.body == "*")
        for each in request.message.field
        if each.name not in taken
    ]
    names = [each.name for each in (*required, *optional)]
    if len(set(names)) < len(names):
        raise SystemExit(f"client: {method.rpc} has two parameters of one name: {names}")
    return required, optional


def parameter(api: Api, method: Method, each: Field, comment: str, inside: bool = True) -> Parameter:
    """Return an optional parameter. In an update, None clears a field, and an omitted field keeps its value."""
    annotation = parameter_type(api, each)
    if method.verb == "PATCH" and each.name in resource_fields(api, method) and each.name != "etag":
        can_clear = model_type(api, each)[1] == "None" and f"{each.name}.*" not in changeable(method)
        cleared = " | None" if can_clear else ""
        return Parameter(each.name, f"{annotation} | Omit{cleared}", "omit", comment, each.json_name)
    default = "omit" if each.name == "etag" and method.verb == "PATCH" else "None"
    return Parameter(
        each.name,
        f"{annotation} | {'Omit' if default == 'omit' else 'None'}",
        default,
        comment,
        each.json_name,
    )


def changeable(method: Method) -> list[str]:
    """Return the paths of the fields that an Update method may change."""
    return list(method.descriptor.options.Extensions[options_pb2.changeable])


def resource_fields(api: Api, method: Method) -> dict[str, Field]:
    """Return the fields of the resource in the body that callers pass."""
    if method.body in ("", "*"):
        return {}
    request = api.types[method.descriptor.input_type]
    owner = api.types[next(each.type_name for each in request.message.field if each.name == method.body)]
    fields = {each.name: each for each in owner.message.field}
    if method.verb == "PATCH":
        names = [path.partition(".")[0] for path in changeable(method)] + (
            ["etag"] if "etag" in fields else []
        )
    elif match := ONLY_READ.search(request.comments[method.body]):
        names = re.findall(r"`(\w+)`", match[1])
    else:
        names = [n for n in fields if n not in SERVER_FIELDS and not SET_BY_SERVER.search(owner.comments[n])]
    if unknown := set(names) - set(fields):
        raise SystemExit(f"client: {method.rpc} names fields that {owner.name} has not: {sorted(unknown)}")
    return {name: fields[name] for name in dict.fromkeys(names)}


def can_wait(api: Api, method: Method) -> bool:
    """Return True for the watch of a resource with a state, whose stream ends after the final one."""
    fields = {each.name for each in api.types[method.descriptor.output_type].message.field}
    return bool(method.descriptor.server_streaming) and "state" in fields


def wait_text(api: Api, method: Method, is_async: bool) -> str:
    """Return the method that waits for the final state of a resource."""
    kind = api.types[method.descriptor.output_type].name
    required, _ = parameters(api, method)
    described = [
        *required,
        Parameter("timeout", "", "", "Seconds to wait. Default: no limit."),
        Parameter("on_state", "", "", "Called with each state, the final one included."),
    ]
    comment = (
        "Wait for the final state, and return it. OperationFailedError if there is no result (failed, cancelled, "
        "refused, rolled back); OperationTimeoutError after `timeout`."
    )
    prefix, awaited = ("async ", "await ") if is_async else ("", "")
    call = call_text(api, method, required, [])
    return (
        f"{prefix}def wait(self, name: str, *, timeout: float | None = None, "
        f"on_state: Callable[[{kind}], object] | None = None) -> {kind}:\n"
        f"{indent(docstring(comment, described), '    ')}\n"
        f"    return {awaited}self._transport.wait({kind}, {call}, timeout, on_state)\n"
    )


def clients_module(api: Api, resources: dict[str, list[Method]]) -> str:
    """Return the module with the resources as attributes of the two clients. They are imported when first used."""
    imports, classes = [], []
    for is_async in (False, True):
        kind = "Async" if is_async else "Sync"
        lines = [
            f"class {kind}Resources:",
            f'    """Resources of the API as attributes of the {"a" * is_async}synchronous client."""',
            "",
            f"    _transport: {kind}Transport",
        ]
        for attribute, methods in resources.items():
            name, module = class_name(attribute, is_async), f"ratoon.client._generated.{methods[0].domain}"
            imports.append(f"    from {module} import {name}")
            lines += [
                "",
                "    @cached_property",
                f'    def {attribute}(self) -> "{name}":',
                indent(resource_docstring(api, attribute, methods), " " * 8),
                f"        from {module} import {name}",
                "",
                f"        return {name}(self._transport)",
            ]
        classes.append("\n".join(lines))
    return (
        f'{HEADER}"""Resources of the API as attributes of a client."""\n\n'
        "from functools import cached_property\n"
        "from typing import TYPE_CHECKING\n\n"
        "from ratoon.client._transport import AsyncTransport, SyncTransport\n\n"
        "if TYPE_CHECKING:\n" + "\n".join(imports) + "\n\n\n" + "\n\n\n".join(classes) + "\n"
    )


def schema_module(api: Api, resources: dict[str, list[Method]], used: Iterable[Type]) -> str:
    """Return the module that describes methods, messages and enums."""
    methods = [
        method_schema(api, attribute, method)
        for attribute, methods in resources.items()
        for method in sorted(methods, key=lambda each: each.name)
    ]
    types = sorted(used, key=lambda each: each.name)
    messages = [
        f"{t.name!r}: {message_schema(api, t)}" for t in types if isinstance(t.descriptor, DescriptorProto)
    ]
    enums = [f"{t.name!r}: {enum_schema(t)}" for t in types if isinstance(t.descriptor, EnumDescriptorProto)]
    return (
        f'{HEADER}# ruff: noqa: E501\n"""Methods, messages and enums of the API."""\n\n'
        "from ratoon.client._schema import EnumValue, Field, Message, Method\n\n"
        f"METHODS: tuple[Method, ...] = ({', '.join(methods)},)\n"
        f"MESSAGES: dict[str, Message] = {{{', '.join(messages)}}}\n"
        f"ENUMS: dict[str, tuple[EnumValue, ...]] = {{{', '.join(enums)}}}\n"
    )


def method_schema(api: Api, attribute: str, method: Method) -> str:
    """Return the expression that describes a method."""
    required, optional = parameters(api, method)
    request = api.types[method.descriptor.input_type]
    inner = next((each for each in request.message.field if each.name == method.body), None)
    listing = listed_field(api, method)
    known = {each.name: each for each in request.message.field} | resource_fields(api, method)
    role = options_pb2.Role.Name(method.descriptor.options.Extensions[options_pb2.required_role])
    values: dict[str, str] = {
        "resource": repr(attribute),
        "name": repr(method.name),
        "service": repr(method.domain),
        "rpc": repr(method.rpc),
        "http": repr(method.verb),
        "path": repr(method.template),
        "role": repr(role.removeprefix("ROLE_").lower()),
        "comment": repr(plain(method.comment)),
        "arguments": tuple_of(
            f"Field({each.name!r}, 'string', {plain(each.comment)!r})" for each in required
        ),
        "fields": tuple_of(field_schema(api, known[each.name], each.comment) for each in optional),
    }
    if inner is not None:
        values["message"] = repr(api.types[inner.type_name].name)
    if listing is not None:
        values["items"] = repr(api.types[listing.type_name].name)
    elif not is_empty(api, method):
        values["result"] = repr(api.types[method.descriptor.output_type].name)
    if can_wait(api, method):
        values["can_wait"] = "True"
    return f"Method({', '.join(f'{name}={value}' for name, value in values.items())})"


def message_schema(api: Api, owner: Type) -> str:
    """Return the expression that describes a message."""
    fields = tuple_of(field_schema(api, each, owner.comments[each.name]) for each in owner.message.field)
    return f"Message({owner.name!r}, {plain(owner.comment)!r}, {fields})"


def enum_schema(owner: Type) -> str:
    """Return the expression that describes the values of an enum."""
    descriptor = owner.descriptor
    assert isinstance(descriptor, EnumDescriptorProto), owner.full_name
    return tuple_of(
        f"EnumValue({member(descriptor, each.name)!r}, {each.name!r}, {plain(owner.comments[each.name])!r})"
        for each in descriptor.value
    )


def field_schema(api: Api, each: Field, comment: str) -> str:
    """Return the expression that describes a field."""
    entry = map_entry(api, each)
    kind = field_kind(api, each if entry is None else entry.field[1])
    arguments = [repr(each.name), repr(kind), repr(plain(comment))]
    if entry is not None:
        arguments.append(f"key={field_kind(api, entry.field[0])!r}")
    elif each.label == Field.LABEL_REPEATED:
        arguments.append("repeated=True")
    return f"Field({', '.join(arguments)})"


def field_kind(api: Api, each: Field) -> str:
    """Return the kind of one value of a field, as `ratoon.client._schema` names it."""
    kinds = {
        "str": "string",
        "int": "integer",
        "float": "number",
        "datetime": "time",
        "timedelta": "duration",
    }
    annotation = plain_type(api, each)
    return kinds.get(annotation, annotation)


def tuple_of(expressions: Iterable[str]) -> str:
    """Return the expression of a tuple."""
    return f"({''.join(f'{each}, ' for each in expressions)})"


def plain(comment: str) -> str:
    """Return a comment on one line."""
    return " ".join(comment.split())


def types_index(used: list[Type]) -> str:
    """Return the module that exports all models."""
    ordered = sorted(used, key=lambda each: each.name)
    imports = "".join(f"from ratoon.client._generated.{t.domain}_types import {t.name}\n" for t in ordered)
    names = "".join(f"    {each.name!r},\n" for each in ordered)
    return f'{HEADER}"""Messages and enums of the API."""\n\n{imports}\n__all__ = [\n{names}]\n'


def docstring(comment: str, described: Iterable[Parameter] = ()) -> str:
    """Return a docstring: the summary, the rest of the comment, and the parameters."""
    text = " ".join(comment.split())
    if not text:
        raise SystemExit("client: a comment is missing; `make check-proto` names it")
    head, _, rest = text.partition(". ") if len(text) > WIDTH - 20 else (text, "", "")
    lines = wrap(head if head.endswith(".") else f"{head}.", WIDTH - 12)
    if rest:
        lines += ["", *wrap(rest, WIDTH - 8)]
    if parameters := list(described):
        lines += ["", "Args:"]
        for each in parameters:
            about = " ".join(each.comment.split())
            lines += wrap(
                f"{each.name}: {about}", WIDTH - 8, initial_indent="    ", subsequent_indent="        "
            )
    body = "\n".join(lines).replace("\\", "\\\\")
    return f'"""{body}\n"""' if len(lines) > 1 else f'"""{body}"""'


def clean(comment: str) -> str:
    """Return a comment without the space at the beginning of its lines."""
    return "\n".join(line.removeprefix(" ") for line in comment.strip("\n").splitlines())


def snake(name: str) -> str:
    """Return a name in snake_case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def pascal(name: str) -> str:
    """Return a name in PascalCase."""
    return "".join(part.capitalize() for part in name.split("_"))


def json_name(name: str) -> str:
    """Return the name of a field in JSON, as the models derive it."""
    return re.sub(r"_(.)", lambda match: match.group(1).upper(), name)


if __name__ == "__main__":
    sys.exit(main())
