"""Pydantic models of the contracts' messages, built from their descriptors: what REST callers send and receive.

JSON is proto3's: camelCase names (snake_case is accepted), 64-bit integers as text, enums by name. Unknown fields are
refused. A body has a bounded number of errors, however wrong it is: lists, maps and unknown fields stop at the first.
"""

from collections.abc import Container
from enum import Enum
from functools import cache
from typing import Annotated, Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StrictBool,
    WithJsonSchema,
    WrapValidator,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema

from ratoon_gateway.entrypoints.comments import comment
from ratoon_gateway.entrypoints.validation import (
    enum_check,
    map_check,
    real_number,
    truth,
    unknown_field,
    whole_number_check,
)

_NUMBERS: dict[int, dict[str, Any]] = {
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "format": "int64", "minimum": 0},
    FieldDescriptor.CPPTYPE_INT64: {"type": "string", "format": "int64", "examples": ["1"]},
    FieldDescriptor.CPPTYPE_UINT64: {"type": "string", "format": "uint64", "examples": ["1"]},
}
_REAL = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
_TEXTS: dict[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"format": "date-time", "examples": ["2026-01-31T12:00:00Z"]},
    "google.protobuf.Duration": {"description": "Seconds.", "examples": ["3.5s"]},
    "google.protobuf.FieldMask": {
        "description": "Field names, separated by commas.",
        "examples": ["displayName"],
    },
}
"""Messages whose JSON is text, which their parser checks."""
_MAX_SPELLINGS = 2
"""Names of a field: camelCase and snake_case."""
_OPEN: dict[str, Any] = {"google.protobuf.Struct": dict[str, Any], "google.protobuf.Value": Any}


def _document(schema: dict[str, Any]) -> None:
    """Leave out of a model's JSON schema what is true of all: titles, null for unset, no further fields."""
    schema.pop("additionalProperties", None)
    schema.pop("title", None)
    for each in schema.get("properties", {}).values():
        each.pop("title", None)
        each.update(each.pop("anyOf", [{}])[0])


class Message(BaseModel):
    """Base of all models."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        protected_namespaces=(),
        json_schema_extra=_document,
    )

    @model_validator(mode="before")
    @classmethod
    def _check_size(cls, value: Any) -> Any:
        """Refuse the first unknown field of an object that has more fields than the message."""
        if isinstance(value, dict) and len(value) > _MAX_SPELLINGS * len(cls.model_fields):
            known = {*cls.model_fields, *(each.alias for each in cls.model_fields.values())}
            raise unknown_field(next(name for name in value if name not in known))
        return value


class _FirstFault:
    """Stops the validation of a list at its first fault. Pydantic's own marker cannot be part of a union."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return {**handler(source), "fail_fast": True}


_FIRST_FAULT = _FirstFault()


@cache
def model_of(kind: Descriptor) -> type[Message]:
    """Return the model of a message."""
    name = kind.full_name.removeprefix(f"{kind.file.package}.").replace(".", "")
    return _model(name, comment(kind.full_name), {each.name: _field(each) for each in kind.fields})


def query_types(kind: Descriptor, taken: Container[str]) -> dict[str, tuple[FieldDescriptor, Any]]:
    """Return field and type of each query parameter by its JSON name: what neither path nor body fills."""
    fields = [each for each in kind.fields if each.name not in taken and _fits_query(each)]
    return {each.json_name: (each, _query_type(each)) for each in fields}


def _model(name: str, text: str, fields: dict[str, Any]) -> type[Message]:
    return create_model(name, __base__=Message, __module__=__name__, __doc__=text or None, **fields)


def _field(field: FieldDescriptor) -> tuple[Any, Any]:
    """Return annotation and definition of a field, as `create_model` takes them. Null is a field that is not set."""
    description = comment(field.full_name) or None
    return _type(field) | None, Field(None, alias=field.json_name, description=description)


def unset() -> Any:
    """Return the value of a field that is not set; as a factory it leaves no default in the document."""
    return None


def _type(field: FieldDescriptor) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        value = kind.fields_by_name["value"]
        return Annotated[dict[str, _single(value)], WrapValidator(map_check(value))]  # type: ignore[misc]
    single = _single(field)
    return Annotated[list[single], _FIRST_FAULT] if field.is_repeated else single  # type: ignore[valid-type]


def _single(field: FieldDescriptor) -> Any:
    """Return the type of one value of a field."""
    if field.message_type is not None:
        return _message_type(field.message_type)
    if field.enum_type is not None:
        return _enum(field.enum_type)
    if field.cpp_type in _NUMBERS:
        check = BeforeValidator(whole_number_check(field.cpp_type))
        return Annotated[int, check, WithJsonSchema(_NUMBERS[field.cpp_type])]
    if field.cpp_type in _REAL:
        return Annotated[float, BeforeValidator(real_number), WithJsonSchema({"type": "number"})]
    if field.type == FieldDescriptor.TYPE_BYTES:
        return Annotated[str, WithJsonSchema({"type": "string", "contentEncoding": "base64"})]
    return StrictBool if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL else str


def _message_type(kind: Descriptor) -> Any:
    if kind.full_name in _TEXTS:
        return Annotated[str, WithJsonSchema({"type": "string", **_TEXTS[kind.full_name]})]
    return _OPEN.get(kind.full_name) or model_of(kind)


@cache
def _enum(kind: EnumDescriptor) -> Any:
    name = kind.full_name.removeprefix(f"{kind.file.package}.").replace(".", "")
    names = Enum(name, {each.name: each.name for each in kind.values}, type=str, module=__name__)  # type: ignore[misc]
    comments = {each.name: comment(f"{kind.full_name}.{each.name}") for each in kind.values}
    values = "\n".join(f"- `{value}`: {text}" for value, text in comments.items() if text)
    names.__doc__ = "\n\n".join(text for text in (comment(kind.full_name), values) if text)
    return Annotated[names, BeforeValidator(enum_check(kind))]


def _fits_query(field: FieldDescriptor) -> bool:
    """Return True for fields whose values are texts or numbers."""
    return field.message_type is None or field.message_type.full_name in _TEXTS


def _query_type(field: FieldDescriptor) -> Any:
    """Return the type of a query parameter; only booleans are written differently in bodies."""
    boolean = field.cpp_type == FieldDescriptor.CPPTYPE_BOOL
    return Annotated[bool, BeforeValidator(truth)] if boolean else _type(field)
