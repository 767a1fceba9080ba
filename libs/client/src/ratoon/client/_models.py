"""Base classes of the generated models, and the proto3 JSON forms of times, durations, bytes and 64-bit integers."""

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from ratoon.client._omit import Omit


def json_name(name: str) -> str:
    """Return the name of a field in proto3 JSON: `createTime` for `create_time`."""
    return re.sub(r"_(.)", lambda match: match.group(1).upper(), name)


class Message(BaseModel):
    """Message of the API. Fields of a newer server that this version does not know are kept."""

    model_config = ConfigDict(
        alias_generator=json_name,
        populate_by_name=True,
        extra="allow",
        protected_namespaces=(),
        defer_build=True,
    )

    def to_json(self) -> dict[str, Any]:
        """Return the message as JSON: the fields that were set, with the names of the wire."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class OpenEnum(StrEnum):
    """Enum whose members are the names on the wire. A value of a newer server becomes a member of its own."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member


def encode(value: object) -> Any:
    """Return a value as proto3 JSON: of a model, the fields that were set."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, datetime):
        return _timestamp(value)
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {key: encode(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [encode(each) for each in value]
    return value


def present(fields: Mapping[str, object]) -> dict[str, Any]:
    """Return the fields that are not None, as proto3 JSON."""
    return {name: encode(value) for name, value in fields.items() if value is not None}


def changes(fields: Mapping[str, object]) -> dict[str, Any]:
    """Return the fields that are not omitted, as proto3 JSON. None clears a field."""
    return {name: encode(value) for name, value in fields.items() if not isinstance(value, Omit)}


def _timestamp(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone; use datetime.now(UTC) or .astimezone().")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _duration(value: timedelta) -> str:
    return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"


def _read_duration(value: object) -> object:
    return timedelta(seconds=float(value[:-1])) if isinstance(value, str) and value.endswith("s") else value


def _read_bytes(value: object) -> object:
    return base64.b64decode(value) if isinstance(value, str) else value


Int64 = Annotated[int, PlainSerializer(str, when_used="json")]
Timestamp = Annotated[AwareDatetime, PlainSerializer(_timestamp, when_used="json")]
Duration = Annotated[timedelta, BeforeValidator(_read_duration), PlainSerializer(_duration, when_used="json")]
Bytes = Annotated[
    bytes,
    BeforeValidator(_read_bytes),
    PlainSerializer(lambda value: base64.b64encode(value).decode(), when_used="json"),
]
