"""What is told of engines, and when segments close."""

from datetime import UTC, datetime

from ratoon_gateway.domain.routes import Target
from ratoon_gateway.domain.segments import LARGEST_BYTES, LINGER_S, LONGEST_S, Segment
from ratoon_gateway.domain.traffic import Outcome, Traffic, merged, quantile

THEN, NOW = datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 22, 0, 0, 1, tzinfo=UTC)
ENGINE = Target("e", "projects/p/models/m/versions/v1", "", "", 1, "")


def test_a_window_counts_what_ended_in_it():
    traffic = Traffic(THEN)
    for outcome in (Outcome.ANSWERED, Outcome.FAILED, Outcome.CUT, Outcome.LEFT):
        traffic.began("d", ENGINE)
        traffic.ended("d", ENGINE, outcome, 0.5)
    traffic.began("d", ENGINE)
    traffic.began("d", ENGINE)
    traffic.withdrew("d", ENGINE)
    (report,) = traffic.report(NOW)
    assert (report.requests, report.errors, report.cut, report.open) == (4, 2, 1, 1)
    assert (report.p50_s, report.p99_s, report.start, report.end) == (0.5, 0.5, THEN, NOW)
    (later,) = traffic.report(NOW)
    assert (later.requests, later.open) == (0, 1)
    traffic.ended("d", ENGINE, Outcome.ANSWERED, 0.1)
    assert [r.open for r in traffic.report(NOW)] == [0]
    assert traffic.report(NOW) == []
    assert traffic.totals["d", ENGINE.version, Outcome.ANSWERED] == (2, 0.6)


def test_undelivered_reports_are_kept_up_to_a_bound():
    traffic = Traffic(THEN)
    traffic.began("d", ENGINE)
    old, new = traffic.report(NOW), traffic.report(NOW)
    assert merged(old, new, 10) == [*old, *new]
    assert merged(old, new, 1) == new


def test_quantiles_are_of_nearest_rank():
    assert quantile([], 0.5) == 0.0
    assert quantile([float(n) for n in range(100)], 0.99) == 99.0


def test_a_segment_is_full_by_age_or_size_and_closes_when_all_has_ended():
    segment = Segment("s", "projects/p/deployments/d", opened_at=10.0, start=THEN)
    assert segment.name == "projects/p/trafficSegments/s"
    assert not segment.is_full(10.0 + LONGEST_S / 2)
    assert segment.is_full(10.0 + LONGEST_S)
    segment.size = LARGEST_BYTES
    assert segment.is_full(10.0)
    assert not segment.may_close(99.0)
    segment.sealed_at, segment.under_way = 20.0, 1
    assert not segment.may_close(21.0)
    assert segment.may_close(20.0 + LINGER_S)
    segment.under_way = 0
    assert segment.may_close(20.0)
