"""CloudEvents of other systems: the examples of the specification are read, what deviates is refused."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.events.foreign import MAX_BYTES, ForeignEvent, TooLarge, from_json, from_record
from ratoon.events.ports import MalformedEvent, Record

EXAMPLE = {
    "specversion": "1.0",
    "type": "com.github.pull_request.opened",
    "source": "https://github.com/cloudevents/spec/pull",
    "subject": "123",
    "id": "A234-1234-1234",
    "time": "2018-04-05T17:31:00Z",
    "comexampleextension1": "value",
    "comexampleothervalue": 5,
    "datacontenttype": "text/xml",
    "data": '<much wow="xml"/>',
}
"""The example of the specification."""
READ = ForeignEvent(
    "A234-1234-1234",
    "https://github.com/cloudevents/spec/pull",
    "com.github.pull_request.opened",
    "123",
    datetime(2018, 4, 5, 17, 31, tzinfo=UTC),
)


def body(**changes: object) -> bytes:
    event = EXAMPLE | changes
    return json.dumps({name: value for name, value in event.items() if value is not ...}).encode()


def record(headers: dict[str, bytes | None], value: bytes = b"", more: tuple = ()) -> Record:
    return Record("topic", b"", value, (*headers.items(), *more))


BINARY = {
    "ce_specversion": b"1.0",
    "ce_type": b"com.github.pull_request.opened",
    "ce_source": b"https://github.com/cloudevents/spec/pull",
    "ce_subject": b"123",
    "ce_id": b"A234-1234-1234",
    "ce_time": b"2018-04-05T17:31:00Z",
    "content-type": b"application/avro",
}


def test_the_example_of_the_specification_is_read_in_every_mode() -> None:
    assert from_json(body()) == READ
    structured = {"content-type": b"application/cloudevents+json; charset=UTF-8"}
    assert from_record(record(structured, body())) == READ
    assert from_record(record(BINARY, b"\x00avro")) == READ


def test_a_producer_without_data_key_or_subject_is_read() -> None:
    headers = {name: value for name, value in BINARY.items() if name not in ("ce_subject", "ce_time")}
    assert from_record(record({**headers, "other": None})) == ForeignEvent(READ.id, READ.source, READ.type)
    assert from_json(body(subject=None, time=None, data=None)).time is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-04-05T17:31:00.123456789Z", datetime(2018, 4, 5, 17, 31, 0, 123456, UTC)),
        ("2018-04-05t19:31:00+02:00", READ.time),
    ],
)
def test_times_are_those_of_rfc_3339(text: str, expected: datetime) -> None:
    assert from_json(body(time=text)).time == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"specversion": ...}, "no specversion"),
        ({"specversion": "0.3"}, "0.3"),
        ({"specversion": 1.0}, "1.0"),
        ({"id": ...}, "no id"),
        ({"id": ""}, "no id"),
        ({"id": 7}, "id must be a text"),
        ({"source": ...}, "no source"),
        ({"type": ["a"]}, "type must be a text"),
        ({"id": "x" * 257}, "257"),
        ({"subject": "a\nb"}, "control"),
        ({"subject": "\ud800"}, "half"),
        ({"subject": "\U0001ffff"}, "noncharacter"),
        ({"time": "2018-04-05"}, "RFC 3339"),
        ({"time": "2018-04-05T17:31:00"}, "RFC 3339"),
        ({"time": "2018-13-05T17:31:00Z"}, "RFC 3339"),
        ({"time": "0001-01-01T00:00:00+23:00"}, "RFC 3339"),
        ({"time": 1522949460}, "RFC 3339"),
        ({"Extension": "x"}, "Extension"),
        ({"data_base64": "AA=="}, "both"),
    ],
)
def test_what_deviates_is_refused_with_what_is_wrong(changes: dict, message: str) -> None:
    with pytest.raises(MalformedEvent, match=message):
        from_json(body(**changes))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"[{}]",
        b"null",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"specversion":"1.0","id":"a","id":"b","source":"s","type":"t"}',
        b'{"specversion":"1.0","id":"a","source":"s","type":"t","data":NaN}',
    ],
)
def test_what_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedEvent):
        from_json(text)


@pytest.mark.parametrize(
    "one",
    [
        record({}),
        record({"content-type": b"application/cloudevents-batch+json"}, b"[]"),
        record({"content-type": b"application/cloudevents+avro"}, b"{}"),
        record({**BINARY, "ce_id": b"\xff"}),
        record({**BINARY, "ce_id": None}),
        record(BINARY, more=(("ce_id", b"another"),)),
        record(BINARY, more=(("CE_ID", b"another"),)),
    ],
)
def test_a_record_that_is_no_event_is_refused(one: Record) -> None:
    with pytest.raises(MalformedEvent):
        from_record(one)


def test_the_size_has_a_bound() -> None:
    with pytest.raises(TooLarge):
        from_json(b" " * (MAX_BYTES + 1))
    with pytest.raises(TooLarge):
        from_record(record(BINARY, b"x" * MAX_BYTES))


@given(st.binary(max_size=200), st.lists(st.tuples(st.text(), st.none() | st.binary())))
def test_any_bytes_are_an_event_or_malformed(value: bytes, headers: list) -> None:
    with suppress(MalformedEvent):
        from_record(Record("topic", b"", value, tuple(headers)))
    with suppress(MalformedEvent):
        from_json(value)


_TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=100)


@given(_TEXT, _TEXT, _TEXT, _TEXT, st.datetimes(timezones=st.just(timezone(timedelta(hours=5)))))
def test_both_modes_read_the_same(id: str, source: str, type: str, subject: str, time: datetime) -> None:
    texts = {"id": id, "source": source, "type": type, "subject": subject}
    try:
        utc = time.astimezone(UTC)
    except OverflowError:
        return
    written = {**texts, "specversion": "1.0", "time": time.isoformat()}
    expected = ForeignEvent(**texts, time=utc)
    assert from_json(json.dumps(written).encode()) == expected
    assert from_record(record({f"ce_{name}": text.encode() for name, text in written.items()})) == expected
