"""Time as a port, so that tests decide what time it is."""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

_SLEW_S = 1.0
"""What a clock may be corrected by without being set back, in seconds."""


class Clock(Protocol):
    """The two times that Ratoon uses."""

    def now(self) -> datetime:
        """Wall-clock time in UTC: for people and records, never for leases."""
        ...

    def boot(self) -> float:
        """Seconds since the machine booted; never jumps, the same for every process of one machine."""
        ...


class SystemClock:
    """The machine's own clocks.

    When the wall clock is set back, it goes on here from where it was until this process ends: else whatever is
    waited for would come so much later.
    """

    def __init__(self) -> None:
        self._reading = threading.Lock()
        self._wall, self._boot = 0.0, 0.0

    def now(self) -> datetime:
        """Wall-clock time in UTC."""
        with self._reading:
            boot, told = self.boot(), time.time()
            steady = self._wall + (boot - self._boot)
            self._wall, self._boot = (told if told > steady - _SLEW_S else steady), boot
            return datetime.fromtimestamp(self._wall, UTC)

    def boot(self) -> float:
        """Seconds since boot (CLOCK_BOOTTIME, which counts sleep too)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
