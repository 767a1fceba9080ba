"""Connections: places that are read again and again, and the state machine of their readings.

    IDLE → READING → IDLE                (nothing new, or an error)
                   ↘ STORING → IDLE

A worker reads from a position and returns blobs and the next position. Both are stored before sources are created from
the blobs, and the position moves only once all of them exist. The names of the sources follow from the position at
which the reading began, so that a repetition after a crash creates none twice.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import isfinite
from typing import Any

from ratoon.operations.job_machine import MAX_ATTEMPTS, Action, Failure, JobObservation, Phase
from ratoon_ingestion.domain.endpoints import checked_url
from ratoon_ingestion.domain.errors import BadConnection
from ratoon_ingestion.domain.schedules import Schedule
from ratoon_ingestion.domain.sources import ARCHIVE_DEPTH, Columns, Format, SampleBy, Source

CHANGEABLE = (
    "display_name",
    "pattern",
    "overlap",
    "licence",
    "consent",
    "domain",
    "schedule",
    "max_items",
    "max_bytes",
    "paused",
    "query",
    "columns",
    "format",
    "encoding",
    "vanished",
)
"""What an update may change."""
_MAX_ITEMS, _MAX_BYTES = 100_000, 8 << 30
_MAX_CHARS = {
    "pattern": 1000,
    "query": 20_000,
    "cursor_column": 200,
    "key_column": 200,
    "consent": 1000,
    "domain": 100,
}
_OF_SQL = ("query", "cursor_column", "key_column")
_ID_CHARS = 46
"""Characters of the connection's ID in the names of its sources, which have 16 more."""
FIRST_RETRY_S, MAX_RETRY_S = 10.0, 3600.0
"""Seconds from an error to the next scheduled reading: they double with each error in a row, up to the second."""
MAX_DEAD_LETTERS = 10_000
"""Dead letters that a connection keeps; the oldest readings' are forgotten first."""
POLL_INTERVAL_S = 0.5
IDLE_INTERVAL = timedelta(hours=1)


class ConnectionKind(StrEnum):
    """Kind of the place."""

    FSSPEC = "FSSPEC"
    SQL = "SQL"
    KAFKA = "KAFKA"


class ConnectionState(StrEnum):
    """State of a connection."""

    IDLE = "IDLE"
    READING = "READING"
    STORING = "STORING"


class Vanished(StrEnum):
    """What becomes of records whose object, row or message vanishes from the place or is replaced there."""

    KEEP = "keep"
    WITHDRAW = "withdraw"


@dataclass(frozen=True)
class Withdrawn:
    """Withdrawn items of a blob: its name, the digest of their list, their number, and how many are new in it."""

    blob: str
    digest: str
    count: int = 0
    added: int = 0


@dataclass(frozen=True)
class DeadLetters:
    """Messages of one reading that gave no record."""

    digest: str
    count: int
    reading: int


@dataclass(frozen=True)
class Blob:
    """Data of one source: digest, number of records, and the name of the object if it is one."""

    digest: str
    records: int = 0
    title: str = ""


@dataclass(frozen=True)
class ReadingResult:
    """Result of a worker's reading."""

    cursor: str
    """Digest of the next position."""
    blobs: tuple[Blob, ...] = ()
    position: str = ""
    listed: int = 0
    taken: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    size_bytes: int = 0
    notes: tuple[str, ...] = ()
    more: bool = False
    vanished: int = 0
    withdrawn: tuple[Withdrawn, ...] = ()
    dead_letters: str = ""
    dead_letter_count: int = 0


@dataclass(frozen=True)
class Reading:
    """A reading that ended well."""

    number: int
    start_time: datetime
    end_time: datetime
    sources: tuple[str, ...] = ()
    record_count: int = 0
    listed_count: int = 0
    taken_count: int = 0
    skipped_counts: Mapping[str, int] = field(default_factory=dict)
    size_bytes: int = 0
    notes: tuple[str, ...] = ()
    more: bool = False
    vanished_count: int = 0
    withdrawn_count: int = 0
    dead_letter_count: int = 0


