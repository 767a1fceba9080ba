"""A thread that repeats one step until it is stopped: what relays and consumers run on. It knows no step."""

import logging
import threading
from collections.abc import Callable

from ratoon.process.backoff import Backoff

_LOG = logging.getLogger(__name__)
_BACKOFF = Backoff(0.2, 5.0)


class Worker:
    """Runs `step`, waits as many seconds as it returns or until woken, and again; longer after an error."""

    def __init__(self, name: str, step: Callable[[], float]) -> None:
        self._name, self._step = name, step
        self._changed = threading.Condition()
        self._woken = False
        self._stopping = False
        self._failures = 0
        self._thread: threading.Thread | None = None

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop; a long step looks at it."""
        return self._stopping

    def start(self) -> None:
        """Begin on a thread of its own."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Run the next step now, unless a failure is being waited out; never blocks for long."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def stop(self, timeout_s: float = 30.0) -> None:
        """Finish the step in hand and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping:
            pause = self._once()
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or (self._woken and not self._failures), pause)
                self._woken = False

    def _once(self) -> float:
        try:
            pause = self._step()
        except Exception as error:
            self._failures += 1
            log = _LOG.warning if self._failures in (1, 10) else _LOG.debug
            log("%s: %s: %s", self._name, type(error).__name__, error, exc_info=self._failures == 10)
            return _BACKOFF.delay_s(self._failures)
        if self._failures:
            _LOG.info("%s: works again after %d failures", self._name, self._failures)
        self._failures = 0
        return pause
