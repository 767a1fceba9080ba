"""Waiting in tests for what other threads and processes do."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(
    condition: Callable[[], T],
    seconds: float = 60.0,
    message: str | Callable[[], object] = "",
    interval_s: float = 0.05,
) -> T:
    """Return the first true value of a condition; raise AssertionError if it stays false for this many seconds.

    `seconds` is a bound, not a measurement. `message` says what is missing; a function is called only then.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            detail = message() if callable(message) else message
            raise AssertionError(f"not within {seconds:g} s: {detail or 'the condition'}")
        time.sleep(interval_s)
    return value
