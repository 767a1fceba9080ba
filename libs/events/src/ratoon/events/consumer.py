"""Consumes topics as a group: an event's effect and the mark that it was seen commit together, offsets later.

An event that fails is tried again with growing pauses, only its partition waiting; after some attempts it is
parked once among the dead letters, and later events of its key go on. An error that says that a part is away
is tried until it passes. It knows no event: the service's handlers do.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ratoon.events.cloudevents import Event, event_of
from ratoon.events.dead_letters import dead_letter, identity_of
from ratoon.events.inbox import (
    PARKED,
    REMEMBER_S,
    REPLAY,
    SUPERSEDED,
    Marks,
    Publish,
    Transactions,
    prune,
)
from ratoon.events.ports import (
    Clock,
    Delivery,
    EventLog,
    EventLogError,
    Fenced,
    MalformedEvent,
    Partition,
    Subscription,
)
from ratoon.process.backoff import Backoff
from ratoon.process.loop import BackgroundLoop

_LOG = logging.getLogger(__name__)
_PASSING = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_EXHAUSTED"}
_PRUNE_EVERY_S = 3600.0
_MEASURE_EVERY_S = 5.0

Handler = Callable[[Event, Connection], None]
"""Applies an event to the service's database through this connection; no RPC, nothing slow."""


@dataclass(frozen=True)
class RetryPolicy:
    """Retries of an event that fails."""

    attempts: int = 5
    backoff: Backoff = Backoff(0.2, 30.0)


@dataclass
class Consumed:
    """Counts of a consumer since its process started."""

    handled: int = 0
    superseded: int = 0
    repeated: int = 0
    retried: int = 0
    parked: int = 0
    lag: int = 0
    """Records still to be read, as of a few seconds ago."""


@dataclass(frozen=True)
class _Retry:
    """A partition that waits for its next event to be tried again."""

    offset: int
    attempts: int
    due: float


