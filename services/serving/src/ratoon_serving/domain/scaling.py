"""Scaling: the desired number of processes of an engine, a pure function of its load and bounds.

The number follows the scarcest of three resources: waiting requests, the key-value cache, requests a second. It is
raised at once, at most to twice the current number, and lowered one by one after a delay. An engine is scaled to zero
only if its bounds allow it and no request came for some time; the next request wakes it.
"""

import math
from dataclasses import dataclass
from datetime import datetime

from ratoon_serving.domain.errors import BoundsInvalid

MAX_REPLICAS = 64
"""Maximum number of processes of any engine."""


@dataclass(frozen=True)
class Bounds:
    """Minimum and maximum number of processes of an engine; if they are equal, it is not scaled."""

    min_replicas: int = 1
    max_replicas: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.min_replicas <= self.max_replicas or not 1 <= self.max_replicas <= MAX_REPLICAS:
            raise BoundsInvalid(
                f"An engine has 0 to {MAX_REPLICAS} replicas: the minimum must not exceed the maximum, and the "
                "maximum must not be 0."
            )

    @property
    def fixed(self) -> bool:
        """Return whether only one number is possible."""
        return self.min_replicas == self.max_replicas


@dataclass(frozen=True)
class Load:
    """Load of an engine over all its processes; None where it is not known."""

    requests_per_s: float = 0.0
    waiting: int | None = None
    """Requests in the engines' queues."""
    cache_used: float | None = None
    """Share of the key-value cache in use, the mean over processes."""
    idle_s: float = 0.0
    """Seconds since the last request."""


@dataclass(frozen=True)
class Policy:
    """Load that one process can take, and delays of scaling in seconds."""

    waiting: float = 4.0
    """Maximum number of waiting requests of one process."""
    cache_used: float = 0.8
    requests_per_s: float = 0.0
    """0: not used."""
    tolerance: float = 0.1
    """Relative difference below which the number stays."""
    up_after_s: float = 15.0
    down_after_s: float = 300.0
    idle_s: float = 600.0
    """Seconds without a request after which the engine may be scaled to zero."""


POLICY = Policy()


def scale(load: Load, bounds: Bounds, current: int, since_change_s: float, rules: Policy = POLICY) -> int:
    """Return the desired number of processes; the current number was set `since_change_s` seconds ago."""
    if bounds.fixed:
        return bounds.min_replicas
    if current == 0:
        return bounds.min_replicas
    if bounds.min_replicas == 0 and min(load.idle_s, since_change_s) >= rules.idle_s:
        return 0
    busy = max(_ratios(load, current, rules), default=1.0)
    desired = current if abs(busy - 1) <= rules.tolerance else math.ceil(current * busy)
    return min(
        bounds.max_replicas,
        max(bounds.min_replicas, 1, _rate_limited(desired, current, since_change_s, rules)),
    )


def woken(bounds: Bounds) -> int:
    """Return the number of processes after a request woke an engine that was scaled to zero."""
    return max(1, bounds.min_replicas)


def since(then: datetime | None, now: datetime) -> float:
    """Return the seconds since `then`; infinite if it is None."""
    return math.inf if then is None else (now - then).total_seconds()


def _ratios(load: Load, processes: int, rules: Policy) -> list[float]:
    """Return the utilisation of a process by each known measure; 1 is the target."""
    ratios = []
    if load.waiting is not None:
        ratios.append(load.waiting / processes / rules.waiting)
    if load.cache_used is not None:
        ratios.append(load.cache_used / rules.cache_used)
    if rules.requests_per_s:
        ratios.append(load.requests_per_s / processes / rules.requests_per_s)
    return ratios


def _rate_limited(desired: int, current: int, since_change_s: float, rules: Policy) -> int:
    if desired > current:
        return min(desired, 2 * current) if since_change_s >= rules.up_after_s else current
    return current - 1 if desired < current and since_change_s >= rules.down_after_s else current
