"""What serving does once when it starts: it sees to its route table, and ends engines that nobody knows."""

from ratoon.chassis.clock import Clock
from ratoon.chassis.names import parent_of
from ratoon.chassis.store import Store
from ratoon_serving.application.handlers import ensure_route_table
from ratoon_serving.application.ports import EngineHost
from ratoon_serving.domain.engine import Engine


class Opening:
    """The first thing that runs in the background; it is done when `start` returns."""

    def __init__(self, store: Store, host: EngineHost, clock: Clock) -> None:
        self._store, self._host, self._clock = store, host, clock

    def start(self) -> None:
        """Make the table where it is missing, then end what is left over."""
        ensure_route_table(self._store, self._clock)
        self._host.sweep(self._is_known)

    def stop(self) -> None:
        """Nothing is left to stop: engines outlive the platform."""

    def _is_known(self, process: str) -> bool:
        """Whether an engine that has not ended lives in this process."""
        with self._store.read() as tx:
            return any(engine.process == process for engine in tx.live(Engine, parent_of(process)))
