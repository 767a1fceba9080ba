"""Handlers of connections, and the procedure of their readings, which runs for as long as a connection exists."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from ratoon.operations.job_machine import Action, Failure
from ratoon.operations.job_procedure import perform
from ratoon.operations.operations import Claim, Operations, Step
from ratoon.process.clock import Clock
from ratoon.process.errors import Description
from ratoon.storage.names import checked_id, matched, parent_of, project_of
from ratoon.storage.paging import Page, PageTokens, page_size
from ratoon.storage.store import Store, Transaction
from ratoon_ingestion.application.commands import CreateConnection, UpdateConnection
from ratoon_ingestion.application.handlers import PROJECT, check_no_erasure
from ratoon_ingestion.application.ports import Blobs, DeadLetter, ReadingJob, Readings
from ratoon_ingestion.domain.connections import (
    Connection,
    ConnectionKind,
    ConnectionObservation,
    ConnectionState,
    Transition,
    begun,
    changed,
    checked,
    fail,
    source_names,
    sources_of,
    step,
    withdrawing,
)
from ratoon_ingestion.domain.endpoints import Endpoint, endpoint_of
from ratoon_ingestion.domain.errors import NoDeadLetters, StaleEtag
from ratoon_ingestion.domain.sources import Source

CONNECTION = f"{PROJECT}/connections/*"
_VALUE_BYTES, _PAGE_BYTES = 16 << 10, 2 << 20
"""Bytes of a dead letter's value to show, and of all values of a page."""


def create_connection(
    command: CreateConnection,
    store: Store,
    operations: Operations,
    endpoints: Mapping[str, str],
    clock: Clock,
) -> Connection:
    """Create a connection to an address that the operator allows; it is read from now on."""
    matched(command.parent, PROJECT, "parent")
    now = clock.now()
    name = f"{command.parent}/connections/{checked_id(command.connection_id, 'connection_id')}"
    connection = replace(checked(command.connection), name=name, create_time=now, update_time=now)
    endpoint(connection, endpoints)
    with store.write() as tx:
        created, new = tx.create(begun(connection), command.request_id)
        if new:
            operations.begin(tx, created)
    return created


def update_connection(
    command: UpdateConnection, store: Store, operations: Operations, clock: Clock
) -> Connection:
    """Change a connection and wake it."""
    matched(command.name, CONNECTION)
    with store.write() as tx:
        before = tx.get(Connection, command.name)
        _check_etag(before, command.etag)
        after = changed(before, command.changes, clock.now())
        if after == before:
            return before
        operations.wake(tx, command.name)
        return tx.save(after)


def delete_connection(name: str, etag: str, store: Store, operations: Operations, readings: Readings) -> None:
    """Delete a connection and stop its reading. Its sources stay."""
    matched(name, CONNECTION)
    with store.write() as tx:
        connection = tx.get(Connection, name)
        _check_etag(connection, etag)
        operations.end(tx, name)
        tx.delete(connection)
    if connection.state is ConnectionState.READING:
        readings.stop(_job_id(connection, Claim(name, 0)))


def read_connection(name: str, store: Store, operations: Operations) -> Connection:
    """Request a reading; one in progress suffices."""
    matched(name, CONNECTION)
    with store.write() as tx:
        connection = tx.get(Connection, name)
        if connection.read_requested or connection.state is not ConnectionState.IDLE:
            return connection
        operations.wake(tx, name)
        return tx.save(replace(connection, read_requested=True))


def replay_dead_letters(name: str, store: Store, operations: Operations) -> Connection:
    """Request a reading of the dead letters; NoDeadLetters if there are none."""
    matched(name, CONNECTION)
    with store.write() as tx:
        connection = tx.get(Connection, name)
        if connection.replay_requested or connection.replays:
            return connection
        if not connection.dead_letters:
            raise NoDeadLetters(f"{name} has no dead letters: there is nothing to replay.")
        operations.wake(tx, name)
        return tx.save(replace(connection, replay_requested=True))


def list_dead_letters(
    parent: str, size: int, token: str, store: Store, blobs: Blobs, tokens: PageTokens
) -> Page[DeadLetter]:
    """Return a page of the messages of a connection that gave no record, oldest first."""
    matched(parent, CONNECTION, "parent")
    with store.read() as tx:
        groups = tx.get(Connection, parent).dead_letters
    listing = f"dead letters:{parent}"
    reading, start = (tokens.open(listing, token) or ["0", "0"])[:2]
    limit, page = page_size(size), list[DeadLetter]()
    size_bytes = 0
    for group in groups:
        if group.reading < int(reading):
            continue
        skipped = int(start) if group.reading == int(reading) else 0
        lines = blobs.read(group.digest).splitlines()
        for number, line in enumerate(lines[skipped:], skipped):
            letter = _dead_letter(line, group.reading)
            size_bytes += len(letter.value) + len(letter.key)
            if len(page) == limit or (page and size_bytes > _PAGE_BYTES):
                return Page(page, tokens.seal(listing, [str(group.reading), str(number)]))
            page.append(letter)
    return Page(page, "")


