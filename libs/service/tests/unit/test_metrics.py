"""Metrics of the services of a process: each metric once for any services, and services that are not up."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from ratoon.operations.operations import UnderWay
from ratoon.service.metrics import Family, Sample, ServiceMetrics, operation_samples
from ratoon.testkit.clock import FakeClock

THINGS = Family("ratoon_things", "Things.", ("colour",))
CREATED = Family("ratoon_made", "Things made.", counts=True)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def values_of(service_metrics: ServiceMetrics) -> dict[tuple[str, ...], float]:
    """Return the samples of a scrape, parsed as Prometheus does; a duplicate metric fails."""
    registry = CollectorRegistry()
    registry.register(service_metrics)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, sample.labels.pop("service"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_services_share_a_metric_and_differ_by_label():
    service_metrics = ServiceMetrics()
    service_metrics.add("one", lambda: [Sample(THINGS, 2, ("red",)), Sample(CREATED, 7)])
    service_metrics.add("one", lambda: [Sample(THINGS, 1, ("blue",))])
    service_metrics.add("two", lambda: [Sample(THINGS, 5, ("red",))])
    assert values_of(service_metrics) == {
        ("ratoon_things", "one", "red"): 2.0,
        ("ratoon_things", "one", "blue"): 1.0,
        ("ratoon_things", "two", "red"): 5.0,
        ("ratoon_made_total", "one"): 7.0,
        ("ratoon_service_up", "one"): 1.0,
        ("ratoon_service_up", "two"): 1.0,
    }


def test_a_service_that_cannot_report_is_not_up_and_the_others_are():
    def broken():
        raise OSError("the database is away")

    service_metrics = ServiceMetrics()
    service_metrics.add("one", broken)
    service_metrics.add("one", lambda: [Sample(CREATED, 7)])
    service_metrics.add("two", lambda: [Sample(CREATED, 1)])
    assert values_of(service_metrics) == {
        ("ratoon_made_total", "two"): 1.0,
        ("ratoon_service_up", "one"): 0.0,
        ("ratoon_service_up", "two"): 1.0,
    }


@dataclass(frozen=True)
class Work:
    name: str
    create_time: datetime
    update_time: datetime
    revision: int
    state: str = "RUNNING"


@dataclass(frozen=True)
class Watch:
    """Goes on for ever, without a state."""

    name: str
    create_time: datetime
    update_time: datetime
    revision: int


class Three:
    def under_way(self):
        work = Work("w", NOW - timedelta(seconds=50), NOW, 1)
        return [
            UnderWay(work, 0),
            UnderWay(Work("v", NOW - timedelta(seconds=20), NOW, 1, "QUEUED"), 3),
            UnderWay(Watch("m", NOW - timedelta(days=90), NOW, 1), 0),
        ]


def test_operations_are_counted_by_kind_and_state_and_the_oldest_has_an_age():
    clock, service_metrics = FakeClock(), ServiceMetrics()
    clock.now = lambda: NOW
    service_metrics.add("works", operation_samples(Three(), clock))
    assert values_of(service_metrics) == {
        ("ratoon_operations", "works", "Work", "RUNNING"): 1.0,
        ("ratoon_operations", "works", "Work", "QUEUED"): 1.0,
        ("ratoon_operations", "works", "Watch", ""): 1.0,
        ("ratoon_operations_failing", "works", "Work"): 1.0,
        ("ratoon_operations_failing", "works", "Watch"): 0.0,
        ("ratoon_operation_oldest_seconds", "works", "Work"): 50.0,
        ("ratoon_service_up", "works"): 1.0,
    }