@dataclass(frozen=True)
class Connection:
    """A place, how it is read, and how far it was read."""

    name: str
    create_time: datetime
    update_time: datetime
    kind: ConnectionKind
    url: str
    display_name: str = ""
    pattern: str = ""
    query: str = ""
    cursor_column: str = ""
    key_column: str = ""
    overlap: float = 0.0
    format: Format = Format.JSONL
    labels_by_folder: Mapping[str, str] = field(default_factory=dict)
    columns: Columns = field(default_factory=Columns)
    encoding: str = ""
    sample_by: SampleBy = SampleBy.LINE
    licence: str = ""
    consent: str = ""
    domain: str = ""
    schedule: Schedule = field(default_factory=Schedule)
    max_items: int = 10_000
    max_bytes: int = 256 << 20
    paused: bool = False
    state: ConnectionState = ConnectionState.IDLE
    read_requested: bool = False
    reading_number: int = 0
    """Number of the last reading that was begun."""
    attempts: int = 0
    """Starts of the job of the current reading."""
    start_time: datetime | None = None
    """Begin of the current reading."""
    result: ReadingResult | None = None
    """What the current reading gave, while sources are created from it."""
    cursor: str = ""
    """Digest of the position up to which the place was read; empty: nothing was read."""
    position: str = ""
    """The position for people."""
    last_reading: Reading | None = None
    failure: Failure = field(default_factory=Failure)
    failure_time: datetime | None = None
    failures: int = 0
    """Number of readings in a row that failed."""
    next_read_time: datetime | None = None
    record_count: int = 0
    revision: int = 0
    vanished: Vanished = Vanished.KEEP
    withdrawn_count: int = 0
    dead_letters: tuple[DeadLetters, ...] = ()
    replay_requested: bool = False
    replays: bool = False
    """True if the current reading is one of the dead letters."""

    @property
    def etag(self) -> str:
        """The mark of what can be changed: equal exactly when that is."""
        settings = tuple(getattr(self, field) for field in CHANGEABLE)
        return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ConnectionRead:
    """A reading created sources."""

    sources: tuple[str, ...]
    record_counts: tuple[int, ...]
    domain: str = ""


@dataclass(frozen=True)
class ConnectionFailed:
    """A reading failed."""

    reason: str


@dataclass(frozen=True)
class ConnectionObservation:
    """State of the job of a reading, and whether all of its sources exist."""

    job: JobObservation[ReadingResult] = field(default_factory=lambda: JobObservation(Phase.ABSENT))
    stored: bool = False


def checked(connection: Connection) -> Connection:
    """Return the connection with its address in canonical form; BadConnection if its settings do not fit."""
    for name, max_chars in _MAX_CHARS.items():
        if len(getattr(connection, name)) > max_chars:
            raise BadConnection(f"{name} is too long; at most {max_chars:,} characters.")
    for name, max_value in (("max_items", _MAX_ITEMS), ("max_bytes", _MAX_BYTES)):
        if not 1 <= getattr(connection, name) <= max_value:
            raise BadConnection(f"{name} must be from 1 to {max_value:,}.")
    if not (isfinite(connection.overlap) and connection.overlap >= 0):
        raise BadConnection("overlap must be 0 or more.")
    _check_kind(connection)
    return replace(connection, url=checked_url(connection.url))


def _check_kind(connection: Connection) -> None:
    if connection.kind is ConnectionKind.SQL:
        missing = [name for name in _OF_SQL if not getattr(connection, name)]
        if missing:
            raise BadConnection(f"A connection of the kind SQL needs {', '.join(missing)}.")
        if ";" in connection.query:
            raise BadConnection("query may not contain `;`: it is one SELECT statement.")
    elif given := [name for name in (*_OF_SQL, "overlap") if getattr(connection, name)]:
        raise BadConnection(f"{', '.join(given)} can only be set for a connection of the kind SQL.")
    if connection.kind is not ConnectionKind.FSSPEC and connection.pattern:
        raise BadConnection("pattern can only be set for a connection of the kind FSSPEC.")


def changed(connection: Connection, changes: Mapping[str, Any], now: datetime) -> Connection:
    """Return the connection with other settings; its next reading follows a new schedule."""
    after = checked(replace(connection, **changes))
    if after.schedule == connection.schedule:
        return after
    last = connection.last_reading
    next_time = after.schedule.next_after(now if last is None or after.schedule.cron else last.end_time)
    return replace(after, next_read_time=next_time)


