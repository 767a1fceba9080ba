"""Events of other services: they wake the pipeline run that waits for them, and name the texts to forget.

The state of a stage is read from its service.
"""

from google.protobuf.message import Message
from sqlalchemy import Connection

from ratoon.evaluation.v1 import evaluation_events_pb2
from ratoon.events.cloudevents import Event
from ratoon.events.consumer import Handler
from ratoon.flywheel.v1 import flywheel_events_pb2
from ratoon.ingestion.v1 import ingestion_events_pb2
from ratoon.labeling.v1 import labeling_events_pb2
from ratoon.operations.operations import Operations
from ratoon.registry.v1 import registry_events_pb2
from ratoon.service.events import topic_of
from ratoon.serving.v1 import serving_events_pb2
from ratoon.storage.names import parent_of
from ratoon.storage.store import Store, Transaction
from ratoon.training.v1 import training_events_pb2
from ratoon_flywheel.application.commands import ForgetTexts
from ratoon_flywheel.application.external_events import EventCounts, receive_readings
from ratoon_flywheel.application.forgetting import begin_forgetting
from ratoon_flywheel.application.handlers import wake_signals
from ratoon_flywheel.application.ports import RunIndex
from ratoon_flywheel.mapping import readings

_COALESCE_S = 0.02
"""Seconds within which all events for a run cause one observation."""
_ENDS: dict[type[Message], tuple[str, ...]] = {
    ingestion_events_pb2.DatasetVersionEvent: ("completed", "failed", "cancelled", "redacted"),
    ingestion_events_pb2.SplitEvent: ("completed", "failed", "cancelled", "redacted"),
    labeling_events_pb2.QueueEvent: ("drained",),
    labeling_events_pb2.LabelSetEvent: ("completed", "failed", "cancelled"),
    training_events_pb2.TrainingRunEvent: ("completed", "failed", "cancelled"),
    training_events_pb2.CompressionEvent: ("completed", "failed", "cancelled"),
    training_events_pb2.ModelExportEvent: ("completed", "failed", "cancelled"),
    evaluation_events_pb2.EvaluationRunEvent: ("completed", "failed", "cancelled"),
    registry_events_pb2.ModelVersionEvent: ("registered", "failed", "cancelled"),
    serving_events_pb2.RolloutEvent: ("succeeded", "rolled_back", "failed"),
}
"""Events by which the resource of a stage ends, by their envelope."""
_RUN_ENDS = ("succeeded", "refused", "failed", "cancelled", "rolled_back")


def _event_type(envelope: type[Message], field: str) -> str:
    event = envelope.DESCRIPTOR.fields_by_name[field].message_type
    assert event is not None, "an envelope's oneof holds messages"
    return str(event.full_name)


END_TYPES = frozenset(
    _event_type(envelope, field)
    for envelope, fields in {**_ENDS, flywheel_events_pb2.PipelineRunEvent: _RUN_ENDS}.items()
    for field in fields
)
WAKING = tuple(topic_of(envelope) for envelope in _ENDS)
RUNS = topic_of(flywheel_events_pb2.PipelineRunEvent)
ERASURES = topic_of(ingestion_events_pb2.ErasureEvent)
COLLECTING = tuple(
    map(
        topic_of,
        (
            ingestion_events_pb2.ConnectionEvent,
            ingestion_events_pb2.StreamEvent,
            ingestion_events_pb2.CrawlEvent,
        ),
    )
)
"""Topics of what creates sources by itself."""
TOPICS = (*WAKING, RUNS, ERASURES, *COLLECTING)


def on_stage_end(store: Store, operations: Operations, runs: RunIndex) -> Handler:
    """Return the handler of events that end something: a stage's resource wakes its run, a run wakes the policies."""

    def wake(event: Event, connection: Connection) -> None:
        if event.type not in END_TYPES:
            return
        tx = Transaction(store, connection)
        if event.topic == RUNS:
            wake_signals(tx, operations, parent_of(event.subject), _COALESCE_S)
        elif run := runs.run_of(tx, event.subject):
            operations.wake(tx, run, _COALESCE_S)

    return wake


def on_erasure(store: Store, operations: Operations) -> Handler:
    """Return the handler of erasures."""

    def forget(event: Event, connection: Connection) -> None:
        message = ingestion_events_pb2.ErasureEvent.FromString(event.data)
        if message.HasField("completed"):
            project, _, erasure = message.name.rsplit("/", 2)
            texts = tuple(message.completed.text_digests)
            command = ForgetTexts(f"{project}/forgettings/{erasure}", texts, event.time)
            begin_forgetting(command, Transaction(store, connection), operations)

    return forget


def on_reading(store: Store, operations: Operations, counts: EventCounts) -> Handler:
    """Return the handler of sources of connections, streams and crawls, which are new data for policies."""

    def count(event: Event, connection: Connection) -> None:
        if created := readings(event):
            receive_readings(created, Transaction(store, connection), operations, counts)

    return count


def subscriber(wake: Handler, forget: Handler, read: Handler) -> Handler:
    """Return the handler of all topics."""
    by_topic = {ERASURES: forget, **dict.fromkeys(COLLECTING, read)}

    def consume(event: Event, connection: Connection) -> None:
        by_topic.get(event.topic, wake)(event, connection)

    return consume
