"""What a process says of itself over HTTP."""

import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Counter

from ratoon.process.errors import FailedPrecondition
from ratoon.runtime.probes import Probes, Wellness


class Time:
    """Seconds that pass by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def probe_server():
    now, registry = Time(), CollectorRegistry()
    Counter("told_total", "Times.", registry=registry).inc()
    wellness = Wellness(now)
    probes = Probes("127.0.0.1:0", registry, wellness)
    probes.start()
    yield now, wellness, f"http://127.0.0.1:{probes.port}"
    probes.stop()


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_process_is_ready_from_its_start_to_its_drain(probe_server):
    _, wellness, url = probe_server
    assert status(f"{url}/ready") == 503
    wellness.ready = True
    assert status(f"{url}/ready") == 200
    wellness.ready = False
    assert status(f"{url}/ready") == 503


def test_a_process_lives_while_its_event_loop_turns(probe_server):
    now, wellness, url = probe_server
    assert status(f"{url}/live") == 200
    now.seconds = 61
    assert status(f"{url}/live") == 503
    wellness.beat()
    assert status(f"{url}/live") == 200


def test_metrics_stand_beside_them_and_nothing_else_does(probe_server):
    *_, url = probe_server
    with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
        assert b"told_total 1.0" in answer.read()
    assert status(f"{url}/other") == 404


def test_a_port_that_is_taken_is_named(probe_server):
    *_, url = probe_server
    with pytest.raises(FailedPrecondition, match="choose a free port"):
        Probes(url.removeprefix("http://"), CollectorRegistry(), Wellness()).start()
