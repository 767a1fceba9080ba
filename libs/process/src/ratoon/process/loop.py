"""A background thread that repeats a step until it is stopped. It knows no step."""

import logging
import math
import threading
from collections.abc import Callable

from ratoon.process.backoff import Backoff

_LOG = logging.getLogger(__name__)
_BACKOFF = Backoff(0.2, 5.0)
_FAILURES_WITH_TRACEBACK = 10

NEVER = math.inf
"""Delay of a step that only `wake` runs."""


class BackgroundLoop:
    """Run a step on a thread of its own, wait for the delay that it returns in seconds, and run it again.

    `wake` cuts a delay short, but not `min_interval_s`. A step that raises is repeated after a back-off delay, which
    `wake` does not cut short. `stop` lets the current step finish, then `final` runs once on the same thread.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], float],
        *,
        first_delay_s: float = 0.0,
        min_interval_s: float = 0.0,
        backoff: Backoff = _BACKOFF,
        on_failure: Callable[[Exception], object] | None = None,
        final: Callable[[], object] | None = None,
    ) -> None:
        """`on_failure` logs in place of the loop; it is called while the exception is handled."""
        self._name, self._step, self._final = name, step, final
        self._first_delay_s, self._min_interval_s = first_delay_s, min_interval_s
        self._backoff, self._on_failure = backoff, on_failure or self._log_failure
        self._changed = threading.Condition()
        self._woken = self._stopping = False
        self._failures = 0
        self._thread: threading.Thread | None = None

    @property
    def stopping(self) -> bool:
        """Return whether a stop of the loop was requested; a long step ends early then."""
        return self._stopping

    def start(self) -> None:
        """Begin on a new thread; a loop that has stopped may be started again."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Run the next step as soon as possible; safe on any thread and never blocks for long."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def stop(self, timeout_s: float | None = 30.0) -> None:
        """Ask the loop to stop and wait for its thread for this many seconds, or without limit for None."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        self._wait(self._first_delay_s)
        while not self._stopping:
            delay = self._attempt()
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, self._min_interval_s)
            self._wait(delay)
        if self._final is not None:
            self._finish(self._final)

    def _wait(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(self._is_due, None if seconds == NEVER else seconds)
            self._woken = False

    def _is_due(self) -> bool:
        return self._stopping or (self._woken and not self._failures)

    def _attempt(self) -> float:
        try:
            delay = self._step()
        except Exception as error:
            self._failures += 1
            self._on_failure(error)
            return self._backoff.delay_s(self._failures)
        if self._failures:
            _LOG.info("%s: works again after %d failures", self._name, self._failures)
        self._failures = 0
        return delay

    def _finish(self, final: Callable[[], object]) -> None:
        try:
            final()
        except Exception as error:
            self._failures = 1
            self._on_failure(error)

    def _log_failure(self, error: Exception) -> None:
        log = _LOG.warning if self._failures in (1, _FAILURES_WITH_TRACEBACK) else _LOG.debug
        traceback = self._failures == _FAILURES_WITH_TRACEBACK
        log("%s: %s: %s", self._name, type(error).__name__, error, exc_info=traceback)
