"""A broker that is away for up to a minute: writes and work continue, and every event arrives when it is back."""

import time

import pytest

from ratoon.runtime.services import service_names
from ratoon.testkit.kafka import Broker, kafka_broker
from ratoon.testkit.waiting import until

from .stack import Stack
from .test_machine_faults import waiting

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]
__all__ = ["kafka_broker"]


@pytest.mark.parametrize("away_s", [20.0, pytest.param(60.0, marks=pytest.mark.thorough)])
def test_a_broker_that_is_away_for_a_while(
    stack: Stack, kafka_broker: Broker, monkeypatch: pytest.MonkeyPatch, away_s: float
) -> None:
    for service in service_names():
        monkeypatch.setenv(f"RATOON_{service.upper()}_EVENTS", f"kafka://{kafka_broker.wired}")
    stack.up()
    stack.project("p")
    source = stack.source("p")
    assert stack.end(stack.dataset("p", source.name, "before")).state == "STATE_READY"
    until(lambda: not any(waiting(stack)), 60)
    with kafka_broker.wire.away():
        began = time.monotonic()
        during = stack.end(stack.dataset("p", source.name, "during"))
        assert during.state == "STATE_READY", "work does not wait for the broker"
        assert all(stack.installation.ready(service) for service in service_names()), "nor does readiness"
        assert any(waiting(stack)), "events wait to be published"
        stack.down()
        stack.up()
        assert any(waiting(stack)), "and still does after a restart"
        time.sleep(max(0.0, away_s - (time.monotonic() - began)))
    until(lambda: not any(waiting(stack)), 90)
    consumed = stack.databases().rows("flywheel", "SELECT count(*) FROM inbox_events")
    assert consumed
    assert stack.end(stack.dataset("p", source.name, "after")).state == "STATE_READY"
    until(lambda: not any(waiting(stack)), 60)
    stack.down()
