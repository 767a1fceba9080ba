"""Segments of captured traffic: when one is full, and the announcement of a closed one. It knows no file."""

from dataclasses import dataclass
from datetime import datetime

LONGEST_S = 5.0
LARGEST_BYTES = 1 << 20
LINGER_S = 30.0
"""Seconds that a sealed segment waits for the answers that began in it; later ones go into the open segment."""


@dataclass(slots=True)
class Segment:
    """A segment that is being filled. Times ending in `_at` are seconds of the boot clock."""

    id: str
    deployment: str
    opened_at: float
    start: datetime
    begun: int = 0
    """Answers begun in it, less those that came to nothing."""
    under_way: int = 0
    size: int = 0
    sealed_at: float | None = None

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"projects/{self.deployment.split('/')[1]}/trafficSegments/{self.id}"

    def is_full(self, now: float) -> bool:
        """Return True if no more answers should begin in it."""
        return now - self.opened_at >= LONGEST_S or self.size >= LARGEST_BYTES

    def may_close(self, now: float) -> bool:
        """Return True if all answers that began in it have ended, or the wait for them is over."""
        return self.sealed_at is not None and (not self.under_way or now - self.sealed_at >= LINGER_S)


@dataclass(frozen=True)
class ClosedSegment:
    """A segment in the artifact store."""

    name: str
    deployment: str
    digest: str
    answers: int
    start: str
    """RFC 3339."""
    end: str
    lost: int
    """Answers that were begun in it and of which nothing was kept."""
