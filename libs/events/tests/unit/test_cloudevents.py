"""The wire: CloudEvents in and out, byte for byte."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.events.cloudevents import Event, event_of
from ratoon.events.headers import headers_of, headers_text
from ratoon.events.ports import MalformedEvent, Record, RecordRefused, checked

EVENT = Event(
    topic="ratoon.registry.v1.model-versions",
    type="ratoon.registry.v1.ModelVersionRegistered",
    source="registry",
    subject="projects/mail/models/spam/versions/v1.0",
    time=datetime(2026, 6, 1, 12, tzinfo=UTC),
    data=b"\x0a\x00",
    revision=3,
    id="6f1c3c60-9c0c-4d3f-8e4e-1f2b8b1f9a00",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)


def test_the_wire_is_the_kafka_binding_in_binary_mode() -> None:
    record = EVENT.record()
    assert (record.key, record.value) == (EVENT.subject.encode(), EVENT.data)
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": EVENT.id.encode(),
        "ce_type": b"ratoon.registry.v1.ModelVersionRegistered",
        "ce_source": b"registry",
        "ce_subject": EVENT.subject.encode(),
        "ce_time": b"2026-06-01T12:00:00Z",
        "ce_revision": b"3",
        "content-type": b"application/protobuf",
        "traceparent": EVENT.traceparent.encode(),
    }


@given(
    subject=st.text(min_size=1).filter(lambda text: text.encode("utf-8", "ignore").decode() == text),
    time=st.datetimes(timezones=st.just(UTC)),
    data=st.binary(),
    revision=st.integers(0, 2**62),
)
def test_an_event_survives_the_wire(subject: str, time: datetime, data: bytes, revision: int) -> None:
    event = replace(EVENT, subject=subject, time=time, data=data, revision=revision)
    assert event_of(event.record()) == event


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ce_id", None),
        ("ce_type", None),
        ("ce_time", b"yesterday"),
        ("ce_specversion", b"0.3"),
        ("ce_revision", b"three"),
        ("ce_source", b"\xff"),
        ("content-type", b"application/json"),
    ],
)
def test_what_is_no_event_is_said_to_be_none(header: str, value: bytes | None) -> None:
    headers = dict(EVENT.record().headers) | ({header: value} if value is not None else {})
    if value is None:
        del headers[header]
    with pytest.raises(MalformedEvent):
        event_of(replace(EVENT.record(), headers=tuple(headers.items())))


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.binary())))
def test_headers_survive_as_text(headers: list[tuple[str, bytes]]) -> None:
    text = headers_text(Record("topic", b"key", b"", tuple(headers)))
    assert text.isascii()
    assert headers_of(text) == tuple(headers)


@given(st.binary(max_size=200), st.lists(st.tuples(st.text(), st.binary())))
def test_any_bytes_are_an_event_or_malformed(value: bytes, headers: list[tuple[str, bytes]]) -> None:
    record = Record("topic", value, value, tuple(headers))
    with suppress(MalformedEvent):
        event_of(record)


def test_a_record_needs_a_key_and_has_a_bound() -> None:
    with pytest.raises(RecordRefused):
        checked(Record("topic", b"", b"value"))
    with pytest.raises(RecordRefused):
        checked(Record("topic", b"key", bytes(900_001)))
