"""Times of the domain as protobuf timestamps and back."""

from datetime import UTC, datetime
from typing import overload

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


@overload
def timestamp(time: datetime) -> Timestamp: ...


@overload
def timestamp(time: None) -> None: ...


@overload
def timestamp(time: datetime | None) -> Timestamp | None: ...


def timestamp(time: datetime | None) -> Timestamp | None:
    """Return the protobuf timestamp of a time, or None for None; a time without a zone is UTC."""
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def time_of(message: Message, field: str) -> datetime | None:
    """Return the UTC time in this field of a message, or None if the field is not set."""
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(UTC)
