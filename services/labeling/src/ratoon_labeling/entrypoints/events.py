"""Erasures of records, published by ingestion: their annotations and tasks are deleted."""

from collections.abc import Callable

from sqlalchemy import Connection

from ratoon.events.cloudevents import Event
from ratoon.ingestion.v1.ingestion_events_pb2 import ErasureEvent
from ratoon.service.events import topic_of
from ratoon.storage.names import parent_of
from ratoon.storage.store import Store, Transaction
from ratoon_labeling.application import handlers
from ratoon_labeling.application.commands import ForgetRecords
from ratoon_labeling.application.ports import Ledger, TaskQueue

TOPICS = (topic_of(ErasureEvent),)


def on_erasure(store: Store, ledger: Ledger, queues: TaskQueue) -> Callable[[Event, Connection], None]:
    """Return the handler of erasures."""

    def forget(event: Event, connection: Connection) -> None:
        message = ErasureEvent.FromString(event.data)
        if message.HasField("completed"):
            command = ForgetRecords(parent_of(message.name), tuple(message.completed.record_ids))
            handlers.forget_records(command, Transaction(store, connection), ledger, queues)

    return forget
