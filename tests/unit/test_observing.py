"""Environment of processes by `ratoon up` with metrics and spans."""

from ratoon.local.observing import Observing
from ratoon.local.processes import layout
from ratoon.runtime.services import service_names


def test_nothing_is_exported_by_default():
    for isolated in (False, True):
        assert Observing().environment(layout(isolated)) == {}
        assert Observing().addresses(layout(isolated)) == {}


def test_each_process_has_a_loopback_port_of_its_own():
    assert Observing(9100).addresses(layout(False)) == {
        "control": "127.0.0.1:9100",
        "gateway": "127.0.0.1:9101",
    }
    isolated = Observing(9100).addresses(layout(True))
    assert len(set(isolated.values())) == len(service_names())
    assert "console" not in isolated


def test_services_of_one_process_have_the_same_settings():
    environment = Observing(9100, "http://127.0.0.1:4318").environment(layout(False))
    assert environment["RATOON_SERVING_METRICS"] == environment["RATOON_FLYWHEEL_METRICS"] == "127.0.0.1:9100"
    assert environment["RATOON_GATEWAY_METRICS"] == "127.0.0.1:9101"
    assert {value for name, value in environment.items() if name.endswith("_OTLP")} == {
        "http://127.0.0.1:4318"
    }
    assert not any("CONSOLE" in name for name in environment)
