"""The pipeline runs that callers of this process watch: only these are observed for their progress."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class WatchedRuns:
    """Names of the runs that are watched; safe on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers: Counter[str] = Counter()

    def __contains__(self, run: str) -> bool:
        """Return whether a caller watches the run."""
        return self._callers[run] > 0

    @contextmanager
    def watching(self, run: str) -> Iterator[None]:
        """Count the run as watched while the block runs."""
        self._count(run, 1)
        try:
            yield
        finally:
            self._count(run, -1)

    def _count(self, run: str, callers: int) -> None:
        with self._lock:
            self._callers[run] += callers
            self._callers = +self._callers
