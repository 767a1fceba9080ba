"""Fields of messages that callers of low roles do not see, such as digests of blobs that hold sealed records."""

from collections.abc import Callable, Collection
from typing import TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ratoon.security.identity import Role, caller

R = TypeVar("R")
M = TypeVar("M", bound=Message)


def restricted(convert: Callable[[R], M], fields: Collection[str], role: Role) -> Callable[[R], M]:
    """Return a conversion to messages in which callers below a role miss fields of these names, at any depth."""

    def converted(resource: R) -> M:
        message = convert(resource)
        if caller().role < role:
            _clear(message, fields)
        return message

    return converted


def _clear(message: Message, fields: Collection[str]) -> None:
    for field, value in message.ListFields():
        if field.name in fields:
            message.ClearField(field.name)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and not _is_map(field):
            for each in value if field.is_repeated else (value,):
                _clear(each, fields)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
