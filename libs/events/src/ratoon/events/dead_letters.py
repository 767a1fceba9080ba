"""Dead letters: events that a group could not handle, parked once in a topic of their own, with the reason.

The reason names the error and, where the error is one of ours, its sentence: texts of foreign errors may
quote a person's data, and what is in a log cannot be erased.
"""

import re
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ratoon.events.cloudevents import event_of
from ratoon.events.ports import DEAD_LETTERS, Delivery, EventLog, MalformedEvent, Record

_PREFIX = "ratoon_dead_"


@dataclass(frozen=True)
class DeadLetter:
    """An event that one group could not handle."""

    event_id: str
    group: str
    reason: str
    """UPPER_SNAKE for errors of ours, else the name of the error's class."""
    message: str
    attempts: int
    time: datetime
    place: str
    """Position of the event: `topic/partition/offset`."""
    record: Record
    """The event as it was, of its own topic: what `replay` takes."""


def place_of(delivery: Delivery) -> str:
    """Return the position of a record in the log."""
    return f"{delivery.partition.topic}/{delivery.partition.number}/{delivery.offset}"


def identity_of(delivery: Delivery) -> str:
    """The event's id, or its place when it is no event."""
    return delivery.record.header("ce_id") or place_of(delivery)


def dead_letter(delivery: Delivery, group: str, error: Exception, attempts: int, now: datetime) -> Record:
    """The record to be published to the dead-letter topic."""
    notes = {
        "group": group,
        "reason": _reason(error) or type(error).__name__,
        "message": _message(error),
        "attempts": str(attempts),
        "time": now.astimezone(UTC).isoformat(),
        "place": place_of(delivery),
        "id": identity_of(delivery),
    }
    headers = tuple((_PREFIX + name, text.encode()) for name, text in notes.items())
    record = delivery.record
    return Record(record.topic + DEAD_LETTERS, record.key, record.value, record.headers + headers)


def dead_letters(log: EventLog, topic: str) -> list[DeadLetter]:
    """The dead letters of a topic, the latest of each event and group, oldest first."""
    latest = {}
    for delivery in log.scan(topic + DEAD_LETTERS):
        letter = _letter(delivery.record, topic)
        latest[letter.group, letter.event_id] = letter
    return sorted(latest.values(), key=lambda letter: letter.time)


def replayable(letter: DeadLetter) -> bool:
    """Return whether it is an event at all."""
    try:
        event_of(letter.record)
    except MalformedEvent:
        return False
    return True


def _letter(record: Record, topic: str) -> DeadLetter:
    headers = tuple((name, value) for name, value in record.headers if not name.startswith(_PREFIX))
    return DeadLetter(
        event_id=record.header(_PREFIX + "id"),
        group=record.header(_PREFIX + "group"),
        reason=record.header(_PREFIX + "reason"),
        message=record.header(_PREFIX + "message"),
        attempts=int(record.header(_PREFIX + "attempts") or 0),
        time=datetime.fromisoformat(record.header(_PREFIX + "time")),
        place=record.header(_PREFIX + "place"),
        record=Record(topic, record.key, record.value, headers),
    )


def _reason(error: Exception) -> str:
    """The stable reason of an exception of ours; others may have a `reason` in words of their own."""
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, str) and re.fullmatch(r"[A-Z][A-Z0-9_]*", reason) else ""


def _message(error: Exception) -> str:
    if _reason(error):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    return f"{type(error).__name__} in {Path(frames[-1].filename).name}, line {frames[-1].lineno}"
