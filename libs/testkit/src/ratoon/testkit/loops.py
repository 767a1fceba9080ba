"""Watches event loops in tests: a callback that keeps the loop's thread busy for long is a defect, whatever it does."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_S = 0.05
"""CPU seconds of the loop's own thread that one callback may use; waiting for a processor does not count."""


@contextmanager
def no_slow_callbacks(longest_s: float = LONGEST_S) -> Iterator[None]:
    """Fail with the callbacks of any asyncio loop in this process that used more than `longest_s` of its thread."""
    run = asyncio.Handle._run  # type: ignore[attr-defined]
    slow: list[str] = []

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        used = time.thread_time() - began
        if used > longest_s:
            slow.append(f"{used * 1000:.0f} ms: {handle!r}")

    asyncio.Handle._run = timed  # type: ignore[attr-defined]
    try:
        yield
    finally:
        asyncio.Handle._run = run  # type: ignore[attr-defined]
    assert not slow, "callbacks blocked the event loop:\n" + "\n".join(slow)
