"""Events of other rooms wake the pipeline run that waits for them; what is true is asked of the room itself."""

from collections.abc import Callable

from sqlalchemy import Connection

from ratoon.chassis.events import topic_of
from ratoon.chassis.operations import Operations
from ratoon.chassis.store import Store, Transaction
from ratoon.evaluation.v1 import evaluation_events_pb2
from ratoon.events.cloudevents import Event
from ratoon.ingestion.v1 import ingestion_events_pb2
from ratoon.labeling.v1 import labeling_events_pb2
from ratoon.registry.v1 import registry_events_pb2
from ratoon.serving.v1 import serving_events_pb2
from ratoon.training.v1 import training_events_pb2
from ratoon_flywheel.application.ports import RunIndex

TOPICS = tuple(
    topic_of(envelope)
    for envelope in (
        ingestion_events_pb2.DatasetVersionEvent,
        ingestion_events_pb2.SplitEvent,
        labeling_events_pb2.LabelSetEvent,
        training_events_pb2.TrainingRunEvent,
        evaluation_events_pb2.EvaluationRunEvent,
        registry_events_pb2.ModelVersionEvent,
        serving_events_pb2.RolloutEvent,
    )
)


def waker(store: Store, operations: Operations, runs: RunIndex) -> Callable[[Event, Connection], None]:
    """The handler of these events."""

    def wake(event: Event, connection: Connection) -> None:
        tx = Transaction(store, connection)
        run = runs.run_of(tx, event.subject)
        if run:
            operations.wake(tx, run)

    return wake
