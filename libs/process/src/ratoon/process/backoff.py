"""Waiting time before the next attempt, after failures in a row."""

import random
from dataclasses import dataclass

_MAX_EXPONENT = 64.0
"""Limit of the exponent, so that no number of failures overflows."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off: `initial_s` after the first failure, `factor` times as long after each further one."""

    initial_s: float
    max_s: float
    factor: float = 2.0
    jitter: float = 0.0
    """Share of a delay, 0 to 1, by which it is shortened at random, so that clients do not retry in step."""

    def delay_s(self, failures: int) -> float:
        """Return the seconds to wait after this many failures in a row, counted from 1."""
        exponent = min(max(failures - 1, 0), _MAX_EXPONENT)
        delay: float = min(self.max_s, self.initial_s * self.factor**exponent)
        return delay * (1.0 - self.jitter * random.random()) if self.jitter else delay
