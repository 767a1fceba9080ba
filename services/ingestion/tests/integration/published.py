"""Events that ingestion published to the embedded log."""

import time
from contextlib import closing
from pathlib import Path

from google.protobuf.message import Message

from ratoon.events.cloudevents import Event, event_of
from ratoon.events.embedded import EmbeddedLog
from ratoon.process.clock import SystemClock
from ratoon.service.events import topic_of

_TIMEOUT_S = 20.0


def published(state: Path, envelope: type[Message], subject: str, count: int) -> list[Event]:
    """Return the events of a resource once there are at least `count`, in their order."""
    topic, deadline = topic_of(envelope), time.monotonic() + _TIMEOUT_S
    with closing(EmbeddedLog(state / "events", SystemClock())) as log:
        while True:
            events = [
                event_of(delivery.record)
                for partition, offsets in log.bounds(topic).items()
                for delivery in log.read(partition, offsets)
            ]
            mine = [event for event in events if event.subject == subject]
            if len(mine) >= count:
                return mine
            assert time.monotonic() < deadline, f"{len(mine)} of {count} events of {subject}"
            time.sleep(0.05)
