"""CloudEvents 1.0 in the binary mode of its Kafka binding, protobuf payload. It knows no payload.

The key is the resource's name; `ce_revision` is our extension: the revision of that resource after the event.
"""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ratoon.events.ports import MalformedEvent, Record

CONTENT_TYPE = "application/protobuf"
_SPEC_VERSION = "1.0"


@dataclass(frozen=True)
class Event:
    """Something that happened to a resource."""

    topic: str
    type: str
    """Full name of the event's message, `ratoon.registry.v1.ModelVersionRegistered`."""
    source: str
    """Source of the event: the service."""
    subject: str
    """The resource's name; also the key that orders events."""
    time: datetime
    data: bytes
    """The topic's envelope message, serialised."""
    revision: int = 0
    """Of the resource, after the event; 0 for a resource without revisions."""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    traceparent: str = ""

    def record(self) -> Record:
        """The event as it goes over the wire."""
        texts = {
            "ce_specversion": _SPEC_VERSION,
            "ce_id": self.id,
            "ce_type": self.type,
            "ce_source": self.source,
            "ce_subject": self.subject,
            "ce_time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "ce_revision": str(self.revision),
            "content-type": CONTENT_TYPE,
        }
        if self.traceparent:
            texts["traceparent"] = self.traceparent
        headers = tuple((name, text.encode()) for name, text in texts.items())
        return Record(self.topic, self.subject.encode(), self.data, headers)


def event_of(record: Record) -> Event:
    """The event in a record; MalformedEvent says what is wrong with it."""
    headers = _texts(record)
    missing = [name for name in ("ce_id", "ce_type", "ce_source", "ce_time") if not headers.get(name)]
    if missing:
        raise MalformedEvent(f"A record of {record.topic} has no header {', '.join(missing)}.")
    if headers.get("ce_specversion") != _SPEC_VERSION:
        raise MalformedEvent(f"A record of {record.topic} is not CloudEvents {_SPEC_VERSION}.")
    if headers.get("content-type") != CONTENT_TYPE:
        raise MalformedEvent(f"A record of {record.topic} is not {CONTENT_TYPE}.")
    try:
        return Event(
            topic=record.topic,
            type=headers["ce_type"],
            source=headers["ce_source"],
            subject=headers.get("ce_subject") or record.key.decode(),
            time=datetime.fromisoformat(headers["ce_time"]),
            data=record.value,
            revision=int(headers.get("ce_revision", "0")),
            id=headers["ce_id"],
            traceparent=headers.get("traceparent", ""),
        )
    except ValueError as error:
        raise MalformedEvent(f"A record of {record.topic} has a header that cannot be read.") from error


def _texts(record: Record) -> dict[str, str]:
    try:
        return {name: value.decode() for name, value in record.headers}
    except UnicodeDecodeError as error:
        raise MalformedEvent(f"A record of {record.topic} has a header that is not UTF-8.") from error
