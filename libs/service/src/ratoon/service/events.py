"""Connection of a service to the event log: topics from the descriptors, outbox, relay. It knows no domain."""

from datetime import UTC, datetime

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from opentelemetry.trace import SpanKind, Tracer
from sqlalchemy import Connection, MetaData

from ratoon.common.v1 import options_pb2
from ratoon.events import inbox
from ratoon.events.cloudevents import Event
from ratoon.events.consumer import Handler
from ratoon.events.embedded import EmbeddedLog
from ratoon.events.ports import EventLog, Record, Topic
from ratoon.operations.operations import operations_table
from ratoon.process.clock import Clock
from ratoon.process.errors import FailedPrecondition
from ratoon.runtime import logs, services, tracing
from ratoon.runtime.settings import ServiceSettings
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.store import retired_table


def service_metadata() -> MetaData:
    """Return the tables that every service has: operations, outbox, inbox, retired names."""
    metadata = MetaData()
    operations_table(metadata)
    retired_table(metadata)
    outbox.outbox_tables(metadata)
    inbox.inbox_tables(metadata)
    return metadata


def record_of(service: str, envelope: Message) -> Record:
    """A topic's envelope message as a record: key and revision are the resource's, the type is the event's."""
    descriptor = envelope.DESCRIPTOR
    happened = descriptor.fields_by_name[str(envelope.WhichOneof("event"))].message_type
    assert happened is not None, "an envelope's oneof holds messages"
    return Event(
        topic=topic_of(type(envelope)),
        type=happened.full_name,
        source=service,
        subject=envelope.name,  # type: ignore[attr-defined]
        time=datetime.now(UTC),
        data=envelope.SerializeToString(),
        revision=envelope.revision,  # type: ignore[attr-defined]
        traceparent=tracing.current(),
    ).record()


def topic_of(envelope: type[Message]) -> str:
    """The topic whose envelope this message is."""
    return str(envelope.DESCRIPTOR.GetOptions().Extensions[options_pb2.topic])


def topics_of(service: str) -> list[Topic]:
    """Return the topics of a service: the envelopes in its events file, none if it has no such file."""
    events: FileDescriptor | None = services.load_optional("ratoon.topics", service)
    messages = events.message_types_by_name.values() if events else ()
    names = (message.GetOptions().Extensions[options_pb2.topic] for message in messages)
    return [Topic(name) for name in names if name]


def open_log(settings: ServiceSettings, clock: Clock) -> EventLog:
    """The event log of this installation: Kafka by URL, else the embedded one in the state directory."""
    if settings.events.startswith("kafka://"):
        from ratoon.events.kafka import KafkaLog, KafkaSettings

        bootstrap = settings.events.removeprefix("kafka://")
        return KafkaLog(KafkaSettings(bootstrap, security=kafka_security(settings)))
    return EmbeddedLog(settings.state / "events", clock)


def kafka_security(settings: ServiceSettings) -> dict[str, str]:
    """Return the TLS and SASL options of Kafka clients; FailedPrecondition when a name or password is missing."""
    protocol = settings.kafka_security_protocol
    options: dict[str, str] = {"security_protocol": protocol}
    if protocol.endswith("SSL") and settings.kafka_ca is not None:
        options["ssl_cafile"] = str(settings.kafka_ca)
    if not protocol.startswith("SASL"):
        return options
    password = settings.kafka_password.get_secret_value()
    if not (settings.kafka_username and password):
        prefix = f"RATOON_{settings.service.upper()}_KAFKA"
        raise FailedPrecondition(
            f"{protocol} needs {prefix}_USERNAME and {prefix}_PASSWORD.", reason="KAFKA_CREDENTIALS_MISSING"
        )
    return options | {
        "sasl_mechanism": settings.kafka_sasl_mechanism,
        "sasl_plain_username": settings.kafka_username,
        "sasl_plain_password": password,
    }


def traced_handler(service: str, tracer: Tracer, handler: Handler) -> Handler:
    """Return a handler of events that continues the trace of the event."""

    def consume(event: Event, connection: Connection) -> None:
        cause = tracing.context_of(event.traceparent or tracing.unsampled())
        attributes = {
            "ratoon.resource": event.subject,
            "cloudevents.event_type": event.type,
            "messaging.destination.name": event.topic,
            "messaging.operation.name": "process",
        }
        with (
            logs.about(service, event.subject),
            tracer.start_as_current_span(f"process {event.topic}", cause, SpanKind.CONSUMER, attributes),
        ):
            handler(event, connection)

    return consume


def relay(settings: ServiceSettings, database: Database, log: EventLog, clock: Clock) -> outbox.Relay:
    """Return the relay that publishes the service's events to the log."""
    return outbox.Relay(settings.service, database, log, clock, topics_of(settings.service))
