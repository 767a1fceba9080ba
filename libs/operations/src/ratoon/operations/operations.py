"""The one mechanism of operations: a resource with a state, claimed by a lease, moved by a pure `step`.

    observe → step → save state and events in one transaction → act → wait → observe …

State is saved before actions run, so a worker that takes over after a crash repeats at most the last actions; these are
idempotent, and their ids say for which step and attempt they are. A claim carries a fencing number that only grows:
a worker whose lease ran out can no longer save, and what it publishes under its number loses.
"""

import logging
import math
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Row,
    Select,
    String,
    Table,
    case,
    insert,
    select,
    text,
    update,
)

from ratoon.operations import wakeups
from ratoon.operations.operation_watch import OperationWatch
from ratoon.operations.wakeups import SAFETY_NET_S
from ratoon.process.backoff import Backoff
from ratoon.process.clock import Clock
from ratoon.process.errors import Aborted, DataLoss, Description, described
from ratoon.process.loop import BackgroundLoop
from ratoon.runtime import tracing
from ratoon.security.identity import act_for, end_acting
from ratoon.storage.database import Database
from ratoon.storage.names import project_of
from ratoon.storage.store import Resource, Store, Transaction, WrittenByANewerRelease

_LOG = logging.getLogger(__name__)
_LEASE_S = 30.0
_POLL_INTERVAL_S = 1.0
_MAX_FAILURES = 8
"""Number of failures in a row after which an error is lasting, unless a required part is unavailable."""
_MAX_FAILURES_UNAVAILABLE = 60
"""The same while a required part is unavailable."""
_BACKOFF = Backoff(0.25, 10.0)
_UNREADABLE_PAUSE_S = 3600.0
"""Pause of an operation whose resource cannot be read: only a restored row mends that."""
_NEWER_PAUSE_S = 15.0
"""Pause of an operation whose resource a newer release wrote: a process of that release takes it over."""
_URGENT, _IDLE = 0, 1
"""Priorities: an idle tick follows a pause that is longer than the safety net and that no wake-up ended."""
_PERMANENT = {
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "FAILED_PRECONDITION",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "OUT_OF_RANGE",
}
R = TypeVar("R")
C = TypeVar("C", bound="Cancellable")
_NAMESPACE = uuid.UUID("5b3a1c86-0c8e-4b0a-9d55-6d2f9f6e7a11")


class Cancellable(Resource, Protocol):
    """A resource that can be cancelled: the cancel request is part of its state."""

    @property
    def cancel_requested(self) -> bool: ...


@dataclass(frozen=True)
class Claim:
    """The right to move one operation: the resource's name, the fencing number, failures in a row so far."""

    name: str
    fence: int
    failures: int = 0
    trace: str = ""
    """Traceparent of what began the operation."""
    due: float = 0.0
    """Time until which the claim defers the operation; an earlier one in the table is that of a wake-up."""

    def action_id(self, step: str, attempt: int = 1) -> str:
        """The id of what an action makes: the same for every repetition of this step and attempt (UUIDv5)."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.name}:{step}:{attempt}"))


@dataclass(frozen=True)
class Step(Generic[R]):
    """Result of a step: the new state, actions, events, and the seconds until the next observation."""

    resource: R
    actions: tuple[object, ...] = ()
    events: tuple[object, ...] = ()
    wake_after: float = 1.0
    done: bool = False
    polls: bool = False
    """True if `wake_after` polls what was observed: parts that report their changes make that a safety net."""
    repeat_after: float = 0.0
    """Seconds from the actions to the next tick; longer for an action that is repeated until its effect is observed."""
    causes: tuple[str, ...] | None = None
    """Traceparents of the causes of this step, if it was not the start of the operation: the step continues the trace
    of the first, and its span links to the others."""


class Procedure(Protocol[R]):
    """Procedure of one kind of resource. `step` and `failed` are pure; the other two have side effects."""

    @property
    def kind(self) -> type[R]:
        """The kind of resource."""
        ...

    def observe(self, resource: R, claim: Claim) -> Any:
        """Observe external systems: return what a step needs to know."""
        ...

    def step(self, resource: R, observation: Any, now: datetime) -> Step[R]:
        """Decide."""
        ...

    def act(self, resource: R, action: Any, claim: Claim) -> None:
        """Do one action, idempotently."""
        ...

    def failed(self, resource: R, error: Description, now: datetime) -> Step[R]:
        """Decide what an error means that repeating will not mend."""
        ...


@dataclass(frozen=True)
class UnderWay:
    """An operation that has not ended, and the number of its ticks that failed in a row."""

    resource: Resource
    failures: int


def operations_table(metadata: MetaData) -> Table:
    """The table of leases: times are seconds of the boot clock, or of the database's on PostgreSQL."""
    return Table(
        "operations",
        metadata,
        Column("name", String(512), primary_key=True),
        Column("kind", String(80), nullable=False),
        Column("epoch", String(40), nullable=False),
        Column("due", Float, nullable=False, index=True),
        Column("lease_until", Float, nullable=False),
        Column("owner", String(40), nullable=False),
        Column("fence", Integer, nullable=False),
        Column("failures", Integer, nullable=False),
        Column("traceparent", String(tracing.LENGTH), nullable=False, server_default=""),
        Column("priority", Integer, nullable=False, server_default=str(_URGENT)),
        Index("ix_operations_priority", "priority", "due"),
    )