def _dead_letter(line: bytes, reading: int) -> DeadLetter:
    row = json.loads(line)
    return DeadLetter(
        partition=row["partition"],
        offset=row["offset"],
        time=datetime.fromisoformat(row["time"]),
        reason=row["reason"],
        detail=row["detail"],
        key=base64.b64decode(row["key"]),
        value=base64.b64decode(row["value"])[:_VALUE_BYTES],
        size_bytes=row["size_bytes"],
        reading=reading,
    )


def endpoint(connection: Connection, endpoints: Mapping[str, str]) -> Endpoint:
    """Return the entry of the operator's list that allows a connection; ConnectionNotAllowed if none does.

    A database needs an entry of its own: other names and queries in its URL may lead to another server.
    """
    is_exact = connection.kind is ConnectionKind.SQL
    return endpoint_of(connection.url, project_of(connection.name), endpoints, is_exact)


class ReadingProcedure:
    """Procedure of a connection: it begins readings that are due and creates sources from what they give."""

    kind = Connection

    def __init__(self, store: Store, readings: Readings, endpoints: Mapping[str, str], clock: Clock) -> None:
        self._store, self._readings, self._endpoints, self._clock = store, readings, endpoints, clock

    def observe(self, connection: Connection, claim: Claim) -> ConnectionObservation:
        """Return the state of the reading's job, or whether its sources exist."""
        match connection.state:
            case ConnectionState.READING:
                return ConnectionObservation(self._readings.observe(_job_id(connection, claim)))
            case ConnectionState.STORING:
                assert connection.result is not None, "a reading that is stored has a result"
                with self._store.read() as tx:
                    names = source_names(connection, connection.result)
                    stored = all(tx.find(Source, name) for name in names)
                    return ConnectionObservation(stored=stored and not _to_withdraw(tx, connection))
        return ConnectionObservation()

    def step(
        self, connection: Connection, observation: ConnectionObservation, now: datetime
    ) -> Step[Connection]:
        """Return what follows."""
        return _as_step(step(connection, observation, now))

    def act(self, connection: Connection, action: Action, claim: Claim) -> None:
        """Start a reading, create the sources from its result, or forget its job."""
        job_id = _job_id(connection, claim)
        match action:
            case Action.APPLY:
                self._create_sources(connection)
            case Action.CLEAN:
                self._readings.forget(job_id)
            case _:
                perform(self._readings, action, job_id, lambda: self._job(connection))

    def failed(self, connection: Connection, error: Description, now: datetime) -> Step[Connection]:
        """End the reading with an error that a retry did not correct; the next one begins at the same position."""
        return _as_step(fail(connection, Failure(error.reason, error.message), now))

    def _job(self, connection: Connection) -> ReadingJob:
        return ReadingJob(connection, endpoint(connection, self._endpoints))

    def _create_sources(self, connection: Connection) -> None:
        """Create the sources that do not exist yet, each once."""
        with self._store.write() as tx:
            check_no_erasure(tx, parent_of(connection.name))
            for source in sources_of(connection, self._clock.now()):
                if tx.find(Source, source.name) is None:
                    tx.create(source)
            self._withdraw(tx, connection)

    def _withdraw(self, tx: Transaction, connection: Connection) -> None:
        """Withdraw from earlier sources what vanished or was replaced; a repetition changes nothing."""
        for source in _to_withdraw(tx, connection):
            tx.save(withdrawing(connection, source))


def _to_withdraw(tx: Transaction, connection: Connection) -> list[Source]:
    """Return the sources of a connection from which its current result withdraws items that they still have."""
    if connection.result is None or not connection.result.withdrawn:
        return []
    sources = tx.all(Source, parent_of(connection.name))
    own = (source for source in sources if source.connection == connection.name)
    return [source for source in own if withdrawing(connection, source) != source]


def _job_id(connection: Connection, claim: Claim) -> str:
    """Return the ID of the job of the current reading."""
    return claim.action_id(f"read {connection.create_time.isoformat()}", connection.reading_number)


def _as_step(transition: Transition) -> Step[Connection]:
    return Step(
        transition.connection,
        transition.actions,
        transition.events,
        wake_after=transition.wake_after_s,
        polls=transition.polls,
        repeat_after=transition.wake_after_s,
    )


def _check_etag(connection: Connection, etag: str) -> None:
    if etag and etag != connection.etag:
        raise StaleEtag(f"{connection.name} was changed after you read it: read it again and retry.")
