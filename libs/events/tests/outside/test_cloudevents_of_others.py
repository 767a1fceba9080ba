"""CloudEvents as the field's Python SDK writes them on Kafka are read with the same attributes, in both modes."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.events.foreign import ForeignEvent, from_json, from_record
from ratoon.events.ports import Record

SDK = Path(__file__).resolve().parents[4] / ".data" / "zoo" / "cloudevents"
pytestmark = pytest.mark.skipif(not SDK.is_dir(), reason="needs scripts/zoo.py cloudevents")
_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cn")), min_size=1, max_size=80)


@pytest.fixture(scope="module")
def sdk():
    sys.path.insert(0, str(SDK))
    try:
        from cloudevents.core.bindings import kafka
        from cloudevents.core.formats.json import JSONFormat
        from cloudevents.core.v1.event import CloudEvent

        yield SimpleNamespace(kafka=kafka, format=JSONFormat(), event=CloudEvent)
    finally:
        sys.path.remove(str(SDK))


@given(
    id=_TEXT,
    source=_TEXT,
    type=_TEXT,
    subject=_TEXT,
    time=st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    data=st.none() | st.dictionaries(_TEXT, st.integers(), max_size=3) | st.binary(max_size=20),
)
def test_both_modes_are_read(sdk, id, source, type, subject, time, data):
    attributes = {"id": id, "source": source, "type": type, "subject": subject, "specversion": "1.0"}
    event = sdk.event(attributes={**attributes, "time": time, "comexampleextension": "x"}, data=data)
    expected = ForeignEvent(id, source, type, subject, time)
    for write in (sdk.kafka.to_binary, sdk.kafka.to_structured):
        message = write(event, sdk.format)
        assert from_record(Record("topic", b"", message.value, tuple(message.headers.items()))) == expected
    assert from_json(sdk.format.write(event)) == expected
