"""Time as a port, so that tests decide what time it is."""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

_SLEW_S = 1.0
"""Maximum correction of a clock, in seconds, that does not count as setting it back."""


class Clock(Protocol):
    """The two times that Ratoon uses."""

    def now(self) -> datetime:
        """Wall-clock time in UTC: for people and records, never for leases."""
        ...

    def monotonic(self) -> float:
        """Seconds since the machine booted; never jumps, the same for every process of one machine."""
        ...


class SystemClock:
    """The machine's own clocks.

    When the wall clock is set back, it continues from its last value until this process ends: else whatever is
    waited for would come so much later.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wall, self._monotonic = 0.0, 0.0

    def now(self) -> datetime:
        """Wall-clock time in UTC."""
        with self._lock:
            monotonic, wall = self.monotonic(), time.time()
            steady = self._wall + (monotonic - self._monotonic)
            self._wall, self._monotonic = (wall if wall > steady - _SLEW_S else steady), monotonic
            return datetime.fromtimestamp(self._wall, UTC)

    def monotonic(self) -> float:
        """Seconds since boot (CLOCK_BOOTTIME, which counts sleep too)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
