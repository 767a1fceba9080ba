"""Start-up reconciliation of serving: it creates a missing route table, and stops unknown engines."""

from ratoon.process.clock import Clock
from ratoon.storage.store import Store
from ratoon_serving.application.handlers import ensure_route_table
from ratoon_serving.application.ports import EngineHost
from ratoon_serving.domain.engine import Engine


class StartupReconciliation:
    """First background task; it is done when `start` returns."""

    def __init__(self, store: Store, host: EngineHost, clock: Clock) -> None:
        self._store, self._host, self._clock = store, host, clock

    def start(self) -> None:
        """Create the route table if it is missing, then stop unknown engines."""
        ensure_route_table(self._store, self._clock)
        self._host.stop_unknown(self._is_known)

    def stop(self) -> None:
        """Do nothing: engines outlive the platform."""

    def _is_known(self, process: str) -> bool:
        """Return whether a live engine runs in this process."""
        with self._store.read() as tx:
            return any(engine.process == process for engine in tx.live(Engine))
