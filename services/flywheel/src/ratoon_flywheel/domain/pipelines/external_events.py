"""Events of other systems that start runs: which policies expect them, and for how long they wait."""

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ratoon_flywheel.domain.errors import BadEvent, BadPolicy

WAIT = timedelta(days=7)
"""Time for which an event waits for a run."""
MAX_WAITING = 100
"""Events that wait for one policy. A run takes all of them, so that more of them tell it nothing new."""
MAX_READINGS = 1000
"""Readings of connections that wait for one policy; further ones are refused, and their sources stay."""
MAX_FILTERS = 50
MAX_SOURCES = 100
_PREFIX_MARK = "*"
_FIELDS = ("type", "source", "subject")
_MAX_CHARS = {"event_id": 256, "source": 512, "type": 256, "subject": 512}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_ID = re.compile("[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_NAMES = uuid.UUID("6a1cf0f6-5a61-4a0e-9d0b-6f2f1ad3a0b7")


class EventState(StrEnum):
    """State of an external event."""

    WAITING = "WAITING"
    ENDED = "ENDED"
    """A run took it, or it waited too long."""


@dataclass(frozen=True)
class ExternalEvent:
    """Event of another system, without its data; `source` and `event_id` name it."""

    name: str
    create_time: datetime
    update_time: datetime
    event_id: str
    source: str
    type: str
    subject: str = ""
    event_time: datetime | None = None
    """Time that the event states; None: it states none."""
    topic: str = ""
    """Kafka topic from which it was read; empty: it came by HTTP or gRPC."""
    state: EventState = EventState.WAITING
    pipeline_run: str = ""
    """Run that took it; empty: none did."""
    revision: int = 0
    record_count: int = 0
    """Records of the ingestion source that the subject names, if a connection read it; such an event never expires."""

    @property
    def time(self) -> datetime:
        """Return the time that the event states, or else that of its receipt."""
        return self.event_time or self.create_time

    @property
    def ingestion_source(self) -> str:
        """Return the ingestion source of the same project that the subject names; empty if it names none."""
        project = self.name.partition("/externalEvents/")[0]
        parent, _, source = self.subject.rpartition("/")
        return self.subject if parent == f"{project}/sources" and _ID.fullmatch(source) else ""

    def is_waiting(self, now: datetime) -> bool:
        """Return whether a run may take it."""
        return self.state is EventState.WAITING and (self.record_count > 0 or now - self.create_time < WAIT)

    def repeats(self, other: "ExternalEvent") -> bool:
        """Return whether the other one is the same event, received again."""
        fields = ("name", "type", "subject", "event_time")
        return all(getattr(self, field) == getattr(other, field) for field in fields)


@dataclass(frozen=True)
class EventFilter:
    """Condition on an external event: texts that must be equal, or its beginning if they end in `*`; empty: any."""

    type: str = ""
    source: str = ""
    subject: str = ""

    def matches(self, event: ExternalEvent) -> bool:
        """Return whether an event fulfils the condition."""
        return all(_matches(getattr(self, field), getattr(event, field)) for field in _FIELDS)


def _matches(pattern: str, text: str) -> bool:
    if pattern.endswith(_PREFIX_MARK):
        return text.startswith(pattern.removesuffix(_PREFIX_MARK))
    return pattern in ("", text)


def has_ended(_event: ExternalEvent) -> bool:
    """Return True: events are kept for longer than they wait."""
    return True


def event_name(project: str, source: str, event_id: str) -> str:
    """Return the name of an event, which follows from its source and id."""
    return f"{project}/externalEvents/{uuid.uuid5(_NAMES, json.dumps([source, event_id]))}"


def checked_event(event: ExternalEvent) -> ExternalEvent:
    """Return the event; BadEvent names the field that is missing or too long."""
    for field, max_chars in _MAX_CHARS.items():
        text = getattr(event, field)
        if not text and field != "subject":
            raise BadEvent(f"{field} is missing: a CloudEvent has one.", f"external_event.{field}")
        if len(text) > max_chars:
            message = f"{field} has {len(text):,} characters; at most {max_chars} are allowed."
            raise BadEvent(message, f"external_event.{field}")
        if _CONTROL.search(text):
            raise BadEvent(f"{field} contains a control character.", f"external_event.{field}")
    return event


def check_filters(filters: Sequence[EventFilter]) -> None:
    """Raise BadPolicy if there are too many filters, or one that is empty or too long."""
    if len(filters) > MAX_FILTERS:
        raise BadPolicy(f"{len(filters)} event filters are too many; at most {MAX_FILTERS}.", "event_filters")
    for each in filters:
        if not (each.type or each.source):
            raise BadPolicy("Each event filter needs a type or a source; `*` matches any.", "event_filters")
        if any(len(getattr(each, field)) > _MAX_CHARS[field] for field in _FIELDS):
            raise BadPolicy("A text of an event filter is longer than any event may have.", "event_filters")
