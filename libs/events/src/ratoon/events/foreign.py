"""CloudEvents 1.0 of other systems: structured JSON, and both modes of the Kafka binding, read strictly.

Owns the attributes and what is wrong with them. The data of an event is not read; it knows no service.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ratoon.events.ports import MalformedEvent, Record

SPEC_VERSION = "1.0"
STRUCTURED = "application/cloudevents+json"
MAX_BYTES = 256 << 10
"""Largest event, in bytes, its data included; every receiver of CloudEvents takes 64 KiB."""
_MAX_CHARS = {"id": 256, "source": 512, "type": 256, "subject": 512}
_PREFIX = "ce_"
_NAME = re.compile(r"[a-z0-9]+")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,12})?([Zz]|[+-]\d\d:\d\d)")
_DATA = ("data", "data_base64")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef]")
"""Control characters, halves of characters, and noncharacters, but for the last two of each plane."""


class TooLarge(MalformedEvent):
    """The event has more bytes than a receiver takes."""

    code, reason = "RESOURCE_EXHAUSTED", "EVENT_TOO_LARGE"


@dataclass(frozen=True)
class ForeignEvent:
    """Attributes of a CloudEvent; `source` and `id` name it."""

    id: str
    source: str
    type: str
    subject: str = ""
    time: datetime | None = None
    """UTC; None: the event has none."""


def from_json(body: bytes) -> ForeignEvent:
    """Return the event of a body in structured mode; MalformedEvent says what is wrong, TooLarge if it is too large."""
    _check_size(len(body))
    return from_attributes(_attributes(body))


def from_record(record: Record) -> ForeignEvent:
    """Return the event in a Kafka record, in structured or in binary mode; MalformedEvent says what is wrong."""
    _check_size(len(record.value) + sum(len(name) + len(value or b"") for name, value in record.headers))
    headers = _headers(record)
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == STRUCTURED:
        return from_attributes(_attributes(record.value))
    if content_type.startswith("application/cloudevents"):
        raise MalformedEvent(f"The event format {content_type!r} is not supported; send {STRUCTURED}.")
    names = {name.removeprefix(_PREFIX): text for name, text in headers.items() if name.startswith(_PREFIX)}
    return from_attributes(names)


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise TooLarge(
            f"The event has {size:,} bytes, more than {MAX_BYTES:,}: send a reference to the data."
        )


def _attributes(body: bytes) -> dict[str, Any]:
    """Return the members of a JSON object; each may occur once."""
    try:
        read = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except MalformedEvent:
        raise
    except (ValueError, RecursionError):
        raise MalformedEvent("The event is not JSON in UTF-8.") from None
    if not isinstance(read, dict):
        raise MalformedEvent("The event must be a JSON object; batches are not supported.")
    if all(name in read for name in _DATA):
        raise MalformedEvent("The event has both data and data_base64; send one of them.")
    return {name: value for name, value in read.items() if name not in _DATA and value is not None}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise MalformedEvent("The event is a JSON object that has a member twice.")
    return members


def _no_constant(name: str) -> None:
    raise MalformedEvent(f"The event is not JSON: {name} is not a JSON number.")


def _headers(record: Record) -> dict[str, str]:
    """Return the headers of a record that an event may have; each may occur once. Others are left out."""
    headers: dict[str, str] = {}
    for name, value in record.headers:
        lowered = name.lower()
        if not lowered.startswith(_PREFIX) and lowered != "content-type":
            continue
        if lowered in headers:
            raise MalformedEvent(f"The record has the header {lowered!r:.100} twice.")
        try:
            headers[lowered] = (value or b"").decode()
        except UnicodeDecodeError:
            raise MalformedEvent(f"The header {lowered!r:.100} is not UTF-8.") from None
    return headers


def from_attributes(attributes: Mapping[str, Any]) -> ForeignEvent:
    """Return the event of these attributes; MalformedEvent says what is wrong."""
    version = attributes.get("specversion")
    if version != SPEC_VERSION:
        stated = "no specversion" if version is None else f"the specversion {version!r:.100}"
        raise MalformedEvent(f"The event has {stated}; only CloudEvents {SPEC_VERSION} are supported.")
    for name in attributes:
        if not _NAME.fullmatch(name):
            raise MalformedEvent(f"{name!r:.100} is no name of an attribute: use a to z and 0 to 9.")
    text = {name: _text(attributes, name, max_chars) for name, max_chars in _MAX_CHARS.items()}
    for name in ("id", "source", "type"):
        if not text[name]:
            raise MalformedEvent(f"The event has no {name}.")
    return ForeignEvent(**text, time=_time(attributes.get("time")))


def _text(attributes: Mapping[str, Any], name: str, max_chars: int) -> str:
    value = attributes.get(name, "")
    if not isinstance(value, str):
        raise MalformedEvent(f"{name} must be a text.")
    if len(value) > max_chars:
        raise MalformedEvent(f"{name} has {len(value):,} characters, more than {max_chars}.")
    if _FORBIDDEN.search(value) or any(ord(each) & 0xFFFE == 0xFFFE for each in value):
        raise MalformedEvent(f"{name} contains a control character, half of a character, or a noncharacter.")
    return value


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        if isinstance(value, str) and _TIME.fullmatch(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise MalformedEvent(f"time must be a timestamp of RFC 3339 with its offset, not {value!r:.100}.")
