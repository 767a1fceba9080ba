"""Times of the domain as protobuf timestamps and back."""

from datetime import UTC, datetime, timedelta, timezone

from ratoon.flywheel.v1.flywheel_service_pb2 import CompareVersionsRequest
from ratoon.runtime.timestamps import time_of, timestamp

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)


def test_a_time_survives_the_round_trip():
    assert timestamp(NOON).ToDatetime(UTC) == NOON


def test_a_time_of_another_zone_is_the_same_instant():
    assert timestamp(NOON.astimezone(timezone(timedelta(hours=9)))) == timestamp(NOON)


def test_a_time_without_a_zone_is_utc():
    assert timestamp(NOON.replace(tzinfo=None)) == timestamp(NOON)


def test_no_time_has_no_timestamp():
    assert timestamp(None) is None


def test_a_field_that_is_not_set_has_no_time():
    request = CompareVersionsRequest(start_time=timestamp(NOON))
    assert (time_of(request, "start_time"), time_of(request, "end_time")) == (NOON, None)
