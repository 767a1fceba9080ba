"""Checks of the stored state of services: databases, events, times, artifacts."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import SQLAlchemyError

from ratoon.events.dead_letters import dead_letters
from ratoon.events.ports import EventLogError
from ratoon.local.doctor.findings import Severity, Trouble
from ratoon.local.installation import Installation
from ratoon.process.clock import SystemClock
from ratoon.runtime.services import load, service_names
from ratoon.runtime.settings import ServiceSettings
from ratoon.service import events
from ratoon.storage import gc_items, outbox
from ratoon.storage.artifacts import ArtifactStore, file_digest
from ratoon.storage.database import Database
from ratoon.storage.revisions import head_of, knows, revision_of
from ratoon.storage.store import unreadable_rows

_BACKLOG = 1000
_LATE_S = 30.0
_CLOCK_SLACK_S = 60.0
T = TypeVar("T")


def databases(installation: Installation) -> Iterator[Trouble]:
    """Every database exists, is undamaged, and is at the revision of this version."""
    for service in service_names():
        yield from _database(service, installation.settings(service))
    log = installation.state / "events" / "events.sqlite"
    if log.exists() and (message := _damage(log)):
        yield Trouble(
            f"The event log {log} is damaged: {message}.", "Run `ratoon down`, then restore it from a backup."
        )


def _database(service: str, settings: ServiceSettings) -> Iterator[Trouble]:
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    if _is_missing(settings):
        yield Trouble(
            f"The database of {service} does not exist: {path}.", "Run `ratoon migrate`, or restore a backup."
        )
        return
    if path.exists() and (message := _damage(path)):
        yield Trouble(
            f"{path} is damaged: {message}.", "Run `ratoon down`, then `ratoon restore` with a backup."
        )
        return
    try:
        with closing(Database(settings.database_url)) as database:
            at, needed = revision_of(database), head_of(service)
    except SQLAlchemyError as error:
        message = str(getattr(error, "orig", error)).splitlines()[0]
        yield Trouble(
            f"The database of {service} cannot be opened: {message}.",
            "Start its database server, or correct its address.",
        )
        return
    if at != needed and knows(service, at):
        yield Trouble(
            f"The database of {service} is at revision {at or 'none'}, not {needed}.", "Run: ratoon migrate"
        )
    elif at != needed:
        yield Trouble(
            f"The database of {service} is at revision {at}, of a newer version of Ratoon.",
            "Install that version, or restore a backup from before the upgrade.",
        )


def backlogs(installation: Installation) -> Iterator[Trouble]:
    """Events reach the event log, and there are no dead letters."""
    running = bool(installation.processes.running())
    for service in service_names():
        waiting = _query(installation.settings(service), outbox.waiting, 0)
        if waiting > (_BACKLOG if running else 0):
            yield Trouble(
                f"{waiting} events of {service} have not reached the log.",
                "Check that the event log is writable; see `ratoon logs`."
                if running
                else "Run `ratoon up` to publish them.",
                Severity.WARNING,
            )
        elif running and (late := _late(installation.settings(service))):
            yield late
    yield from _dead_letters(installation)


def _late(settings: ServiceSettings) -> Trouble | None:
    """Return a finding for the oldest unpublished event if a working relay would have published it."""
    nothing: outbox.Waiting | None = None
    oldest = _query(settings, outbox.oldest, nothing)
    if oldest is None or oldest.time is None:
        return None
    age = time.time() - oldest.time.timestamp()
    if age < _LATE_S:
        return None
    return Trouble(
        f"Event {oldest.event_id} of {oldest.topic} ({oldest.bytes:,} bytes) has waited for {age:,.0f} s to reach the "
        f"event log.",
        "See `ratoon logs` for the reason. If the log refuses the event for its size, raise max.message.bytes of the "
        "topic.",
        Severity.WARNING,
    )


def _dead_letters(installation: Installation) -> Iterator[Trouble]:
    settings = installation.settings("flywheel")
    if not settings.events and not (installation.state / "events" / "events.sqlite").exists():
        return
    try:
        with closing(events.open_log(settings, SystemClock())) as log:
            for topic in (topic.name for service in service_names() for topic in events.topics_of(service)):
                for letter in dead_letters(log, topic)[-1:]:
                    yield Trouble(
                        f"An event of {topic} could not be handled by {letter.group} ({letter.reason}).",
                        "Fix the cause in the reason. Consumers also read the stored state, so no work is lost.",
                        Severity.WARNING,
                    )
    except EventLogError as error:
        yield Trouble(str(error), "Check that the event log is readable.")


def traffic(installation: Installation) -> Iterator[Trouble]:
    """All captured traffic reached flywheel, and all of its rows are readable."""
    spool = installation.state / "gateway" / "segments"
    refused = sorted(path.stem for path in spool.glob("*.refused"))
    if refused:
        yield Trouble(
            f"{_segments(len(refused))} of captured traffic could not be delivered to flywheel (oldest: {refused[0]}). "
            "They are set aside; the other segments are delivered.",
            "See `ratoon logs gateway` for the reason. The gateway retries them when it starts.",
            Severity.WARNING,
        )
    query = "SELECT count(*) FROM noted_texts WHERE presence = 'UNREADABLE'"
    count = _query(
        installation.settings("flywheel"), lambda connection: connection.execute(text(query)).scalar_one(), 0
    )
    if count:
        yield Trouble(
            f"Rows of {_segments(count)} of captured traffic could not be read; "
            "they are set aside, and the other rows are used.",
            "See `ratoon logs` for the segments and the faults. The rows are read again after an upgrade.",
            Severity.WARNING,
        )


def _segments(count: int) -> str:
    return "1 segment" if count == 1 else f"{count:,} segments"


def clock(installation: Installation) -> Iterator[Trouble]:
    """No resource was created in the future: the clock was not set back."""
    newest = max((_newest(installation.settings(service)) for service in service_names()), default=0.0)
    ahead = newest - time.time()
    if ahead > _CLOCK_SLACK_S:
        yield Trouble(
            f"The newest resource was created {ahead:,.0f} s in the future: the clock of this machine was set back.",
            "Correct the clock (timedatectl set-ntp true). Until then, the order by time is wrong.",
            Severity.WARNING,
        )


def _newest(settings: ServiceSettings) -> float:
    """Return the creation time of the newest resource of a service in seconds since 1970; 0 if unknown."""

    def times(connection: Connection) -> list[str]:
        queries = (f"SELECT max(create_time) FROM {each}" for each in gc_items.resource_tables(connection))
        return [time for query in queries if (time := connection.execute(text(query)).scalar())]

    nothing: list[str] = []
    created = _query(settings, times, nothing)
    return max((datetime.fromisoformat(time).timestamp() for time in created), default=0.0)


def resources(installation: Installation) -> Iterator[Trouble]:
    """Every stored resource is readable."""
    for service in service_names():
        tables = load("ratoon.resources", service)
        nothing: list[tuple[str, str]] = []
        for name, why in _query(installation.settings(service), partial(_unreadable, tables=tables), nothing):
            yield Trouble(
                f"The stored {service} resource {name} cannot be read: {why}. Listings omit it.",
                "If a newer release wrote it, upgrade again. Otherwise, restore a backup from before it was written. "
                "If there is none, report this line as a bug.",
            )


def _unreadable(connection: Connection, tables: Mapping[type, Table]) -> list[tuple[str, str]]:
    return list(unreadable_rows(connection, tables))


def artifacts(installation: Installation) -> Iterator[Trouble]:
    """The content of every artifact matches its digest."""
    folder = ArtifactStore(installation.settings("registry").artifacts_url).folder
    if folder is None:
        return
    for item in gc_items.artifacts(folder):
        if item.kind == "artifact" and file_digest(item.path) != item.path.name:
            yield Trouble(
                f"Artifact {item.path.name} is damaged.",
                "Copy it from a backup, or upload the same bytes again; the upload replaces it.",
            )


def _query(settings: ServiceSettings, question: Callable[[Connection], T], otherwise: T) -> T:
    """Return the answer of a service's database, or `otherwise` if the database cannot be read."""
    if _is_missing(settings):
        return otherwise
    try:
        with closing(Database(settings.database_url)) as database, database.read() as connection:
            return question(connection)
    except SQLAlchemyError:
        return otherwise


def _is_missing(settings: ServiceSettings) -> bool:
    """Return True if the database is a missing file; opening it would create the file."""
    file = settings.database_url.removeprefix("sqlite:///")
    return file != settings.database_url and not Path(file).exists()


def _damage(path: Path) -> str:
    """Return the damage that SQLite finds in a file; empty if there is none."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30.0)) as connection:
            (message,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return "" if message == "ok" else str(message)
