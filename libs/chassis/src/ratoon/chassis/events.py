"""How a room meets the event log: its topics from the descriptors, its outbox, its relay. It knows no domain."""

from datetime import UTC, datetime

from google.protobuf.descriptor_pool import Default as default_pool
from google.protobuf.message import Message
from opentelemetry.propagate import inject
from sqlalchemy import MetaData

from ratoon.chassis import outbox
from ratoon.chassis.clock import Clock
from ratoon.chassis.database import Database
from ratoon.chassis.operations import operations_table
from ratoon.chassis.settings import RoomSettings
from ratoon.common.v1 import options_pb2
from ratoon.events import inbox
from ratoon.events.cloudevents import Event
from ratoon.events.embedded import EmbeddedLog
from ratoon.events.ports import EventLog, Record, Topic


def room_metadata() -> MetaData:
    """The tables that every room has: operations, outbox, inbox."""
    metadata = MetaData()
    operations_table(metadata)
    outbox.outbox_tables(metadata)
    inbox.inbox_tables(metadata)
    return metadata


def record_of(service: str, envelope: Message) -> Record:
    """A topic's envelope message as a record: key and revision are the resource's, the type is the event's."""
    descriptor = envelope.DESCRIPTOR
    happened = descriptor.fields_by_name[str(envelope.WhichOneof("event"))].message_type
    assert happened is not None, "an envelope's oneof holds messages"
    carrier: dict[str, str] = {}
    inject(carrier)
    return Event(
        topic=topic_of(type(envelope)),
        type=happened.full_name,
        source=service,
        subject=envelope.name,  # type: ignore[attr-defined]
        time=datetime.now(UTC),
        data=envelope.SerializeToString(),
        revision=envelope.revision,  # type: ignore[attr-defined]
        traceparent=carrier.get("traceparent", ""),
    ).record()


def topic_of(envelope: type[Message]) -> str:
    """The topic whose envelope this message is."""
    return str(envelope.DESCRIPTOR.GetOptions().Extensions[options_pb2.topic])


def topics_of(service: str) -> list[Topic]:
    """The topics that a room owns: the envelopes in its events file."""
    try:
        file = default_pool().FindFileByName(f"ratoon/{service}/v1/{service}_events.proto")
    except KeyError:
        return []  # a room may have nothing to tell
    names = (m.GetOptions().Extensions[options_pb2.topic] for m in file.message_types_by_name.values())
    return [Topic(name) for name in names if name]


def open_log(settings: RoomSettings, clock: Clock) -> EventLog:
    """The event log of this installation: Kafka by URL, else the embedded one in the state folder."""
    if settings.events.startswith("kafka://"):
        from ratoon.events.kafka import KafkaLog, KafkaSettings

        return KafkaLog(KafkaSettings(bootstrap=settings.events.removeprefix("kafka://")))
    return EmbeddedLog(settings.state / "events", clock)


def relay(settings: RoomSettings, database: Database, log: EventLog, clock: Clock) -> outbox.Relay:
    """What carries the room's events to the log."""
    return outbox.Relay(settings.service, database, log, clock, topics_of(settings.service))
