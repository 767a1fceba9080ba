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
        "code": {"type": "string", "description": "Code of the error in gRPC, such as FAILED_PRECONDITION."},
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


_PROBLEMS: JSON = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_OPENAI_ERRORS: JSON = {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAIError"}}}
_OPENAI_ERROR: JSON = {
    "type": "object",
    "description": "An error as OpenAI's clients read it.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"], "description": "Stable, lower_snake."},
            },
        }
    },
}
_SEGMENT = {"type": "string", "pattern": "^[^/:]+$"}
_DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def document(bindings: Iterable[Binding], version: str) -> JSON:
    """The whole document."""
    schemas: JSON = {"Problem": _PROBLEM, "OpenAIError": _OPENAI_ERROR}
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
            **_refusals(_PROBLEMS, public=binding.role is Role.PUBLIC, has_body=bool(binding.body)),
        },
    }
    if binding.role is Role.PUBLIC:
        operation["security"] = []
    if binding.body:
        body = kind.fields_by_name[binding.body].message_type if binding.body != "*" else None
        schema = _reference(body or kind, schemas)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _refusals(content: JSON, *, public: bool = False, has_body: bool = False) -> JSON:
    """The answers that refuse, of which a caller may meet any."""
    told = {
        "400": "The request is wrong; the answer says which field.",
        "404": "The resource does not exist, or the caller may not access it.",
        "429": "A limit is exceeded; `retry-after` says when to retry.",
        "503": "A service of the installation is unavailable; try again.",
        "default": "An error.",
    }
    if not public:
        told |= {
            "401": "No valid API key or token.",
            "403": "The caller's role or project does not permit the request.",
        }
    if has_body:
        told |= {"413": "The body is too large.", "415": "The body is not JSON."}
    return {status: {"description": text, "content": content} for status, text in sorted(told.items())}


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
    double = collection.endswith(("sses", "iases"))
    return collection.removesuffix("es") if double else collection.removesuffix("s")


def _path_parameters(binding: Binding) -> list[JSON]:
    names = re.findall(r"\{([^}]+)\}", _path(binding))
    return [{"name": name, "in": "path", "required": True, "schema": _SEGMENT} for name in names]


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
    digest = {"name": "sha256", "in": "path", "required": True, "schema": _DIGEST}
    octets = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}

    def operation(name: str, text: str, errors: JSON = _PROBLEMS, *done: str, **more: Any) -> JSON:
        return {
            "operationId": f"gateway.{name}",
            "tags": ["gateway"],
            "description": text,
            "responses": {
                **{status: {"description": "Done."} for status in done or ("200",)},
                **_refusals(errors, has_body="requestBody" in more),
            },
            **more,
        }

    return {
        "/v1/chat/completions": {
            "post": operation(
                "ChatCompletions",
                "As OpenAI's. `model` is a deployment, or `name@version`.",
                _OPENAI_ERRORS,
                requestBody=_body("model", "messages"),
            )
        },
        "/v1/completions": {
            "post": operation(
                "Completions", "As OpenAI's.", _OPENAI_ERRORS, requestBody=_body("model", "prompt")
            )
        },
        "/v1/models": {
            "get": operation(
                "Models", "As OpenAI's: the deployments that the caller may use.", _OPENAI_ERRORS
            )
        },
        "/v1/feedback": {
            "post": operation(
                "Feedback",
                "`id` of an answer, `thumb`, `rating`, `correction`, `comment`.",
                requestBody=_body("id"),
            )
        },
        "/v1/blobs/{sha256}": {
            "put": operation(
                "PutBlob",
                "Store a file, whole or by `Content-Range`.",
                _PROBLEMS,
                *("200", "201", "202"),
                parameters=[digest],
                requestBody=octets,
            ),
            "head": operation(
                "HeadBlob",
                "Check whether a file is stored, or how many bytes of it (`upload-offset`).",
                _PROBLEMS,
                "200",
                "204",
                parameters=[digest],
            ),
            "get": operation(
                "GetBlob", "Fetch a file, whole or by `Range`.", _PROBLEMS, "200", "206", parameters=[digest]
            ),
        },
    }


def _body(*required: str) -> JSON:
    """A JSON body with these fields, and others."""
    schema = {"type": "object", "required": list(required), "properties": {name: {} for name in required}}
    return {"required": True, "content": {"application/json": {"schema": schema}}}
