"""How many processes an engine should have: a pure function of what they have to do, within bounds, without haste.

The wish follows the scarcest of three: requests that wait, the key-value cache, requests a second. It goes up at once,
by a doubling at most, and down one by one after a while; to none at all only where that is allowed and nobody asked for
long, and up from none when somebody does.
"""

import math
from dataclasses import dataclass
from datetime import datetime

from ratoon_serving.domain.errors import BoundsInvalid

MOST = 64


@dataclass(frozen=True)
class Bounds:
    """How few and how many processes an engine may have; the same number twice: nothing is scaled."""

    least: int = 1
    most: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most or not 1 <= self.most <= MOST:
            raise BoundsInvalid(
                f"An engine has 0 to {MOST} replicas: the minimum must not exceed the maximum, and the "
                "maximum must not be 0."
            )

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to decide."""
        return self.least == self.most


@dataclass(frozen=True)
class Load:
    """What an engine has to do, over all its processes; None where it is not known."""

    requests_per_s: float = 0.0
    waiting: int | None = None
    """Requests in the engines' queues."""
    cache_used: float | None = None
    """Share of the key-value cache in use, the mean over processes."""
    idle_s: float = 0.0
    """How long nobody has asked."""


@dataclass(frozen=True)
class Policy:
    """When a process has enough to do, and how long a change is waited out, in seconds."""

    waiting: float = 4.0
    """Requests that may wait in one process."""
    cache_used: float = 0.8
    requests_per_s: float = 0.0
    """0: not a measure."""
    tolerance: float = 0.1
    """A wish that differs by less is none."""
    up_after_s: float = 15.0
    down_after_s: float = 300.0
    idle_s: float = 600.0
    """After so long without a request there may be none."""


POLICY = Policy()


def scale(load: Load, bounds: Bounds, now_there: int, since_change_s: float, rules: Policy = POLICY) -> int:
    """How many processes there should be, `now_there` of them wished for since `since_change_s` seconds."""
    if bounds.fixed:
        return bounds.least
    if now_there == 0:
        return bounds.least
    if bounds.least == 0 and min(load.idle_s, since_change_s) >= rules.idle_s:
        return 0
    busy = max(_ratios(load, now_there, rules), default=1.0)
    wish = now_there if abs(busy - 1) <= rules.tolerance else math.ceil(now_there * busy)
    return min(bounds.most, max(bounds.least, 1, _unhurried(wish, now_there, since_change_s, rules)))


def woken(bounds: Bounds) -> int:
    """How many processes there should be when somebody asks and there is none."""
    return max(1, bounds.least)


def since(then: datetime | None, now: datetime) -> float:
    """Seconds since a moment; for ever when there was none."""
    return math.inf if then is None else (now - then).total_seconds()


def _ratios(load: Load, processes: int, rules: Policy) -> list[float]:
    """How busy a process is by each measure that there is: 1 is just right."""
    ratios = []
    if load.waiting is not None:
        ratios.append(load.waiting / processes / rules.waiting)
    if load.cache_used is not None:
        ratios.append(load.cache_used / rules.cache_used)
    if rules.requests_per_s:
        ratios.append(load.requests_per_s / processes / rules.requests_per_s)
    return ratios


def _unhurried(wish: int, now_there: int, since_change_s: float, rules: Policy) -> int:
    if wish > now_there:
        return min(wish, 2 * now_there) if since_change_s >= rules.up_after_s else now_there
    return now_there - 1 if wish < now_there and since_change_s >= rules.down_after_s else now_there
