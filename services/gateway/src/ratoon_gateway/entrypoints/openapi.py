"""The OpenAPI 3.1 document of the REST face, from the contracts' descriptors and the gateway's own routes."""

import re
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from ratoon.chassis.identity import Role
from ratoon_gateway.entrypoints.transcoding import Binding

JSON = dict[str, Any]
_VARIABLE = re.compile(r"\{([a-z_.]+)(?:=([^}]*))?\}")
_WELL_KNOWN: dict[str, JSON] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "description": "Seconds, like `1.5s`."},
    "google.protobuf.FieldMask": {"type": "string", "description": "Field names, separated by commas."},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
}
_LONG = {"type": "string", "format": "int64"}
_SCALARS: dict[int, JSON] = {
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "format": "int64", "minimum": 0},
    FieldDescriptor.CPPTYPE_INT64: _LONG,
    FieldDescriptor.CPPTYPE_UINT64: _LONG,
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
}
_PROBLEM: JSON = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "reason"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string", "description": "Stable, UPPER_SNAKE."},
        "violations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "description": {"type": "string"}},
            },
        },
    },
}


def document(bindings: Iterable[Binding], version: str) -> JSON:
    """The whole document."""
    schemas: JSON = {"Problem": _PROBLEM}
    paths: JSON = {}
    for binding in bindings:
        paths.setdefault(_path(binding), {})[binding.verb.lower()] = _operation(binding, schemas)
    for path, operations in _own_paths().items():
        paths.setdefault(path, {}).update(operations)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ratoon",
            "version": version,
            "description": "Keeps a language model fit for its job.",
        },
        "security": [{"bearer": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, or a token from POST /v1/token.",
                }
            },
        },
    }


def _operation(binding: Binding, schemas: JSON) -> JSON:
    kind = binding.method.input_type
    answer = _reference(binding.method.output_type, schemas)
    media = "text/event-stream" if binding.streams else "application/json"
    operation: JSON = {
        "operationId": f"{binding.service}.{binding.method.name}",
        "tags": [binding.service],
        "description": f"Role: {binding.role.name.lower()}.",
        "parameters": [*_path_parameters(binding), *_query_parameters(binding, kind, schemas)],
        "responses": {
            "200": {"description": "Done.", "content": {media: {"schema": answer}}},
            "default": {
                "description": "What went wrong.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    if binding.role is Role.PUBLIC:
        operation["security"] = []
    if binding.body:
        body = kind.fields_by_name[binding.body].message_type if binding.body != "*" else None
        schema = _reference(body or kind, schemas)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _path(binding: Binding) -> str:
    """The template with one plain parameter for each wildcard: `/v1/projects/{project}/models/{model}`."""
    return _VARIABLE.sub(lambda found: "/".join(_segments(found)), binding.template)


def _segments(found: re.Match[str]) -> list[str]:
    parts = (found.group(2) or "*").split("/")
    names = [*parts]
    for place, part in enumerate(parts):
        if part.startswith("*"):
            names[place] = "{" + (_singular(parts[place - 1]) if place else found.group(1)) + "}"
    return names


def _singular(collection: str) -> str:
    if collection.endswith("ies"):
        return collection[:-3] + "y"
    return collection.removesuffix("es") if collection.endswith("sses") else collection.removesuffix("s")


def _path_parameters(binding: Binding) -> list[JSON]:
    names = re.findall(r"\{([^}]+)\}", _path(binding))
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(binding: Binding, kind: Descriptor, schemas: JSON) -> list[JSON]:
    if binding.body == "*":
        return []
    taken = {variable.partition(".")[0] for variable in binding.variables} | {binding.body}
    fields = [each for each in kind.fields if each.name not in taken]
    plain = [
        each for each in fields if each.message_type is None or each.message_type.full_name in _WELL_KNOWN
    ]
    return [{"name": each.json_name, "in": "query", "schema": _field(each, schemas)} for each in plain]


def _reference(kind: Descriptor, schemas: JSON) -> JSON:
    if kind.full_name in _WELL_KNOWN:
        return _WELL_KNOWN[kind.full_name]
    name = kind.full_name.removeprefix("ratoon.")
    if name not in schemas:
        schemas[name] = {}  # a message may hold itself
        schemas[name] = {
            "type": "object",
            "properties": {each.json_name: _field(each, schemas) for each in kind.fields},
        }
    return {"$ref": f"#/components/schemas/{name}"}


def _field(described: FieldDescriptor, schemas: JSON) -> JSON:
    message = described.message_type
    if message is not None and message.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": _one(message.fields_by_name["value"], schemas)}
    one = _one(described, schemas)
    return {"type": "array", "items": one} if described.is_repeated else one


def _one(described: FieldDescriptor, schemas: JSON) -> JSON:
    if described.message_type is not None:
        return _reference(described.message_type, schemas)
    if described.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in described.enum_type.values]}
    if described.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "format": "byte"}
    return _SCALARS.get(described.cpp_type, {"type": "string"})


def _own_paths() -> JSON:
    """The routes that are no RPC."""
    digest = {"name": "sha256", "in": "path", "required": True, "schema": {"type": "string"}}
    anything = {"content": {"application/json": {"schema": {"type": "object"}}}}
    octets = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}

    def operation(name: str, text: str, **more: Any) -> JSON:
        return {
            "operationId": f"gateway.{name}",
            "tags": ["gateway"],
            "description": text,
            "responses": {"200": {"description": "Done."}},
            **more,
        }

    return {
        "/v1/chat/completions": {
            "post": operation(
                "ChatCompletions",
                "As OpenAI's. `model` is a deployment, or `name@version`.",
                requestBody=anything,
            )
        },
        "/v1/completions": {"post": operation("Completions", "As OpenAI's.", requestBody=anything)},
        "/v1/models": {"get": operation("Models", "As OpenAI's: the deployments you may ask.")},
        "/v1/feedback": {
            "post": operation(
                "Feedback",
                "`id` of an answer, `thumb`, `rating`, `correction`, `comment`.",
                requestBody=anything,
            )
        },
        "/v1/blobs/{sha256}": {
            "put": operation(
                "PutBlob",
                "Store a file, whole or by `Content-Range`.",
                parameters=[digest],
                requestBody=octets,
            ),
            "head": operation(
                "HeadBlob", "Whether it is there, or how far: `upload-offset`.", parameters=[digest]
            ),
            "get": operation("GetBlob", "Fetch a file, whole or by `Range`.", parameters=[digest]),
        },
    }
