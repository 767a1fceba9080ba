"""Registry of a process's metrics that also exports renamed metrics under their old names. It knows no service."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Metric


@dataclass(frozen=True)
class OldName:
    """Former name of a metric, and the release that no longer exports it."""

    name: str
    removed_in: str


OLD_NAMES: Mapping[str, OldName] = {
    "ratoon_operation_step_failures_total": OldName("ratoon_operation_stumbles_total", "0.3.0"),
    "ratoon_service_up": OldName("ratoon_room_up", "0.3.0"),
}
"""Old names by present name, as queries write them."""


class MetricRegistry(CollectorRegistry):
    """Registry whose renamed metrics have their old name too."""

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, and a copy of each renamed one."""
        for metric in super().collect():
            yield metric
            if old := OLD_NAMES.get(metric.name + _suffix(metric)):
                yield _renamed(metric, old.name.removesuffix(_suffix(metric)))


def _suffix(metric: Metric) -> str:
    return "_total" if metric.type == "counter" else ""


def _renamed(metric: Metric, name: str) -> Metric:
    copy = Metric(name, f"Old name of {metric.name}. {metric.documentation}", metric.type, metric.unit)
    copy.samples = [
        sample._replace(name=name + sample.name.removeprefix(metric.name)) for sample in metric.samples
    ]
    return copy
