"""Admits requests by the remaining quota of their key. It knows no protocol and no store."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from ratoon.process.clock import Clock
from ratoon_gateway.application.ports import Keys, Usage
from ratoon_gateway.domain.completions import CompletionRequest
from ratoon_gateway.domain.limits import Instant, Limits, RateLimiter, RateLimitStatus

_NONE = Limits()
_NEVER = Instant(0.0, datetime.min.replace(tzinfo=UTC))


@dataclass(slots=True)
class Admission:
    """Admission of one request, until `end`."""

    limits: Limits
    limiter: RateLimiter
    cost: int
    """Tokens reserved in advance; 0 where no limit counts tokens."""
    now: Instant

    def end(self, spent: int) -> None:
        """Settle the actual cost of the request, in tokens."""
        self.limiter.end(self.cost, spent)

    def statuses(self) -> Iterator[RateLimitStatus]:
        """Yield the status of each limit at the time of admission, this request included."""
        return self.limiter.statuses(self.limits, self.now)


class Quotas:
    """Current use of every key; for one event loop. A key without limits costs a few dictionary reads a request."""

    def __init__(self, keys: Keys, usage: Usage, default: Limits, clock: Clock) -> None:
        self._keys, self._usage, self._default, self._clock = keys, usage, default, clock
        self._limiters: dict[str, RateLimiter] = {}

    def enter(self, key: str, request: CompletionRequest) -> Admission:
        """Admit a request of this key; RateLimited, QuotaExceeded, TooManyRequests."""
        limits, limiter = self._limits(key), self._limiter(key)
        cost = request.cost_estimate if limits.counts_tokens else 0
        known = self._usage.tokens_today(key) if limits.tokens_per_day else 0
        now = self._now(limits)
        limiter.admit(limits, cost, known, now)
        return Admission(limits, limiter, cost, now)

    def statuses(self, key: str) -> Iterator[RateLimitStatus]:
        """Yield the status of each limit of this key."""
        limits = self._limits(key)
        yield from self._limiter(key).statuses(limits, self._now(limits))

    def _now(self, limits: Limits) -> Instant:
        """Return the current time where a limit depends on it."""
        return Instant(self._clock.monotonic(), self._clock.now()) if limits.count_time else _NEVER

    def _limits(self, key: str) -> Limits:
        own = self._keys.limits(key)
        return self._default if own == _NONE else own.over(self._default)

    def _limiter(self, key: str) -> RateLimiter:
        limiter = self._limiters.get(key)
        if limiter is None:
            limiter = self._limiters[key] = RateLimiter()
        return limiter
