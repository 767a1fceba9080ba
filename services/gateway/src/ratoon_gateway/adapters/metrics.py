"""The gateway's figures for Prometheus, read from its own counts when they are asked for."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ratoon_gateway.application.shadows import ShadowOutcome
from ratoon_gateway.domain.traffic import Traffic

WAITING, SET_ASIDE = ".json", ".refused"
"""Suffixes of closed segments in the spool."""


def token_counter(registry: CollectorRegistry) -> Counter:
    """Tokens as engines counted them, by deployment, version and kind (`prompt`, `completion`)."""
    return Counter(
        "ratoon_gateway_tokens_total",
        "Tokens of answered completions.",
        ["deployment", "version", "kind"],
        registry=registry,
    )


def shadow_counter(registry: CollectorRegistry) -> Callable[[str, str, ShadowOutcome, float], None]:
    """Return what counts shadow answers and their seconds, by deployment, version and outcome."""
    labels = ["deployment", "version", "outcome"]
    answers = Counter(
        "ratoon_gateway_shadow_answers",
        "Requests that another version was to answer too.",
        labels,
        registry=registry,
    )
    seconds = Counter(
        "ratoon_gateway_shadow_seconds", "Seconds of shadow answers.", labels, registry=registry
    )

    def count(deployment: str, version: str, outcome: ShadowOutcome, duration_s: float) -> None:
        answers.labels(deployment, version, outcome.value).inc()
        seconds.labels(deployment, version, outcome.value).inc(duration_s)

    return count


def webhook_counter(registry: CollectorRegistry) -> Callable[[str], None]:
    """Return what counts webhooks by outcome: `accepted`, `incomplete`, or the reason of the refusal in lower case."""
    webhooks = Counter(
        "ratoon_gateway_webhooks",
        "Webhooks received at /v1/events, by outcome: `accepted`, `incomplete`, or the reason of the refusal.",
        ["outcome"],
        registry=registry,
    )
    return lambda outcome: webhooks.labels(outcome).inc()


def segment_metrics(registry: CollectorRegistry, spool: Path) -> Counter:
    """Count captured traffic in the spool, waiting and set aside; returns the counter of what is set aside."""
    waiting = Gauge(
        "ratoon_gateway_traffic_segments_waiting",
        "Traffic segments that wait for flywheel.",
        registry=registry,
    )
    waiting.set_function(partial(_files, spool, WAITING))
    set_aside = Gauge(
        "ratoon_gateway_traffic_segments_set_aside",
        "Traffic segments that flywheel rejected and that are set aside.",
        registry=registry,
    )
    set_aside.set_function(partial(_files, spool, SET_ASIDE))
    return Counter(
        "ratoon_gateway_traffic_segments_refused",
        "Traffic segments that were set aside since the start.",
        registry=registry,
    )


def _files(spool: Path, suffix: str) -> float:
    return float(sum(1 for _ in spool.glob(f"*{suffix}")))


class GatewayMetrics(Collector):
    """Requests by deployment, version and outcome; what is open and what waits."""

    def __init__(
        self,
        traffic: Traffic,
        held: Callable[[], int],
        waiting: Callable[[], int],
        table_version: Callable[[], int],
    ) -> None:
        self._traffic, self._held, self._waiting, self._table_version = traffic, held, waiting, table_version

    def register(self, registry: CollectorRegistry) -> None:
        """From now on these figures are there."""
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The figures now."""
        labels = ["deployment", "version", "outcome"]
        count = CounterMetricFamily(
            "ratoon_gateway_requests", "Completions relayed, by engine attempt.", labels=labels
        )
        seconds = CounterMetricFamily("ratoon_gateway_seconds", "Seconds from request to end.", labels=labels)
        for (deployment, version, outcome), (requests, total) in self._traffic.totals.items():
            count.add_metric([deployment, version, outcome.value], requests)
            seconds.add_metric([deployment, version, outcome.value], total)
        yield count
        yield seconds
        yield GaugeMetricFamily("ratoon_gateway_open", "Requests at an engine now.", value=self._traffic.open)
        yield GaugeMetricFamily(
            "ratoon_gateway_held", "Requests that wait for an engine.", value=self._held()
        )
        yield GaugeMetricFamily(
            "ratoon_gateway_turns_waiting",
            "Requests that wait in the fair queue of an engine.",
            value=self._waiting(),
        )
        table = self._table_version()
        yield GaugeMetricFamily("ratoon_gateway_route_table_version", "The route table in use.", value=table)
