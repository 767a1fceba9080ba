"""JSON bodies held against the message that they are to become, so that each fault is named in plain words.

Owns the sentences about unknown fields, unknown enum values and values of another type. Knows no service.
"""

import difflib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from ratoon_gateway.domain.errors import BadRequest

_WHOLE = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_LARGEST_REAL = sys.float_info.max
_REAL = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
_OPEN = "google.protobuf."
"""Messages of this package have JSON forms of their own, which their parser checks."""
_NAMED_FIELDS = 12
"""More field names than this are not listed in one sentence."""


def check(kind: Descriptor, body: Mapping[str, Any], path: str = "") -> None:
    """Raise BadRequest, naming the field, for the first part of `body` that a message of `kind` cannot hold."""
    fields = {name: field for field in kind.fields for name in (field.json_name, field.name)}
    for name, value in body.items():
        field = fields.get(name)
        if (
            field is not None
            and field.name != field.json_name
            and {field.name, field.json_name} <= body.keys()
        ):
            raise BadRequest(f"{field.json_name} is given twice, as {field.name} too.", field=field.json_name)
        own = field.json_name if field else name
        here = f"{path}.{own}" if path else own
        if field is None:
            raise BadRequest(_unknown(kind, name, here), field=here)
        if value is not None:
            _check_field(field, value, here)


def _check_field(field: FieldDescriptor, value: Any, path: str) -> None:
    if (entry := _map_entry(field)) is not None:
        for key, each in _object(value, path).items():
            _check_value(entry.fields_by_name["value"], each, f"{path}.{key}")
    elif field.is_repeated:
        if not isinstance(value, list):
            raise BadRequest(f"{path} must be a list, not {_named(value)}.", field=path)
        for place, each in enumerate(value):
            _check_value(field, each, f"{path}[{place}]")
    else:
        _check_value(field, value, path)


def _check_value(field: FieldDescriptor, value: Any, path: str) -> None:
    if field.message_type is not None:
        if not field.message_type.full_name.startswith(_OPEN):
            check(field.message_type, _object(value, path), path)
    elif field.enum_type is not None:
        _check_enum(field.enum_type, value, path)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if not isinstance(value, bool):
            raise BadRequest(f"{path} must be true or false, not {_named(value)}.", field=path)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        if not isinstance(value, str):
            raise BadRequest(f"{path} must be a string, not {_named(value)}.", field=path)
    else:
        _check_number(field, value, path)


def _check_enum(kind: EnumDescriptor, value: Any, path: str) -> None:
    known = [each.name for each in kind.values]
    if isinstance(value, int) and not isinstance(value, bool) and value in kind.values_by_number:
        return
    if value in known:
        return
    offered = ", ".join(name for name in known if not name.endswith("_UNSPECIFIED"))
    raise BadRequest(f"{path} cannot be {_named(value)}; it is one of {offered}.", field=path)


def _check_number(field: FieldDescriptor, value: Any, path: str) -> None:
    wanted = "a number" if field.cpp_type in _REAL else "a whole number"
    number = _number(value)
    if number is None:
        raise BadRequest(f"{path} must be {wanted}, not {_named(value)}.", field=path)
    if field.cpp_type in _REAL:
        if not abs(number) <= _LARGEST_REAL:
            raise BadRequest(f"{path} must be a finite number.", field=path)
        return
    least, most = _WHOLE[field.cpp_type]
    if isinstance(number, float) and not number.is_integer():
        raise BadRequest(f"{path} must be a whole number, not {_named(value)}.", field=path)
    if not least <= number <= most:
        raise BadRequest(f"{path} must lie between {least} and {most}.", field=path)


def _number(value: Any) -> int | float | None:
    """A JSON number, or one written as text (so 64-bit numbers travel); None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return value
    if not value.isascii() or "_" in value or value != value.strip():
        return None
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return None


def _object(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"{path} must be an object, not {_named(value)}.", field=path)
    return value


def _map_entry(field: FieldDescriptor) -> Descriptor | None:
    """The message of a map's entries; None for a field that is no map."""
    kind = field.message_type
    return kind if kind is not None and kind.GetOptions().map_entry else None


def _unknown(kind: Descriptor, name: str, path: str) -> str:
    known = [field.json_name for field in kind.fields]
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"{kind.name} has no field {_shown(path)}. Did you mean {close[0]}?"
    listed = ", ".join(_listed(known)) or "none"
    return f"{kind.name} has no field {_shown(path)}. Its fields: {listed}."


def _listed(names: list[str]) -> Iterator[str]:
    yield from names[:_NAMED_FIELDS]
    if len(names) > _NAMED_FIELDS:
        yield "… (see /docs)"


def _named(value: Any) -> str:
    if isinstance(value, str):
        return f'"{_shown(value)}"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else _shown(str(value))


def _shown(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