def begun(connection: Connection) -> Connection:
    """Return a new connection: its first reading is due if it has a schedule."""
    has_schedule = connection.schedule != Schedule()
    return replace(connection, next_read_time=connection.create_time if has_schedule else None)


def reading_name(connection: Connection) -> str:
    """Return the name of the current reading, from which the names of its blobs follow."""
    key = json.dumps([connection.name, connection.create_time.isoformat(), connection.reading_number])
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def source_names(connection: Connection, result: ReadingResult) -> tuple[str, ...]:
    """Return the names of the sources of a reading, which follow from the position at which it began.

    A replay of dead letters does not move the position: the names of its sources follow from its number.
    """
    project, _, connection_id = connection.name.rpartition("/connections/")
    names = []
    for number in range(len(result.blobs)):
        key = [connection.name, connection.create_time.isoformat(), connection.cursor, result.cursor, number]
        key += [reading_name(connection)] if connection.replays else []
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
        names.append(f"{project}/sources/{connection_id[:_ID_CHARS].rstrip('.-')}-{digest}")
    return tuple(names)


def sources_of(connection: Connection, now: datetime) -> tuple[Source, ...]:
    """Return the sources of the reading whose result is stored."""
    assert connection.result is not None, "sources are created from a result"
    title = connection.display_name or connection.name.rpartition("/")[2]
    names = source_names(connection, connection.result)
    reading = reading_name(connection)
    withdrawn = {each.blob: each for each in connection.result.withdrawn}
    return tuple(
        Source(
            name=name,
            create_time=now,
            update_time=now,
            format=connection.format,
            digest=blob.digest,
            display_name=f"{title}, reading {connection.reading_number}{blob.title and f': {blob.title}'}"[
                :1024
            ],
            licence=connection.licence,
            labels_by_folder=connection.labels_by_folder,
            columns=connection.columns,
            encoding=connection.encoding,
            sample_by=connection.sample_by,
            connection=connection.name,
            consent=connection.consent,
            domain=connection.domain,
            archive_depth=ARCHIVE_DEPTH,
            blob=f"{reading}-{number}",
            withdrawn=each.digest if (each := withdrawn.get(f"{reading}-{number}")) else "",
            withdrawn_count=each.count if each else 0,
        )
        for number, (name, blob) in enumerate(zip(names, connection.result.blobs, strict=True))
    )


def withdrawing(connection: Connection, source: Source) -> Source:
    """Return an earlier source without the items that the current result withdraws."""
    assert connection.result is not None, "items are withdrawn by a result"
    for each in connection.result.withdrawn:
        if each.blob == source.blob:
            return replace(source, withdrawn=each.digest, withdrawn_count=each.count)
    return source


@dataclass(frozen=True)
class Transition:
    """Next state, actions, events, and the seconds until the next observation."""

    connection: Connection
    actions: tuple[Action, ...] = ()
    events: tuple[object, ...] = ()
    wake_after_s: float = POLL_INTERVAL_S
    polls: bool = False
    """True if the wait polls a job, which reports its end."""


def step(connection: Connection, observation: ConnectionObservation, now: datetime) -> Transition:
    """Begin a reading that is due, follow its job, and move the position once its sources exist."""
    match connection.state:
        case ConnectionState.IDLE:
            return _begin(connection, now)
        case ConnectionState.READING:
            return _follow(connection, observation.job, now)
        case ConnectionState.STORING if observation.stored:
            return _finish(connection, now)
    return Transition(connection, (Action.APPLY,))


def fail(connection: Connection, failure: Failure, now: datetime) -> Transition:
    """End a reading with an error: the position stays, and a schedule tries again with growing delays."""
    failures = connection.failures + 1
    delay_s = min(MAX_RETRY_S, FIRST_RETRY_S * 2.0 ** min(connection.failures, 60))
    retry = now + timedelta(seconds=delay_s)
    failed = replace(
        connection,
        state=ConnectionState.IDLE,
        result=None,
        replays=False,
        failure=failure,
        failure_time=now,
        failures=failures,
        next_read_time=retry if connection.schedule != Schedule() else None,
    )
    events = (ConnectionFailed(failure.reason),) if failure.reason != connection.failure.reason else ()
    return Transition(failed, (Action.CLEAN,), events, _pause_s(failed, now))


