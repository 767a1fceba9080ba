"""Events of other services: erasures delete annotations and tasks; new answers wake the intakes of queues."""

from collections.abc import Callable

from sqlalchemy import Connection

from ratoon.evaluation.v1.evaluation_events_pb2 import EvaluationRunEvent
from ratoon.events.cloudevents import Event
from ratoon.flywheel.v1.flywheel_events_pb2 import SignalEvent
from ratoon.ingestion.v1.ingestion_events_pb2 import ErasureEvent
from ratoon.operations.operations import Operations
from ratoon.service.events import topic_of
from ratoon.storage.names import parent_of
from ratoon.storage.store import Store, Transaction
from ratoon_labeling.application import handlers
from ratoon_labeling.application.commands import ForgetRecords
from ratoon_labeling.application.intake import wake_intakes
from ratoon_labeling.application.ports import Ledger, TaskQueue

ERASURES, SIGNALS, EVALUATIONS = map(topic_of, (ErasureEvent, SignalEvent, EvaluationRunEvent))
TOPICS = (ERASURES, SIGNALS, EVALUATIONS)
_COALESCE_S = 0.5
"""Seconds within which all new answers of a project cause one reading."""
_Handler = Callable[[Event, Connection], None]


def on_erasure(store: Store, ledger: Ledger, queues: TaskQueue) -> _Handler:
    """Return the handler of erasures."""

    def forget(event: Event, connection: Connection) -> None:
        message = ErasureEvent.FromString(event.data)
        if message.HasField("completed"):
            completed = message.completed
            command = ForgetRecords(
                parent_of(message.name), tuple(completed.record_ids), tuple(completed.text_digests)
            )
            handlers.forget_records(command, Transaction(store, connection), ledger, queues)

    return forget


def on_answers(store: Store, operations: Operations) -> _Handler:
    """Return the handler of traffic, feedback and evaluation runs: the intakes of their project read them."""

    def wake(event: Event, connection: Connection) -> None:
        project = parent_of(event.subject)
        wake_intakes(Transaction(store, connection), project, operations, _COALESCE_S)

    return wake


def subscriber(forget: _Handler, wake: _Handler) -> _Handler:
    """Return the handler of all topics."""

    def consume(event: Event, connection: Connection) -> None:
        (forget if event.topic == ERASURES else wake)(event, connection)

    return consume
