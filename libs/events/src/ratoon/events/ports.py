"""Ports of an event log, whichever one it is. No log offers here what Apache Kafka cannot do.

EventLogError
├── LogUnavailable   the broker or the file is away: nothing is lost, try again
├── UnknownTopic     the topic does not exist
├── Fenced           another consumer of the group has taken over
├── RecordRefused    a record that this log will never take
└── MalformedEvent   a record that is no CloudEvent
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple, Protocol

DAY_S = 86_400.0
MAX_RECORD_BYTES = 900_000
DEAD_LETTERS = ".dead-letters"


class EventLogError(Exception):
    """Something about the event log; each kind has a gRPC code and a stable reason."""

    code = "INTERNAL"
    reason = "EVENT_LOG"


class LogUnavailable(EventLogError):
    """The log is away for now; what was to be appended waits in its outbox."""

    code, reason = "UNAVAILABLE", "EVENT_LOG_UNAVAILABLE"


class UnknownTopic(EventLogError):
    """The topic has not been created."""

    code, reason = "NOT_FOUND", "UNKNOWN_TOPIC"


class Fenced(EventLogError):
    """This consumer no longer holds its partitions; another one will handle the records again."""

    code, reason = "ABORTED", "CONSUMER_FENCED"


class RecordRefused(EventLogError):
    """The record is too large or has no key."""

    code, reason = "INVALID_ARGUMENT", "RECORD_REFUSED"


class MalformedEvent(EventLogError):
    """The record's headers are not those of a CloudEvent."""

    code, reason = "INVALID_ARGUMENT", "MALFORMED_EVENT"


class Clock(Protocol):
    """The two times; any clock of `ratoon.process` will do."""

    def now(self) -> datetime:
        """Wall-clock time in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since the machine booted, the same for every process of it."""
        ...


@dataclass(frozen=True)
class Topic:
    """A topic to be created: its partitions, and how long and how much it keeps of each partition."""

    name: str
    partitions: int = 4
    retention_s: float = 7 * DAY_S
    retention_bytes: int = 256 << 20

    def dead_letters(self) -> "Topic":
        """The topic of what could not be handled."""
        return replace(self, name=self.name + DEAD_LETTERS, partitions=1, retention_s=4 * self.retention_s)


@dataclass(frozen=True)
class Record:
    """A message as it goes over the wire; records of one key keep their order."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()

    def header(self, name: str) -> str:
        """A header's text, or nothing."""
        return next((value.decode("utf-8", "replace") for each, value in self.headers if each == name), "")


class Partition(NamedTuple):
    """One ordered part of a topic."""

    topic: str
    number: int


@dataclass(frozen=True)
class Delivery:
    """A record read from the log and where it stands there."""

    partition: Partition
    offset: int
    time: datetime
    record: Record
    is_tombstone: bool = False
    """Whether the record has no value: it deletes the earlier ones of its key."""


class Subscription(Protocol):
    """One consumer of a group, for one thread. A partition is read by one consumer of a group at a time."""

    def poll(
        self, timeout_s: float, max_records: int = 500, held: Collection[Partition] = ()
    ) -> Sequence[Delivery]:
        """The next records, in order within each partition, none of those held; empty after the timeout."""
        ...

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Remember the group's next offset of each partition; Fenced when another consumer has taken over."""
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Read this partition from here on; nothing happens when it belongs to another consumer now."""
        ...

    def lag(self) -> int:
        """Return how many records of its partitions remain to be read, as far as known; on the thread that polls."""
        ...

    def end_polls(self) -> None:
        """Let the poll in progress and later ones end early, at the latest after their timeout; on any thread."""
        ...

    def close(self) -> None:
        """Leave the group, so that another consumer can go on at once."""
        ...


class EventLog(Protocol):
    """Topics of records. Every blocking call is bounded, and safe on any thread."""

    def create_topics(self, topics: Collection[Topic]) -> None:
        """Create those that do not exist; the others stay as they are."""
        ...

    def append(self, records: Sequence[Record]) -> None:
        """Append durably, in order within each key, each once however often the log itself tries again."""
        ...

    def subscribe(self, group: str, topics: Collection[str]) -> Subscription:
        """Join a group, which starts at the oldest record. Connects nothing before the first poll."""
        ...

    def scan(self, topic: str) -> Iterator[Delivery]:
        """All records that the topic has now, outside any group."""
        ...

    def bounds(self, topic: str) -> Mapping[Partition, range]:
        """The offsets that each partition of the topic has now; between them some may be missing."""
        ...

    def read(self, partition: Partition, offsets: range) -> Iterator[Delivery]:
        """The committed records of a partition at these offsets, outside any group."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def with_dead_letters(topics: Collection[Topic]) -> list[Topic]:
    """These topics and the dead-letter topic of each."""
    return [each for topic in topics for each in (topic, topic.dead_letters())]


def checked(record: Record) -> Record:
    """The record, or RecordRefused: it needs a key, and its size has a bound that every log takes."""
    size = len(record.key) + len(record.value) + sum(len(name) + len(value) for name, value in record.headers)
    if not record.key:
        raise RecordRefused(f"A record for {record.topic} has no key; use the name of its resource.")
    if size > MAX_RECORD_BYTES:
        raise RecordRefused(
            f"A record for {record.topic} has {size:,} bytes, more than {MAX_RECORD_BYTES:,}: send a digest."
        )
    return record
