"""Specs and results of jobs: protobuf messages, stored as JSON that workers and services of other releases read.

A `spec.json` holds the fields of a `JobEnvironment`, which this library reads, and those of the spec of its kind, side
by side. Knows no kind of job.
"""

import base64
import math
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ratoon.jobs.v1 import job_pb2

JSON = dict[str, Any]
M = TypeVar("M", bound=Message)

_WELL_KNOWN = "google.protobuf."


def spec_json(environment: job_pb2.JobEnvironment, spec: Message) -> JSON:
    """Return the spec of a job as it is stored. Fields that are not set are left out."""
    fields = {**to_json(environment), **to_json(spec)}
    return {name: value for name, value in fields.items() if value is not None}


def to_json(message: Message) -> JSON:
    """Return a message as proto3 JSON, all of its fields under the names that its proto gives them.

    Unlike protobuf's own printer, it writes 64-bit integers as numbers, maps in the order of their keys, and null for a
    field that is not set.
    """
    fields = cast(list[FieldDescriptor], message.DESCRIPTOR.fields)
    return {field.name: _value(message, field) for field in fields}


def from_json(kind: type[M], values: Mapping[str, Any]) -> M:
    """Return the message that the JSON describes; ParseError if a value has another type. Unknown fields are ignored.

    Tuples and numbers that are not finite are accepted as Python writes them.
    """
    return json_format.ParseDict(_parsable(values), kind(), ignore_unknown_fields=True)


def _value(message: Message, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        of_entry = field.message_type.fields_by_name["value"]
        return {key: _single(of_entry, value[key]) for key in sorted(value)}
    if field.is_repeated:
        return [_single(field, each) for each in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _single(field, value)


def _single(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        well_known = field.message_type.full_name.startswith(_WELL_KNOWN)
        return _whole(json_format.MessageToDict(value)) if well_known else to_json(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return _finite(value)


def _whole(value: Any) -> Any:
    """Return the JSON of a `Struct` or a list with whole numbers as integers: it holds all numbers as doubles."""
    match value:
        case dict():
            return {key: _whole(value[key]) for key in sorted(value)}
        case list():
            return [_whole(each) for each in value]
        case float() if value.is_integer():
            return int(value)
    return value


def _finite(value: Any) -> Any:
    """Return a value; a number that is not finite as proto3 JSON writes it."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"


def _parsable(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _parsable(each) for key, each in value.items()}
        case list() | tuple():
            return [_parsable(each) for each in value]
    return _finite(value)
