"""Metrics of the current state of services, for Prometheus, read when they are collected. It knows no domain.

A process has one collector for all of its services, so that each metric exists once, with the service as a label.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ratoon.events.consumer import Consumer
from ratoon.operations.operation_watch import state_of
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.outbox import Relay
from ratoon.storage.store import Store

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Family:
    """A metric: its name, its help text, and its labels in addition to the service."""

    name: str
    sentence: str
    labels: tuple[str, ...] = ()
    counts: bool = False
    """True for a counter, which only grows."""


@dataclass(frozen=True)
class Sample:
    """Current value of a metric."""

    family: Family
    value: float
    labels: tuple[str, ...] = ()


UP = Family("ratoon_service_up", "1 if the metrics of the service could be read, else 0.")
OPERATIONS = Family("ratoon_operations", "Operations in progress.", ("kind", "state"))
OLDEST = Family(
    "ratoon_operation_oldest_seconds", "Age of the oldest operation in progress, in seconds.", ("kind",)
)
FAILING = Family("ratoon_operations_failing", "Operations whose last tick failed.", ("kind",))
WAITING = Family("ratoon_outbox_waiting", "Events that are not in the event log yet.")
REFUSED = Family(
    "ratoon_outbox_refused", "Events that the event log refuses because of their size; they are retried."
)
OLDEST_WAITING = Family(
    "ratoon_outbox_oldest_seconds", "Age of the oldest event that is not in the event log yet, in seconds."
)
PUBLISHED = Family("ratoon_outbox_published", "Events published to the event log.", counts=True)
UNPUBLISHED = Family("ratoon_outbox_failures", "Failed attempts to publish to the event log.", counts=True)
HANDLED = Family(
    "ratoon_consumer_events",
    "Consumed events by outcome; parked events are dead letters.",
    ("group", "outcome"),
    True,
)
LAG = Family("ratoon_consumer_lag", "Events that the consumer group has not read yet.", ("group",))
UNREADABLE = Family("ratoon_resources_unreadable", "Stored resources that could not be read.")
Source = Callable[[], Iterable[Sample]]


class ServiceMetrics(Collector):
    """Collector of the metrics of all services of a process."""

    def __init__(self) -> None:
        self._sources: list[tuple[str, Source]] = []

    def add(self, service: str, source: Source) -> None:
        """Add a source of samples; it is called on the thread that collects."""
        self._sources.append((service, source))

    def collect(self) -> Iterator[Metric]:
        """Yield every metric; a service whose metrics cannot be read is not up, and the others are unaffected."""
        metrics: dict[Family, Metric] = {}
        for service, samples in self._samples().items():
            for sample in [*(samples or ()), Sample(UP, float(samples is not None))]:
                metric = metrics.setdefault(sample.family, _metric(sample.family))
                metric.add_metric([service, *sample.labels], sample.value)  # type: ignore[attr-defined]
        yield from metrics.values()

    def _samples(self) -> Mapping[str, list[Sample] | None]:
        samples: dict[str, list[Sample] | None] = {}
        for service, source in self._sources:
            before = samples.get(service, [])
            try:
                samples[service] = None if before is None else [*before, *source()]
            except Exception:
                _LOG.exception("the metrics of %s could not be read", service)
                samples[service] = None
        return samples


def operation_samples(operations: Operations, clock: Clock) -> Source:
    """Return the samples of operations under way: by state, the age of the oldest, and those that fail."""

    def samples() -> Iterator[Sample]:
        operations_by_kind = [(type(each.resource).__name__, each) for each in operations.under_way()]
        states = Counter((kind, state_of(each.resource)) for kind, each in operations_by_kind)
        yield from (Sample(OPERATIONS, count, key) for key, count in states.items())
        failing = Counter({kind: 0 for kind, _ in operations_by_kind})
        failing.update(kind for kind, each in operations_by_kind if each.failures)
        yield from (Sample(FAILING, count, (kind,)) for kind, count in failing.items())
        # What has no states goes on for as long as what it watches: its age says nothing.
        began = [
            (kind, each.resource.create_time) for kind, each in operations_by_kind if state_of(each.resource)
        ]
        for kind in dict.fromkeys(kind for kind, _ in began):
            oldest = min(time for each, time in began if each == kind)
            yield Sample(OLDEST, (clock.now() - oldest).total_seconds(), (kind,))

    return samples


def outbox_samples(relay: Relay, database: Database) -> Source:
    """Return the samples of the outbox."""

    def samples() -> Iterator[Sample]:
        with database.read() as connection:
            yield Sample(WAITING, outbox.waiting(connection))
            oldest = outbox.oldest(connection)
        yield Sample(OLDEST_WAITING, relay.age(oldest))
        yield Sample(REFUSED, relay.published.refused)
        yield Sample(PUBLISHED, relay.published.records)
        yield Sample(UNPUBLISHED, relay.published.failures)

    return samples


def store_samples(store: Store) -> Source:
    """Return the samples of the store."""

    def samples() -> Iterator[Sample]:
        yield Sample(UNREADABLE, len(store.unreadable))

    return samples


def consumer_samples(consumer: Consumer) -> Source:
    """Return the samples of a consumer; `parked` events are in the dead-letter topic."""

    def samples() -> Iterator[Sample]:
        consumed, group = consumer.consumed, consumer.group
        for outcome in ("handled", "superseded", "repeated", "retried", "parked"):
            yield Sample(HANDLED, getattr(consumed, outcome), (group, outcome))
        yield Sample(LAG, consumed.lag, (group,))

    return samples


def _metric(family: Family) -> Metric:
    kind = CounterMetricFamily if family.counts else GaugeMetricFamily
    return kind(family.name, family.sentence, labels=["service", *family.labels])
