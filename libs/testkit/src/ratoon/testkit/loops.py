"""Watches event loops in tests: a callback that keeps the loop's thread busy for long is a defect, whatever it does."""

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LONGEST_S = 0.05
"""CPU seconds of the loop's own thread that one callback may use; waiting for a processor does not count."""


@contextmanager
def no_slow_callbacks(
    longest_s: float = LONGEST_S, loop: asyncio.AbstractEventLoop | None = None
) -> Iterator[None]:
    """Fail with the callbacks of a loop, or of any in this process, that used more than `longest_s` of its thread.

    Python's garbage collection does not count: the heap is that of a whole test process, which a service does not have.
    """
    handles: Any = asyncio.Handle
    run = handles._run
    slow: list[str] = []
    collecting = _Collections()

    def timed(handle: Any) -> None:
        began, collected = time.thread_time(), collecting.seconds()
        run(handle)
        used = time.thread_time() - began - (collecting.seconds() - collected)
        if used > longest_s and loop in (None, handle._loop):
            callback = getattr(handle, "_callback", None)
            slow.append(f"{used * 1000:.0f} ms: {getattr(callback, '__self__', handle)!r}")

    gc.callbacks.append(collecting)
    handles._run = timed
    try:
        yield
    finally:
        handles._run = run
        gc.callbacks.remove(collecting)
    assert not slow, "callbacks blocked the event loop:\n" + "\n".join(slow)


class _Collections(threading.local):
    """CPU seconds of each thread that went into garbage collection; called by the collector."""

    began = spent = 0.0

    def __call__(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self.began = time.thread_time()
        else:
            self.spent += time.thread_time() - self.began

    def seconds(self) -> float:
        """Those of the thread that asks."""
        return self.spent
