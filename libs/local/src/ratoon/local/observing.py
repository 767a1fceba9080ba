"""Optional observability of an installation on one machine: metrics of each process, and traces."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ratoon.local.processes import CONSOLE, Process


@dataclass(frozen=True)
class Observing:
    """Metrics on loopback ports from `metrics` upwards (0: none), traces to `otlp` (empty: none)."""

    metrics: int = 0
    otlp: str = ""

    def addresses(self, processes: Sequence[Process]) -> Mapping[str, str]:
        """Return the metrics address of each process by process name."""
        if not self.metrics:
            return {}
        names = [process.name for process in processes if process.name != CONSOLE]
        return {name: f"127.0.0.1:{self.metrics + place}" for place, name in enumerate(names)}

    def environment(self, processes: Sequence[Process]) -> dict[str, str]:
        """Return these settings as environment variables; unset ones keep their values from the environment."""
        return dict(self._settings(processes))

    def _settings(self, processes: Sequence[Process]) -> Iterator[tuple[str, str]]:
        addresses = self.addresses(processes)
        for process in processes:
            for service in process.services if process.name != CONSOLE else ():
                if process.name in addresses:
                    yield f"RATOON_{service.upper()}_METRICS", addresses[process.name]
                if self.otlp:
                    yield f"RATOON_{service.upper()}_OTLP", self.otlp


NOTHING = Observing()
"""No metrics and no traces."""
