"""Types of the schema of the API: what `ratoon.client.schema` describes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """Field of a message or parameter of a method.

    `kind` is `string`, `bool`, `integer`, `number`, `bytes`, `time` or `duration`, or the name of a message or an enum;
    of a map, it is that of its values. `key` is the kind of the keys of a map, empty for another field.
    """

    name: str
    kind: str
    comment: str
    repeated: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """Message of the API."""

    name: str
    comment: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class EnumValue:
    """Value of an enum: its name in Python (`CSV`), its name in JSON (`FORMAT_CSV`), its meaning."""

    name: str
    value: str
    comment: str


@dataclass(frozen=True, slots=True)
class Method:
    """Method of a resource of the client (`client.<resource>.<name>`), with its RPC and HTTP path.

    `arguments` are the parameters in the path, `fields` the others. `message` is the message of the resource in the
    body; `items` is the message of a listing's items, `result` that of another answer. Empty where there is none.
    """

    resource: str
    name: str
    service: str
    rpc: str
    http: str
    path: str
    role: str
    comment: str
    arguments: tuple[Field, ...]
    fields: tuple[Field, ...]
    message: str = ""
    items: str = ""
    result: str = ""
    can_wait: bool = False