def _begin(connection: Connection, now: datetime) -> Transition:
    due = connection.next_read_time is not None and connection.next_read_time <= now
    if connection.replay_requested:
        return _started(replace(connection, replay_requested=False, replays=True), now)
    if not connection.read_requested and (connection.paused or not due):
        return Transition(connection, wake_after_s=_pause_s(connection, now))
    return _started(replace(connection, read_requested=False, replays=False), now)


def _started(connection: Connection, now: datetime) -> Transition:
    reading = replace(
        connection,
        state=ConnectionState.READING,
        reading_number=connection.reading_number + 1,
        attempts=1,
        start_time=now,
    )
    return Transition(reading, (Action.START,))


def _follow(connection: Connection, job: JobObservation[ReadingResult], now: datetime) -> Transition:
    match job.phase:
        case Phase.RUNNING:
            return Transition(connection, polls=True)
        case Phase.ABSENT:
            return Transition(connection, (Action.START,))
        case Phase.SUCCEEDED if job.result is not None:
            storing = replace(connection, state=ConnectionState.STORING, result=job.result)
            return Transition(storing, (Action.APPLY,), wake_after_s=0.0)
        case Phase.LOST if connection.attempts < MAX_ATTEMPTS:
            return Transition(replace(connection, attempts=connection.attempts + 1), (Action.RESTART,))
    reason = job.failure.reason or "WORKER_FAILED"
    return fail(
        connection, Failure(reason, job.failure.message or "The reading ended without a result."), now
    )


def _finish(connection: Connection, now: datetime) -> Transition:
    """Return the connection at its new position, with its last reading."""
    result = connection.result
    assert result is not None, "a reading that is stored has a result"
    counts = tuple(blob.records for blob in result.blobs)
    records = sum(counts)
    reading = Reading(
        number=connection.reading_number,
        start_time=connection.start_time or now,
        end_time=now,
        sources=source_names(connection, result),
        record_count=records,
        listed_count=result.listed,
        taken_count=result.taken,
        skipped_counts=result.skipped,
        size_bytes=result.size_bytes,
        notes=result.notes,
        more=result.more,
        vanished_count=result.vanished,
        withdrawn_count=sum(each.added for each in result.withdrawn),
        dead_letter_count=result.dead_letter_count,
    )
    idle = replace(
        connection,
        state=ConnectionState.IDLE,
        result=None,
        cursor=result.cursor,
        position=result.position,
        last_reading=reading,
        failure=Failure(),
        failure_time=None,
        failures=0,
        read_requested=connection.read_requested or result.more,
        next_read_time=connection.schedule.next_after(now),
        record_count=connection.record_count + records,
        withdrawn_count=connection.withdrawn_count + reading.withdrawn_count,
        dead_letters=_dead_letters(connection, result),
        replays=False,
    )
    events = (ConnectionRead(reading.sources, counts, connection.domain),) if reading.sources else ()
    return Transition(idle, (Action.CLEAN,), events, _pause_s(idle, now))


def _dead_letters(connection: Connection, result: ReadingResult) -> tuple[DeadLetters, ...]:
    """Return the dead letters after a reading; a replay leaves its own."""
    retained = () if connection.replays else connection.dead_letters
    if result.dead_letters:
        new = DeadLetters(result.dead_letters, result.dead_letter_count, connection.reading_number)
        retained = (*retained, new)
    while len(retained) > 1 and sum(each.count for each in retained) > MAX_DEAD_LETTERS:
        retained = retained[1:]
    return retained


def _pause_s(connection: Connection, now: datetime) -> float:
    if connection.read_requested or connection.replay_requested:
        return 0.0
    time = connection.next_read_time
    if connection.paused or time is None:
        return IDLE_INTERVAL.total_seconds()
    return min(IDLE_INTERVAL, max(timedelta(0), time - now)).total_seconds()
