"""Work for the next step, done by a thread while the current step computes.

The results are those of a computation in the step itself: a key names all that they depend on.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")


class Ahead(Generic[Key, Result]):
    """Results of functions of a key; the one of the next key is computed in the background."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="next-step")
        self._pending: tuple[Key, Future[Result]] | None = None

    def begin(self, key: Key, compute: Callable[[Key], Result]) -> None:
        """Compute the result of a key in the background."""
        self._pending = key, self._thread.submit(compute, key)

    def take(self, key: Key, compute: Callable[[Key], Result]) -> Result:
        """Return the result of a key: that of the background if it has begun with this key; raise its error."""
        pending, self._pending = self._pending, None
        if pending is not None and pending[0] == key:
            return pending[1].result()
        return compute(key)

    def close(self) -> None:
        """Wait for the work in progress, and discard it."""
        self._pending = None
        self._thread.shutdown(wait=True)
