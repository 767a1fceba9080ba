"""Wake-ups of an operation: what a tick observes reports its next change, so that polling is only a safety net.

`Operations` opens a wake-up around each observation. An adapter that can report changes subscribes the tick to them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

SAFETY_NET_S = 15.0
"""Seconds between two polls of something whose changes are reported: a report may be lost."""


@dataclass
class WakeUp:
    """Wake-up of one tick of an operation."""

    operation: str
    wake: Callable[[], None]
    """Wake the operation; safe on any thread, any number of times."""
    subscribed: bool = False
    """True once a part that was observed reports its next change."""


_CURRENT: ContextVar[WakeUp | None] = ContextVar("ratoon_wake_up", default=None)


@contextmanager
def observing(operation: str, wake: Callable[[], None]) -> Iterator[WakeUp]:
    """Yield the wake-up of a tick; parts that the block observes on this thread may subscribe to it."""
    wake_up = WakeUp(operation, wake)
    token = _CURRENT.set(wake_up)
    try:
        yield wake_up
    finally:
        _CURRENT.reset(token)


def subscribe(report_to: Callable[[str, Callable[[], None]], None]) -> None:
    """Have a part report its next change to the operation that observes it; do nothing outside a tick.

    `report_to` takes the name of the operation and what wakes it.
    """
    wake_up = _CURRENT.get()
    if wake_up is not None:
        report_to(wake_up.operation, wake_up.wake)
        wake_up.subscribed = True