class Operations:
    """Starts, wakes and works on the operations of one service, on its own threads."""

    def __init__(
        self,
        store: Store,
        table: Table,
        procedures: Iterable[Procedure[Any]],
        clock: Clock,
        workers: int = 4,
        watch: OperationWatch | None = None,
    ) -> None:
        self._store, self._table, self._clock = store, table, clock
        self._watch = watch or OperationWatch()
        self._procedures: Mapping[str, Procedure[Any]] = {p.kind.__name__: p for p in procedures}
        self._time = _LeaseTime(store.database, clock)
        self._owner = uuid.uuid4().hex
        self._workers = workers
        self._running: dict[str, Future[None]] = {}
        self._resumed = False
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="operation")
        self._loop = BackgroundLoop(
            "operations",
            self._start_due,
            backoff=Backoff(_POLL_INTERVAL_S, _POLL_INTERVAL_S),
            on_failure=_log_failure,
            final=self._pool.shutdown,
        )

    def begin(self, tx: Transaction, resource: Resource) -> None:
        """From the commit of this transaction on, the resource is worked on."""
        epoch, now = self._time.now(tx.connection)
        self._insert(tx.connection, resource, epoch, now)

    def wake(self, tx: Transaction, name: str, within_s: float = 0.0) -> None:
        """Wake the operation within this many seconds, once for all wake-ups until then; one that is done stays so.

        `within_s` is shorter than a lease.
        """
        epoch, now = self._time.now(tx.connection)
        t, latest = self._table, now + within_s
        due = case(((t.c.epoch == epoch) & (t.c.due < latest), t.c.due), else_=latest)
        tx.connection.execute(
            update(t).where(t.c.name == name).values(due=due, epoch=epoch, priority=_URGENT)
        )

    def end(self, tx: Transaction, name: str) -> None:
        """From the commit of this transaction on, nothing works on the resource any more; for one that is deleted."""
        tx.connection.execute(self._table.delete().where(self._table.c.name == name))

    def cancel(self, kind: type[C], name: str, ended: Callable[[C], bool]) -> C:
        """Request cancellation: the request is saved and the operation is woken. One that has ended stays as it is."""
        with self._store.write() as tx:
            resource = tx.get(kind, name)
            if ended(resource) or resource.cancel_requested:
                return resource
            self.wake(tx, name)
            return tx.save(cast(C, replace(cast(Any, resource), cancel_requested=True)))

    def start(self) -> None:
        """Begin to work."""
        self._store.database.on_commit(self._loop.wake)
        self._loop.start()

    def stop(self) -> None:
        """Finish the steps in hand and take no new ones; other processes continue theirs."""
        self._loop.stop(_LEASE_S)

    def under_way(self, limit: int = 1000) -> list[UnderWay]:
        """Return up to `limit` operations that have not ended; without those whose resource cannot be read."""
        t = self._table
        with self._store.read() as tx:
            rows = tx.connection.execute(select(t.c.name, t.c.kind, t.c.failures).limit(limit)).all()
            kinds = {kind: procedure.kind for kind, procedure in self._procedures.items()}
            resources = [(tx.find_readable(kinds[row.kind], row.name), row.failures) for row in rows]
        return [UnderWay(resource, failures) for resource, failures in resources if resource is not None]

    def run_due(self) -> int:
        """Work once on everything that is due, on this thread; returns how many. For tests and one-shot tools."""
        with self._store.database.write() as connection:
            self._adopt(connection)
        claims = self._claim(limit=100)
        for kind, claim in claims:
            self._work(kind, claim)
        return len(claims)

    def _start_due(self) -> float:
        """Work on what is due, as far as threads are free; return the seconds until the next operation is due."""
        if not self._resumed:
            self._resume()
        self._renew()
        free = self._workers - len(self._busy())
        for kind, claim in self._claim(free) if free else []:
            self._running[claim.name] = self._pool.submit(self._work, kind, claim)
        return self._pause()

    def _resume(self) -> None:
        """Wake everything that waits for a report: reports of the time in which no process ran are lost."""
        t = self._table
        with self._store.database.write() as connection:
            now = self._adopt(connection)
            waiting = (t.c.lease_until <= now) & (t.c.due > now) & (t.c.due <= now + SAFETY_NET_S)
            connection.execute(update(t).where(waiting).values(due=now))
        self._resumed = True

    def _adopt(self, connection: Connection) -> float:
        """Make operations of an earlier boot due, since their times do not compare with these; return the time."""
        t = self._table
        epoch, now = self._time.now(connection)
        of_other_epoch = update(t).where(t.c.epoch != epoch)
        connection.execute(of_other_epoch.values(epoch=epoch, due=now, lease_until=now))
        return now

    def _busy(self) -> list[str]:
        self._running = {name: future for name, future in self._running.items() if not future.done()}
        return list(self._running)

    def _pause(self) -> float:
        """Return the seconds until the next operation is due, at most the poll interval."""
        return min(_POLL_INTERVAL_S, max(0.02, self._next_due_in()))

    def _next_due_in(self) -> float:
        """Seconds until the first operation without a lease is due, negative once it is; infinite without one."""
        t = self._table
        with self._store.database.read() as connection:
            _, now = self._time.now(connection)
            due = connection.execute(
                select(t.c.due).where(t.c.lease_until <= now).order_by(t.c.due).limit(1)
            ).scalar()
        return math.inf if due is None else due - now

    def _claim(self, limit: int) -> list[tuple[str, Claim]]:
        """Claim what is due: idle operations come last and leave one of several threads to the next urgent one."""
        if self._next_due_in() > 0:
            return []
        t = self._table
        with self._store.database.write() as connection:
            epoch, now = self._time.now(connection)
            rows = self._due(connection, now, _URGENT, limit)
            rows += self._due(connection, now, _IDLE, max(0, limit - len(rows) - 1))
            due = now + _LEASE_S
            for row in rows:
                connection.execute(
                    update(t)
                    .where(t.c.name == row.name)
                    .values(owner=self._owner, fence=row.fence + 1, lease_until=due, epoch=epoch, due=due)
                )
        return [
            (row.kind, Claim(row.name, row.fence + 1, row.failures, row.traceparent, due)) for row in rows
        ]

    def _due(self, connection: Connection, now: float, priority: int, limit: int) -> list[Row[Any]]:
        t = self._table
        due = (t.c.priority == priority) & (t.c.due <= now) & (t.c.lease_until <= now)
        first = select(t).where(due).order_by(t.c.due).limit(limit)
        return list(connection.execute(first.with_for_update(skip_locked=True)))

    def _renew(self) -> None:
        names = self._busy()
        if not names:
            return
        t = self._table
        with self._store.database.read() as connection:
            _, now = self._time.now(connection)
            old = (t.c.owner == self._owner) & t.c.name.in_(names) & (t.c.lease_until < now + _LEASE_S / 2)
            stale = connection.execute(select(t.c.name).where(old)).first()
        if stale is not None:
            with self._store.database.write() as connection:
                connection.execute(update(t).where(old).values(lease_until=now + _LEASE_S))

    def _work(self, kind: str, claim: Claim) -> None:
        """Run one tick for the resource's project, with an end to it whatever happens."""
        acting = act_for(project_of(claim.name))
        try:
            with self._watch.looking(claim):
                self._tick(self._procedures[kind], claim)
        finally:
            end_acting(acting)

    def _tick(self, procedure: Procedure[Any], claim: Claim) -> None:
        """Observe, step, save, act, release."""
        try:
            with self._store.read() as tx:
                resource = tx.get(procedure.kind, claim.name)
            with wakeups.observing(claim.name, partial(self._wake_again, claim.name)) as wake_up:
                observation = procedure.observe(resource, claim)
            step = procedure.step(resource, observation, self._clock.now())
            with self._watch.tick(claim, resource, step):
                saved = self._save(claim, resource, step)
                for action in step.actions:
                    if not step.done:
                        self._check_held(claim)
                    procedure.act(saved, action, claim)
            is_reported = step.polls and wake_up.subscribed
            self._release(
                claim, step.repeat_after if step.actions else SAFETY_NET_S if is_reported else step.wake_after
            )
        except Aborted:
            self._release(claim, 0.05)
        except DataLoss as error:
            _LOG.warning("%s", error)
            is_newer = isinstance(error, WrittenByANewerRelease)
            self._release(claim, _NEWER_PAUSE_S if is_newer else _UNREADABLE_PAUSE_S)
        except Exception as error:
            self._record_failure(procedure, claim, error)
        finally:
            self._loop.wake()

    def _wake_again(self, name: str) -> None:
        with self._store.write() as tx:
            self.wake(tx, name)

    def _save(self, claim: Claim, resource: Any, step: Step[Any]) -> Any:
        self._store.grant(step.resource)
        with self._store.write() as tx:
            self._hold(tx.connection, claim)
            saved = tx.save(step.resource) if step.resource != resource else resource
            for happened in step.events:
                tx.publish(happened, saved)
            if step.done:
                tx.connection.execute(self._table.delete().where(self._table.c.name == claim.name))
        return saved

    def _record_failure(self, procedure: Procedure[Any], claim: Claim, error: Exception) -> None:
        """An error: try again with growing pauses; one that repeating will not mend is the procedure's to judge."""
        description = described(error)
        max_failures = _MAX_FAILURES_UNAVAILABLE if description.code == "UNAVAILABLE" else _MAX_FAILURES
        lasting = description.code in _PERMANENT or claim.failures + 1 >= max_failures
        self._watch.step_failed(procedure.kind, description.code)
        _LOG.warning(
            "step of %s failed (%s: %s)",
            claim.name,
            description.code,
            error,
            exc_info=description.code == "INTERNAL",
        )
        try:
            if lasting:
                with self._store.read() as tx:
                    resource = tx.find(procedure.kind, claim.name)
                if resource is None:  # it was deleted while it was worked on
                    return
                step = procedure.failed(resource, description, self._clock.now())
                with self._watch.tick(claim, resource, step):
                    self._save(claim, resource, step)
                self._release(claim, step.wake_after)
            else:
                failures = claim.failures + 1
                self._release(claim, _BACKOFF.delay_s(failures), failures)
        except Exception:
            _LOG.exception("%s: could not be given back; its lease will run out", claim.name)

    def _check_held(self, claim: Claim) -> None:
        """Aborted when another worker has taken over: what this one decided long ago is not done any more."""
        with self._store.database.read() as connection:
            self._compare(connection, claim, select(self._table.c.fence))

    def _hold(self, connection: Connection, claim: Claim) -> None:
        self._compare(connection, claim, select(self._table.c.fence).with_for_update())

    def _compare(self, connection: Connection, claim: Claim, query: Select[Any]) -> None:
        if connection.execute(query.where(self._table.c.name == claim.name)).scalar() != claim.fence:
            raise Aborted(f"{claim.name} was taken over by another worker.", reason="FENCED")

    def _release(self, claim: Claim, pause: float, failures: int = 0) -> None:
        t = self._table
        with self._store.database.write() as connection:
            _, now = self._time.now(connection)
            mine = (t.c.name == claim.name) & (t.c.fence == claim.fence)
            # A wake-up during this tick, whose observation may be too early; a tick beyond its lease cannot know.
            woken = (t.c.due < claim.due) | (t.c.due <= now)
            due = case((woken, t.c.due), else_=now + pause)
            priority = case((woken, t.c.priority), else_=_IDLE if pause > SAFETY_NET_S else _URGENT)
            released = update(t).where(mine).values(due=due, priority=priority)
            connection.execute(released.values(owner="", lease_until=now, failures=failures))

    def _insert(self, connection: Connection, resource: Resource, epoch: str, now: float) -> None:
        row = {
            "name": resource.name,
            "kind": type(resource).__name__,
            "epoch": epoch,
            "due": now,
            "lease_until": 0.0,
            "traceparent": tracing.current(),
        }
        connection.execute(insert(self._table).values(**row, owner="", fence=0, failures=0))


def _log_failure(_error: Exception) -> None:
    _LOG.exception("operations: the database did not answer; trying again")


class _LeaseTime:
    """The time of leases: the database server's on PostgreSQL, else this machine's boot clock and boot id."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    def now(self, connection: Connection) -> tuple[str, float]:
        """An epoch, within which times compare, and seconds in it."""
        if self._database.is_sqlite:
            return self._boot_id, self._clock.monotonic()
        return "database", float(
            connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
        )
