"""Connections to `ratoon.ingestion.v1.Connection` and back, and their events."""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from google.protobuf.message import Message

from ratoon.ingestion.v1 import ingestion_events_pb2 as events
from ratoon.ingestion.v1 import ingestion_service_pb2 as pb
from ratoon.ingestion.v1.connection_pb2 import Connection as ConnectionMessage
from ratoon.ingestion.v1.connection_pb2 import DeadLetter as DeadLetterMessage
from ratoon.runtime.timestamps import timestamp
from ratoon_ingestion.application.commands import CreateConnection, UpdateConnection
from ratoon_ingestion.application.ports import DeadLetter
from ratoon_ingestion.domain.connections import (
    Connection,
    ConnectionFailed,
    ConnectionKind,
    ConnectionRead,
    ConnectionState,
    Reading,
    Vanished,
)
from ratoon_ingestion.domain.errors import BadConnection
from ratoon_ingestion.domain.schedules import Schedule
from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.source_messages import (
    columns_message,
    columns_of,
    format_message,
    format_of,
    sample_by_message,
    sample_by_of,
)

_TEXTS = (
    "url",
    "display_name",
    "pattern",
    "query",
    "cursor_column",
    "key_column",
    "overlap",
    "encoding",
    "consent",
    "domain",
)
_VANISHED = {
    ConnectionMessage.VANISHED_UNSPECIFIED: Vanished.KEEP,
    ConnectionMessage.VANISHED_KEEP: Vanished.KEEP,
    ConnectionMessage.VANISHED_WITHDRAW: Vanished.WITHDRAW,
}
_AS_THEY_ARE = ("display_name", "pattern", "overlap", "consent", "domain", "paused", "query", "encoding")
_CHANGES: dict[str, Callable[[ConnectionMessage], Any]] = {
    **{name: attrgetter(name) for name in _AS_THEY_ARE},
    "columns": lambda message: columns_of(message.columns),
    "format": lambda message: format_of(message),
    "vanished": lambda message: _VANISHED[message.vanished],
    "schedule": lambda message: _schedule(message.schedule),
    "max_items": lambda message: message.max_items or _DEFAULTS["max_items"],
    "max_bytes": lambda message: message.max_bytes or _DEFAULTS["max_bytes"],
}
_DEFAULTS: dict[str, Any] = {each.name: each.default for each in fields(Connection)}


def connection_message(value: Connection) -> ConnectionMessage:
    """Return a connection as callers see it."""
    message = ConnectionMessage(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        etag=value.etag,
        kind=ConnectionMessage.Kind.Value(f"KIND_{value.kind}"),
        **{name: getattr(value, name) for name in _TEXTS},
        labels_by_folder=value.labels_by_folder,
        columns=columns_message(value.columns),
        sample_by=sample_by_message(value.format, value.sample_by),
        license=value.licence,
        max_items=value.max_items,
        max_bytes=value.max_bytes,
        paused=value.paused,
        state=_state(value),
        next_read_time=None if value.paused else timestamp(value.next_read_time),
        record_count=value.record_count,
        position=value.position,
        vanished=ConnectionMessage.Vanished.Value(f"VANISHED_{value.vanished.name}"),
        withdrawn_count=value.withdrawn_count,
        dead_letter_count=sum(each.count for each in value.dead_letters),
    )
    if value.kind is ConnectionKind.FSSPEC:
        message.format = format_message(value.format)
    if value.schedule != Schedule():
        message.schedule.interval_seconds, message.schedule.cron = (
            value.schedule.interval_s,
            value.schedule.cron,
        )
    if value.last_reading is not None:
        message.last_reading.CopyFrom(_reading(value.last_reading))
    if value.failure.reason:
        message.failure.reason, message.failure.message = value.failure.reason, value.failure.message
        message.failure.time.CopyFrom(timestamp(value.failure_time or value.update_time))
    return message


