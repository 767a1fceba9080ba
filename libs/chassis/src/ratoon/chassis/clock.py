"""Time as a port, so that tests decide what time it is."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """The two times that Ratoon uses."""

    def now(self) -> datetime:
        """Wall-clock time in UTC: for people and records, never for leases."""
        ...

    def boot(self) -> float:
        """Seconds since the machine booted; never jumps, the same for every process of one machine."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Wall-clock time in UTC."""
        return datetime.now(UTC)

    def boot(self) -> float:
        """Seconds since boot (CLOCK_BOOTTIME, which counts sleep too)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