class Consumer:
    """One service's consumer of some topics, on its own thread."""

    def __init__(
        self,
        group: str,
        topics: Collection[str],
        handler: Handler,
        *,
        log: EventLog,
        database: Transactions,
        publish: Publish,
        clock: Clock,
        retry: RetryPolicy = RetryPolicy(),
        batch: int = 100,
        idle_s: float = 0.5,
    ) -> None:
        """`publish` is the service's outbox, for dead letters; `batch` events at most share a transaction."""
        self._group, self._topics, self._handler = group, list(topics), handler
        self._log, self._database, self._publish, self._clock = log, database, publish, clock
        self._retry, self._batch, self._idle_s = retry, batch, idle_s
        self._subscription: Subscription | None = None
        self._retries: dict[Partition, _Retry] = {}
        self._pruned: float | None = None
        self._measured = 0.0
        self._loop = BackgroundLoop(f"{group}-consumer", self._step)
        self.consumed = Consumed()

    def start(self) -> None:
        """Begin; nothing of the log is needed for that."""
        self._loop.start()

    def stop(self) -> None:
        """Finish the batch in hand and leave the group."""
        if self._subscription is not None:
            self._subscription.end_polls()
        self._loop.stop()
        if self._subscription is not None:
            try:
                self._subscription.close()
            except EventLogError as error:
                _LOG.info("%s left its group untidily: %s", self._group, error)
            self._subscription = None

    def _step(self) -> float:
        if self._subscription is None:
            self._subscription = self._log.subscribe(self._group, self._topics)
        self._prune_sometimes()
        now = self._clock.monotonic()
        waiting = {partition: retry.due for partition, retry in self._retries.items() if retry.due > now}
        timeout_s = max(0.0, min([self._idle_s, *(due - now for due in waiting.values())]))
        deliveries = self._subscription.poll(timeout_s, self._batch, waiting.keys())
        if deliveries:
            self._take(self._subscription, deliveries)
        if now > self._measured + _MEASURE_EVERY_S:
            self._measured, self.consumed.lag = now, self._subscription.lag()
        return 0.0

    @property
    def group(self) -> str:
        """The group that it belongs to."""
        return self._group

    def _take(self, subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
        """Handle a batch, then commit its offsets; when the transaction fails, read the batch again."""
        before = dict(self._retries)
        try:
            done = self._handle(deliveries)
        except Exception:
            self._retries = before
            for delivery in reversed(deliveries):
                subscription.seek(delivery.partition, delivery.offset)
            raise
        for partition, retry in self._retries.items():
            if retry != before.get(partition):
                subscription.seek(partition, retry.offset)
        try:
            subscription.commit(done)
        except Fenced as error:
            self._retries = {}
            _LOG.info("%s", error)

    def _handle(self, deliveries: Sequence[Delivery]) -> dict[Partition, int]:
        """One transaction for the batch; the next offset of each partition."""
        done: dict[Partition, int] = {}
        stuck: set[Partition] = set()
        with self._database.write() as connection:
            marks = Marks(connection, self._group, self._clock.now())
            marks.load(
                [identity_of(each) for each in deliveries],
                [(each.partition.topic, each.record.key) for each in deliveries],
            )
            for delivery in deliveries:
                if delivery.partition in stuck:
                    continue
                if self._apply(connection, marks, delivery):
                    done[delivery.partition] = delivery.offset + 1
                    self._retries.pop(delivery.partition, None)
                else:
                    stuck.add(delivery.partition)
            marks.save()
        return done

    def _apply(self, connection: Connection, marks: Marks, delivery: Delivery) -> bool:
        """Handle, pass over or park one event; False when it is to be tried again."""
        outcome = marks.outcome(identity_of(delivery))
        if outcome and outcome != REPLAY:
            self.consumed.repeated += 1
            return True
        try:
            event = event_of(delivery.record)
            if outcome != REPLAY and marks.is_older(event):
                marks.set_aside(event.id, SUPERSEDED)
                self.consumed.superseded += 1
                return True
            with _savepoint(connection):
                self._handler(event, connection)
        except Exception as error:
            return self._failed(connection, marks, delivery, error)
        marks.handled(event)
        self.consumed.handled += 1
        return True

    def _failed(self, connection: Connection, marks: Marks, delivery: Delivery, error: Exception) -> bool:
        """Park the event after its last attempt, else have it tried again; a lost database ends the batch."""
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise error
        last = self._retries.get(delivery.partition)
        attempts = 1 + (last.attempts if last and last.offset == delivery.offset else 0)
        hopeless = isinstance(error, MalformedEvent)
        if hopeless or (attempts >= self._retry.attempts and not _passes(error)):
            letter = dead_letter(delivery, self._group, error, attempts, self._clock.now())
            self._publish(connection, letter)
            marks.set_aside(identity_of(delivery), PARKED)
            self.consumed.parked += 1
            _LOG.warning(
                "%s parked %s: %s", self._group, identity_of(delivery), letter.header("ratoon_dead_message")
            )
            return True
        due = self._clock.monotonic() + self._retry.backoff.delay_s(attempts)
        self._retries[delivery.partition] = _Retry(delivery.offset, attempts, due)
        self.consumed.retried += 1
        _LOG.info("%s tries %s again: %s", self._group, identity_of(delivery), type(error).__name__)
        return False

    def _prune_sometimes(self) -> None:
        now = self._clock.monotonic()
        if self._pruned is not None and now < self._pruned + _PRUNE_EVERY_S:
            return
        self._pruned = now
        with self._database.write() as connection:
            prune(connection, self._clock.now(), REMEMBER_S)


@contextmanager
def _savepoint(connection: Connection) -> Iterator[None]:
    """Undo what one handler did, and no more, when it fails; as plain SQL, which costs a tenth of `begin_nested`."""
    connection.exec_driver_sql("SAVEPOINT event")
    try:
        yield
    except Exception:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT event")
        raise
    finally:
        connection.exec_driver_sql("RELEASE SAVEPOINT event")


def _passes(error: Exception) -> bool:
    """Return whether the error is temporary: a part that is away, a resource that is busy."""
    code = getattr(error, "code", "")
    if callable(code):
        code = getattr(code(), "name", "")
    return code in _PASSING
