"""Watches event loops in tests: a callback that keeps the loop's thread busy for long is a defect, whatever it does."""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LONGEST_S = 0.05
"""CPU seconds of the loop's own thread that one callback may use; waiting for a processor does not count."""


@contextmanager
def no_slow_callbacks(longest_s: float = LONGEST_S) -> Iterator[None]:
    """Fail with the callbacks of any asyncio loop in this process that used more than `longest_s` of its thread.

    What other tests left on the heap is frozen meanwhile: collecting it is not the loop's work.
    """
    handles: Any = asyncio.Handle
    run = handles._run
    slow: list[str] = []

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        used = time.thread_time() - began
        if used > longest_s:
            callback = getattr(handle, "_callback", None)
            slow.append(f"{used * 1000:.0f} ms: {getattr(callback, '__self__', handle)!r}")

    gc.collect()
    gc.freeze()
    handles._run = timed
    try:
        yield
    finally:
        handles._run = run
        gc.unfreeze()
    assert not slow, "callbacks blocked the event loop:\n" + "\n".join(slow)
