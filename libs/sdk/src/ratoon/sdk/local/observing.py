"""What an installation on one machine shows of itself when it is asked to: metrics of each process, and spans."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ratoon.sdk.local.processes import CONSOLE, Process


@dataclass(frozen=True)
class Observing:
    """What to show: metrics on loopback ports from `metrics` on (0: nowhere), spans to `otlp` (empty: nowhere)."""

    metrics: int = 0
    otlp: str = ""

    def addresses(self, processes: Sequence[Process]) -> Mapping[str, str]:
        """Where each process's metrics are, by its name."""
        if not self.metrics:
            return {}
        rooms = [process.name for process in processes if process.name != CONSOLE]
        return {name: f"127.0.0.1:{self.metrics + place}" for place, name in enumerate(rooms)}

    def environment(self, processes: Sequence[Process]) -> dict[str, str]:
        """The same as settings of the rooms; what is not asked for stays as the environment has it."""
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
"""Nothing is shown."""
