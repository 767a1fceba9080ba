"""Links of parity certificates as protobuf and back."""

from datetime import datetime
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict

from ratoon.common.v1 import parity_pb2
from ratoon.tasks.parity import Link, document, link_of

_PREFIXES = {"step": "STEP_", "verdict": "VERDICT_"}
_UNSET = "UNSPECIFIED"


def link_message(link: Link) -> parity_pb2.ParityLink:
    """Return the message of a link."""
    written = document(link)
    for field, prefix in _PREFIXES.items():
        written[field] = f"{prefix}{written[field]}"
    return ParseDict(written, parity_pb2.ParityLink(), ignore_unknown_fields=True)


def link_of_message(message: parity_pb2.ParityLink) -> Link:
    """Return the link of a message; ValueError if step or verdict is not set."""
    written: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    for field, prefix in _PREFIXES.items():
        written[field] = written.get(field, _UNSET).removeprefix(prefix)
    return link_of(written)


def measured_at(time: datetime) -> str:
    """Return the time of a measurement as links state it: RFC 3339 in UTC."""
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
