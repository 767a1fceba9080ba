"""Lets requests in by what their key may still use. It knows no protocol and no store."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from ratoon.chassis.clock import Clock
from ratoon_gateway.application.ports import Keys, Usage
from ratoon_gateway.domain.completions import CompletionRequest
from ratoon_gateway.domain.limits import Instant, Limits, RateLimiter, RateLimitStatus

_NONE = Limits()
_NEVER = Instant(0.0, datetime.min.replace(tzinfo=UTC))


@dataclass(slots=True)
class Admission:
    """A request that was let in, until `end`."""

    limits: Limits
    limiter: RateLimiter
    cost: int
    """Tokens booked for it in advance; 0 when nobody counts them."""
    now: Instant

    def end(self, spent: int) -> None:
        """It has ended and has cost so many tokens."""
        self.limiter.end(self.cost, spent)

    def statuses(self) -> Iterator[RateLimitStatus]:
        """How far each limit was used up when it came in, this request among it."""
        return self.limiter.statuses(self.limits, self.now)


class Quotas:
    """What every key uses now; for one event loop. A key without limits costs a few look-ups a request."""

    def __init__(self, keys: Keys, usage: Usage, default: Limits, clock: Clock) -> None:
        self._keys, self._usage, self._default, self._clock = keys, usage, default, clock
        self._limiters: dict[str, RateLimiter] = {}

    def enter(self, key: str, request: CompletionRequest) -> Admission:
        """Let a request of this key in; RateLimited, QuotaExceeded, TooManyRequests."""
        limits, limiter = self._limits(key), self._limiter(key)
        cost = request.cost_estimate if limits.counts_tokens else 0
        known = self._usage.tokens_today(key) if limits.tokens_per_day else 0
        now = self._now(limits)
        limiter.admit(limits, cost, known, now)
        return Admission(limits, limiter, cost, now)

    def statuses(self, key: str) -> Iterator[RateLimitStatus]:
        """How far each limit of this key is used up."""
        limits = self._limits(key)
        yield from self._limiter(key).statuses(limits, self._now(limits))

    def _now(self, limits: Limits) -> Instant:
        """Now, where any limit has to do with time."""
        return Instant(self._clock.monotonic(), self._clock.now()) if limits.count_time else _NEVER

    def _limits(self, key: str) -> Limits:
        own = self._keys.limits(key)
        return self._default if own == _NONE else own.over(self._default)

    def _limiter(self, key: str) -> RateLimiter:
        limiter = self._limiters.get(key)
        if limiter is None:
            limiter = self._limiters[key] = RateLimiter()
        return limiter
