"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Starts at noon of 1 June 2026, UTC, 1,000 s after boot."""

    def __init__(self) -> None:
        self._now = datetime(2026, 6, 1, 12, tzinfo=UTC)
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """Wall-clock time in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since boot."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both times forward."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
