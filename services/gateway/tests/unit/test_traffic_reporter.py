"""Reports of traffic to serving: in parts that it takes, kept while it is away, and never in each other's way."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from ratoon.process.errors import InvalidArgument, Unavailable
from ratoon.runtime.requests import bounded_values
from ratoon_gateway.adapters import serving
from ratoon_gateway.adapters.serving import TrafficReporter
from ratoon_gateway.domain.traffic import CallerReport, EngineReport

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CALLERS = tuple(CallerReport(f"caller-{number}", 3, 1, 1, 0.5) for number in range(64))
REPORT = EngineReport("projects/p/deployments/d", "e", "v", NOW, NOW, 9, 1, 1, 0.5, 0.9, 1, 1, CALLERS)


class Serving:
    """A serving by script, and a reporter that is stepped by hand."""

    def __init__(self, monkeypatch):
        self.fault, self.taken, self.pending = None, [], []
        monkeypatch.setattr(serving, "ServingServiceStub", lambda _channel: self)
        routes = SimpleNamespace(table=SimpleNamespace(version=7), on_change=lambda _call: None)
        self.reporter = TrafficReporter("g", self.take, routes, None)

    def take(self):
        pending, self.pending = self.pending, []
        return pending

    def ReportTraffic(self, request, timeout):
        bounded_values(request)
        if self.fault is not None:
            raise self.fault
        self.taken.append([report.engine for report in request.reports])


@pytest.fixture
def platform(monkeypatch):
    return Serving(monkeypatch)


def test_what_was_kept_while_serving_was_away_goes_in_parts_that_a_message_may_have(platform):
    platform.fault = Unavailable("away")
    platform.pending = [replace(REPORT, engine=str(number)) for number in range(1_000)]
    platform.reporter._send()
    platform.fault = None
    platform.reporter._send()
    assert [engine for part in platform.taken for engine in part] == [str(number) for number in range(1_000)]
    platform.reporter._send()
    assert platform.taken[-1] == []  # the table's version is told all the same


def test_reports_that_are_refused_do_not_block_those_that_come_after(platform):
    platform.fault, platform.pending = InvalidArgument("never"), [REPORT]
    platform.reporter._send()
    platform.fault, platform.pending = None, [replace(REPORT, engine="next")]
    platform.reporter._send()
    assert platform.taken == [["next"]]
