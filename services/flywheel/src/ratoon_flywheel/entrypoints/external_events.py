"""CloudEvents of other systems on topics that are not ours: each becomes an external event, once.

A batch commits in one transaction before its offsets do; what is read again after a crash is known by source and id.
A record that is no CloudEvent is counted and passed over. Topics are read from their oldest record.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence

from ratoon.events.foreign import ForeignEvent, from_record
from ratoon.events.ports import (
    Delivery,
    EventLog,
    EventLogError,
    Fenced,
    MalformedEvent,
    Partition,
    Subscription,
)
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.process.loop import BackgroundLoop
from ratoon.storage.store import Store, Transaction
from ratoon_flywheel import mapping
from ratoon_flywheel.application.external_events import EventCounts, receive_for_all

_LOG = logging.getLogger(__name__)
_GROUP = "flywheel-external-events"
_BATCH = 100
_IDLE_S = 0.5

Receive = Callable[[Sequence[tuple[ForeignEvent, str]], Transaction], None]
"""Stores events, each with its topic, in the transaction."""


class ExternalEventConsumer:
    """Consumer of topics with events of other systems, on its own thread."""

    def __init__(
        self, topics: Collection[str], log: EventLog, store: Store, counts: EventCounts, receive: Receive
    ) -> None:
        self._topics, self._log, self._store = list(topics), log, store
        self._counts, self._receive = counts, receive
        self._subscription: Subscription | None = None
        self._loop = BackgroundLoop(_GROUP, self._step)

    def start(self) -> None:
        """Begin, if there are topics; nothing of the log is needed for that."""
        if self._topics:
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
                _LOG.info("%s left its group untidily: %s", _GROUP, error)
            self._subscription = None

    def _step(self) -> float:
        if self._subscription is None:
            self._subscription = self._log.subscribe(_GROUP, self._topics)
        deliveries = self._subscription.poll(_IDLE_S, _BATCH)
        if deliveries:
            self._take(self._subscription, deliveries)
        return 0.0

    def _take(self, subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
        """Handle a batch, then commit its offsets; when the transaction fails, read the batch again."""
        try:
            with self._store.write() as tx:
                self._receive(list(self._events(deliveries)), tx)
        except Exception:
            for delivery in reversed(deliveries):
                subscription.seek(delivery.partition, delivery.offset)
            raise
        done: dict[Partition, int] = {each.partition: each.offset + 1 for each in deliveries}
        try:
            subscription.commit(done)
        except Fenced as error:
            _LOG.info("%s", error)

    def _events(self, deliveries: Sequence[Delivery]) -> Iterator[tuple[ForeignEvent, str]]:
        """Yield the events of a batch; a record that is none is counted."""
        for delivery in deliveries:
            topic = delivery.partition.topic
            try:
                yield from_record(delivery.record), topic
            except MalformedEvent as error:
                self._counts.add(topic, error.reason)
                place = f"{topic}/{delivery.partition.number}/{delivery.offset}"
                _LOG.info("the record %s is no event that can start a run: %s", place, error.reason)


def receiver(operations: Operations, counts: EventCounts, clock: Clock) -> Receive:
    """Return what stores the events of topics."""

    def receive(events: Sequence[tuple[ForeignEvent, str]], tx: Transaction) -> None:
        read = (mapping.topic_event(event, topic) for event, topic in events)
        receive_for_all(read, tx, operations, counts, clock.now())

    return receive
