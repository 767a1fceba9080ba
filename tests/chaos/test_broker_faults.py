"""A broker that is away for a minute: writes go on, work goes on, and every event comes once it is back."""

import time

import pytest

from ratoon.chassis.services import service_names
from ratoon.testkit.kafka import Broker, kafka_broker
from ratoon.testkit.waiting import until

from .house import House
from .test_machine_faults import waiting

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]
AWAY_S = 60.0
__all__ = ["kafka_broker"]


def test_a_broker_that_is_away_for_a_minute(
    house: House, kafka_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in service_names():
        monkeypatch.setenv(f"RATOON_{service.upper()}_EVENTS", f"kafka://{kafka_broker.wired}")
    house.up()
    house.project("p")
    source = house.source("p")
    assert house.end(house.dataset("p", source["name"], "before"))["state"] == "STATE_READY"
    until(lambda: not any(waiting(house)), 60)
    with kafka_broker.wire.away():
        began = time.monotonic()
        during = house.end(house.dataset("p", source["name"], "during"))
        assert during["state"] == "STATE_READY", "work does not wait for the broker"
        assert all(house.installation.ready(service) for service in service_names()), "nor does readiness"
        assert any(waiting(house)), "what happened waits to be told"
        house.down()
        house.up()
        assert any(waiting(house)), "and still does after a restart"
        time.sleep(max(0.0, AWAY_S - (time.monotonic() - began)))
    until(lambda: not any(waiting(house)), 90)
    told = house.databases().rows("flywheel", "SELECT count(*) FROM inbox_events")
    assert told
    assert house.end(house.dataset("p", source["name"], "after"))["state"] == "STATE_READY"
    until(lambda: not any(waiting(house)), 60)
    house.down()
