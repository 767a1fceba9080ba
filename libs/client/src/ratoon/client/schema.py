"""Schema of the API: the methods of each resource, and the messages and enums that they take and return.

The command line and the documentation are made from it.
"""

from ratoon.client._generated.schema import ENUMS, MESSAGES, METHODS
from ratoon.client._schema import EnumValue, Field, Message, Method

__all__ = [
    "ENUMS",
    "MESSAGES",
    "METHODS",
    "EnumValue",
    "Field",
    "Message",
    "Method",
    "find_method",
    "json_name",
]


def find_method(resource: str, name: str) -> Method | None:
    """Return a method of a resource; None if the resource has no such method."""
    return next((each for each in METHODS if (each.resource, each.name) == (resource, name)), None)


def json_name(name: str) -> str:
    """Return the name of a field in JSON: `createTime` for `create_time`."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