def create_connection(request: pb.CreateConnectionRequest, now: datetime) -> CreateConnection:
    """Return the command of a CreateConnection request."""
    message = request.connection
    if not message.kind:
        raise BadConnection("kind is not set; choose KIND_FSSPEC, KIND_SQL or KIND_KAFKA.")
    kind = ConnectionKind(ConnectionMessage.Kind.Name(message.kind).removeprefix("KIND_"))
    connection = Connection(
        name="",
        create_time=now,
        update_time=now,
        kind=kind,
        **{name: getattr(message, name) for name in _TEXTS},
        format=_format(message, kind),
        labels_by_folder=dict(message.labels_by_folder),
        columns=columns_of(message.columns),
        sample_by=sample_by_of(message),
        licence=message.license,
        schedule=_schedule(message.schedule),
        paused=message.paused,
        max_items=_CHANGES["max_items"](message),
        max_bytes=_CHANGES["max_bytes"](message),
        vanished=_VANISHED[message.vanished],
    )
    return CreateConnection(request.parent, request.connection_id, connection, request.request_id)


def update_connection(request: pb.UpdateConnectionRequest) -> UpdateConnection:
    """Return the command of an UpdateConnection request."""
    message = request.connection
    changes: dict[str, Any] = {}
    for path in request.update_mask.paths:
        if path == "license":
            changes["licence"] = message.license
        elif path in _CHANGES:
            changes[path] = _CHANGES[path](message)
        else:
            raise BadConnection(f"update_mask names {path!r}, which cannot be changed.")
    return UpdateConnection(message.name, changes, message.etag)


def connection_event(happened: object, name: str, revision: int) -> Message:
    """Return an event of a connection in its envelope."""
    match happened:
        case ConnectionRead(sources, counts, domain):
            read = events.ConnectionRead(
                sources=sources, record_count=sum(counts), domain=domain, record_counts=counts
            )
            return events.ConnectionEvent(name=name, revision=revision, read=read)
        case ConnectionFailed(reason):
            failed = events.ConnectionFailed(reason=reason)
            return events.ConnectionEvent(name=name, revision=revision, failed=failed)
    raise TypeError(f"{happened!r} is not an event of a connection")


def _state(value: Connection) -> "ConnectionMessage.State.ValueType":
    """Return the state; a reading that was requested counts as one."""
    if value.state is ConnectionState.IDLE and (value.read_requested or value.replay_requested):
        return ConnectionMessage.STATE_READING
    return ConnectionMessage.State.Value(f"STATE_{value.state}")


def _reading(value: Reading) -> ConnectionMessage.Reading:
    return ConnectionMessage.Reading(
        number=value.number,
        start_time=timestamp(value.start_time),
        end_time=timestamp(value.end_time),
        sources=value.sources,
        record_count=value.record_count,
        listed_count=value.listed_count,
        taken_count=value.taken_count,
        skipped_counts=value.skipped_counts,
        size_bytes=value.size_bytes,
        notes=value.notes,
        more=value.more,
        vanished_count=value.vanished_count,
        withdrawn_count=value.withdrawn_count,
        dead_letter_count=value.dead_letter_count,
    )


def dead_letter_message(value: DeadLetter) -> DeadLetterMessage:
    """Return a dead letter as callers see it."""
    return DeadLetterMessage(
        partition=value.partition,
        offset=value.offset,
        time=timestamp(value.time),
        reason=value.reason,
        detail=value.detail,
        key=value.key,
        value=value.value,
        size_bytes=value.size_bytes,
        reading=value.reading,
    )


def _schedule(message: ConnectionMessage.Schedule) -> Schedule:
    return Schedule(message.interval_seconds, message.cron)


def _format(message: ConnectionMessage, kind: ConnectionKind) -> Format:
    """Return the format of the objects; rows and messages become JSON Lines."""
    if kind is ConnectionKind.FSSPEC:
        return format_of(message)
    if message.format:
        raise BadConnection(f"format can only be set for a connection of the kind FSSPEC, not {kind}.")
    return Format.JSONL
