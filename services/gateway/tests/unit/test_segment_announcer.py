"""Announcing closed segments: a permanent fault, a passing one, and one segment that makes the other side fail."""

import json
from dataclasses import asdict

import pytest
from prometheus_client import CollectorRegistry

from ratoon.process.errors import AlreadyExists, Internal, InvalidArgument, Unavailable
from ratoon.testkit.clock import FakeClock
from ratoon_gateway.adapters import flywheel
from ratoon_gateway.adapters.flywheel import SegmentAnnouncer
from ratoon_gateway.domain.segments import ClosedSegment

TIME = "2026-11-28T08:00:00+00:00"


class Spool:
    """A spool with an announcer that is stepped by hand, and a flywheel by script."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.clock, self.metrics = folder, FakeClock(), CollectorRegistry()
        self.faults, self.taken = {}, []
        monkeypatch.setattr(flywheel, "FlywheelServiceStub", lambda _channel: self)
        self.announcer = SegmentAnnouncer(folder, None, self.clock, self.metrics)

    def close(self, name):
        segment = ClosedSegment(
            f"projects/p/trafficSegments/{name}", "projects/p/deployments/d", "0" * 64, 1, TIME, TIME, 0
        )
        (self.folder / f"{name}.json").write_text(json.dumps(asdict(segment)))

    def CreateTrafficSegment(self, request, timeout):
        fault = self.faults.get(request.traffic_segment_id)
        if fault is not None:
            raise fault
        self.taken.append(request.traffic_segment_id)

    def sweep(self):
        self.clock.advance(120)
        return self.announcer._announce_all()

    def names(self, suffix):
        return sorted(path.stem for path in self.folder.glob(f"*{suffix}"))


@pytest.fixture
def spool(tmp_path, monkeypatch):
    return Spool(tmp_path, monkeypatch)


def test_a_refused_segment_is_set_aside_at_once_and_tried_again_at_the_next_start(spool):
    for name in "abc":
        spool.close(name)
    spool.faults = {"a": InvalidArgument("no segment"), "b": AlreadyExists("there")}
    assert spool.sweep()
    assert (spool.taken, spool.names(".refused"), spool.names(".json")) == (["c"], ["a"], [])
    assert spool.metrics.get_sample_value("ratoon_gateway_traffic_segments_refused_total") == 1
    assert spool.metrics.get_sample_value("ratoon_gateway_traffic_segments_set_aside") == 1
    spool.faults = {}
    again = SegmentAnnouncer(spool.folder, None, spool.clock, CollectorRegistry())
    again.start()
    again.stop()
    again._announce_all()
    assert (spool.taken, spool.names("")) == (["c", "a"], [])


def test_a_segment_that_makes_flywheel_fail_waits_alone_and_is_set_aside_in_the_end(spool):
    spool.close("a")
    spool.close("b")
    spool.faults = {"a": Internal("defect")}
    assert spool.announcer._announce_all()
    assert (spool.taken, spool.names(".json")) == (["b"], ["a"])
    spool.faults = {}
    assert spool.announcer._announce_all()
    assert spool.taken == ["b"]  # not due yet
    assert spool.sweep()
    assert spool.taken == ["b", "a"]
    spool.close("c")
    spool.faults = {"c": Internal("defect")}
    for _ in range(8):
        assert spool.names(".refused") == []
        assert spool.sweep()
    assert spool.names(".refused") == ["c"]


def test_while_flywheel_is_away_nothing_is_tried_or_set_aside(spool):
    spool.close("a")
    spool.close("b")
    spool.faults = {"a": Unavailable("away")}
    for _ in range(20):
        assert not spool.sweep()
    assert (spool.taken, spool.names(".json"), spool.names(".refused")) == ([], ["a", "b"], [])


def test_a_damaged_announcement_holds_up_no_other(spool):
    (spool.folder / "a.json").write_text('{"name": 1}')
    spool.close("b")
    assert spool.sweep()
    assert (spool.taken, spool.names(".refused")) == (["b"], ["a"])
