"""Sentences about values that a request cannot hold: each names its field, in words that are not a library's."""

import difflib
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from pydantic_core import PydanticCustomError

from ratoon_gateway.domain.errors import BadRequest
from ratoon_gateway.entrypoints.asgi import json_name

_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_MAX_REAL = sys.float_info.max
_KINDS = {
    "string_type": "a string",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
"""Words for the types that pydantic checks itself, by its error types."""
_NAMED = ("unknown_field", "unfit_entry")
"""Our error types whose context names the last step of the location."""
_MAX_NAMES = 12
"""More field names than this are not listed in one sentence."""


def bad_request_of(kind: Descriptor, error: dict[str, Any]) -> BadRequest:
    """Return what a validation error of pydantic means for a body of `kind`, or for a parameter."""
    location = (*error["loc"][1:], *([error["ctx"]["name"]] if error["type"] in _NAMED else []))
    field = field_path(location)
    if error["type"] in ("extra_forbidden", "unknown_field"):
        return _unknown_field(kind, location)
    if not location:
        return BadRequest("The body must be a JSON object.")
    return BadRequest(f"{field} {_complaint(error)}.", field)


def field_path(location: Sequence[int | str]) -> str:
    """Return the path of a field as JSON bodies write it: `labels[0].name`."""
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{json_name(each)}" for each in location)
    return text.removeprefix(".")


def enum_check(kind: EnumDescriptor) -> Callable[[Any], Any]:
    """Return a validator of an enum's names and numbers. It returns names."""
    offered = ", ".join(each.name for each in kind.values if not each.name.endswith("_UNSPECIFIED"))

    def check(value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool) and value in kind.values_by_number:
            return kind.values_by_number[value].name
        if isinstance(value, str) and value in kind.values_by_name:
            return value
        context = {"offered": offered, "value": named(value)}
        raise PydanticCustomError("unfit", "cannot be {value}; it is one of {offered}", context)

    return check


def whole_number_check(cpp_type: int) -> Callable[[Any], int]:
    """Return a validator of integers, which may come as text or as a number without a fraction."""
    low, high = _RANGES[cpp_type]

    def check(value: Any) -> int:
        number = _number(value)
        if number is None or (isinstance(number, float) and not number.is_integer()):
            raise _unfit("a whole number", value)
        if not low <= number <= high:
            raise PydanticCustomError(
                "unfit", "must lie between {low} and {high}", {"low": low, "high": high}
            )
        return int(number)

    return check


def real_number(value: Any) -> float | int:
    """Return a finite number, which may come as text."""
    number = _number(value)
    if number is None:
        raise _unfit("a number", value)
    if not abs(number) <= _MAX_REAL:
        raise PydanticCustomError("unfit", "must be a finite number")
    return number


def map_check(field: FieldDescriptor) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """Return a validator around that of a map, which refuses the first value of another type than `field`'s."""
    fits = _value_check(field)

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        for name, each in value.items() if isinstance(value, dict) else ():
            if complaint := fits(each):
                raise PydanticCustomError("unfit_entry", "{sentence}", {"name": name, "sentence": complaint})
        return handler(value)

    return check


def unknown_field(name: str) -> PydanticCustomError:
    """Return the error of a field that a message lacks."""
    return PydanticCustomError("unknown_field", "{name}", {"name": name})


def truth(value: Any) -> bool:
    """Return the meaning of a query parameter that is `true` or `false`."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _unfit("true or false", value)


def _number(value: Any) -> int | float | None:
    """Return a JSON number, or one written as text (so that 64-bit numbers travel); None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return value
    if not value.isascii() or "_" in value or value != value.strip():
        return None
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    return None


def _value_check(field: FieldDescriptor) -> Callable[[Any], str]:
    """Return a function of a value that says what is wrong with it, without its name; empty if nothing is."""
    if field.cpp_type in _RANGES:
        return partial(_complaint_of, whole_number_check(field.cpp_type))
    if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return partial(_complaint_of, real_number)
    if field.enum_type is not None:
        return partial(_complaint_of, enum_check(field.enum_type))
    kind, words = {
        FieldDescriptor.CPPTYPE_BOOL: (bool, "true or false"),
        FieldDescriptor.CPPTYPE_MESSAGE: (dict, "an object"),
    }.get(field.cpp_type, (str, "a string"))
    return lambda value: "" if isinstance(value, kind) else _unfit(words, value).message()


def _complaint_of(check: Callable[[Any], Any], value: Any) -> str:
    try:
        check(value)
    except PydanticCustomError as error:
        return error.message()
    return ""


def _unfit(expected: str, value: Any) -> PydanticCustomError:
    context = {"expected": expected, "value": named(value)}
    return PydanticCustomError("unfit", "must be {expected}, not {value}", context)


def _complaint(error: dict[str, Any]) -> str:
    """Return what is wrong with a field, without its name."""
    if error["type"] in _KINDS:
        return _unfit(_KINDS[error["type"]], error["input"]).message()
    return str(error["msg"]).removesuffix(".")


def _unknown_field(kind: Descriptor, location: Sequence[int | str]) -> BadRequest:
    """Return the error of a field that a message lacks, or that came under both of its names."""
    message, name, path = _message_at(kind, location[:-1]), str(location[-1]), field_path(location)
    field = message.fields_by_name.get(name) or message.fields_by_camelcase_name.get(name)
    if field is not None:
        return BadRequest(f"{field.json_name} is given twice, as {field.name} too.", path)
    known = [each.json_name for each in message.fields]
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return BadRequest(f"{message.name} has no field {_cut(path)}. Did you mean {close[0]}?", path)
    listed = ", ".join([*known[:_MAX_NAMES], *(["… (see /docs)"] if len(known) > _MAX_NAMES else [])])
    return BadRequest(f"{message.name} has no field {_cut(path)}. Its fields: {listed or 'none'}.", path)


def _message_at(kind: Descriptor, location: Sequence[int | str]) -> Descriptor:
    """Return the message that a location below `kind` leads to; map keys and list indices stand for their values."""
    for step in location:
        field = kind.fields_by_name.get(str(step)) or kind.fields_by_camelcase_name.get(str(step))
        if field is not None and field.message_type is not None:
            kind = field.message_type
            if kind.GetOptions().map_entry and kind.fields_by_name["value"].message_type is not None:
                kind = kind.fields_by_name["value"].message_type
    return kind


def named(value: Any) -> str:
    """Return a caller's value as a sentence may repeat it."""
    if isinstance(value, str):
        return f'"{_cut(value)}"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else _cut(str(value))


def _cut(text: str, length: int = 60) -> str:
    return text if len(text) <= length else f"{text[:length]}…"
