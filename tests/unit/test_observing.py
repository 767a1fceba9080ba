"""What `ratoon up` tells the processes when it is asked for metrics and spans."""

from ratoon.sdk.local.observing import Observing
from ratoon.sdk.local.processes import layout


def test_nothing_is_shown_unless_asked():
    for isolated in (False, True):
        assert Observing().environment(layout(isolated)) == {}
        assert Observing().addresses(layout(isolated)) == {}


def test_each_process_has_a_loopback_port_of_its_own():
    assert Observing(9100).addresses(layout(False)) == {
        "control": "127.0.0.1:9100",
        "gateway": "127.0.0.1:9101",
    }
    isolated = Observing(9100).addresses(layout(True))
    assert len(set(isolated.values())) == 8
    assert "console" not in isolated


def test_rooms_of_one_process_are_told_the_same():
    told = Observing(9100, "http://127.0.0.1:4318").environment(layout(False))
    assert told["RATOON_SERVING_METRICS"] == told["RATOON_FLYWHEEL_METRICS"] == "127.0.0.1:9100"
    assert told["RATOON_GATEWAY_METRICS"] == "127.0.0.1:9101"
    assert {value for name, value in told.items() if name.endswith("_OTLP")} == {"http://127.0.0.1:4318"}
    assert not any("CONSOLE" in name for name in told)
