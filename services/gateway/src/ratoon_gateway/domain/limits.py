"""Limits of a key: requests and tokens a minute, concurrent requests, tokens a day. It knows no clock, no store."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from math import ceil

from ratoon_gateway.domain.errors import BadRequest, QuotaExceeded, RateLimited, TooManyRequests

_MINUTE_S, _DAY_S = 60, 86_400
_MAX_LIMIT = 10**12


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one key; 0: as the installation's default says, and there: none."""

    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    """Of prompt and answer together."""
    concurrent_requests: int = 0
    tokens_per_day: int = 0
    """Days are those of UTC."""

    def over(self, default: "Limits") -> "Limits":
        """Return these limits, with those of `default` where none is set."""
        own = {each.name: getattr(self, each.name) or getattr(default, each.name) for each in fields(self)}
        return Limits(**own)

    @property
    def counts_tokens(self) -> bool:
        """Return True if any limit counts tokens."""
        return bool(self.tokens_per_minute or self.tokens_per_day)

    @property
    def count_time(self) -> bool:
        """Return True if any limit depends on time."""
        return bool(self.requests_per_minute or self.tokens_per_minute or self.tokens_per_day)


@dataclass(frozen=True, slots=True)
class Instant:
    """Point in time: `monotonic` in seconds of a clock that never jumps, `wall` for the calendar."""

    monotonic: float
    wall: datetime

    @property
    def day(self) -> int:
        """Return the number of the day in UTC."""
        return self.wall.toordinal()

    @property
    def left_of_day_s(self) -> int:
        """Return the seconds until the next day begins."""
        tomorrow = self.wall.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return ceil((tomorrow - self.wall).total_seconds())


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """Status of one limit: what is left of `limit`, and the seconds until it is full again."""

    name: str
    limit: int
    window_s: int
    left: int
    reset_s: int


@dataclass(slots=True)
class _TokenBucket:
    """Token bucket of one minute. It may go below zero, and then has to fill up first."""

    level: float = 0.0
    filled_at: float | None = None

    def fill(self, limit: int, now: float) -> None:
        """Fill up to now; a new bucket is full."""
        since = _MINUTE_S if self.filled_at is None else now - self.filled_at
        self.level, self.filled_at = min(float(limit), self.level + since * limit / _MINUTE_S), now

    def take(self, amount: float) -> None:
        """Take an amount; nothing is taken while no limit applies."""
        if self.filled_at is not None:
            self.level -= amount

    def reset(self) -> None:
        """Forget what was taken: no limit applies any more."""
        self.level, self.filled_at = 0.0, None

    def wait_s(self, limit: int, amount: float) -> float:
        """Return the seconds until it holds `amount`, or is full; 0: now."""
        return max(0.0, (min(amount, limit) - self.level) * _MINUTE_S / limit)

    def status_at(self, name: str, limit: int, now: float) -> RateLimitStatus:
        """Return its status."""
        self.fill(limit, now)
        return RateLimitStatus(
            name, limit, _MINUTE_S, max(0, int(self.level)), ceil(self.wait_s(limit, limit))
        )


@dataclass(slots=True)
class RateLimiter:
    """Rate limiter of one key."""

    open: int = 0
    day: int = 0
    spent_today: int = 0
    _requests: _TokenBucket = field(default_factory=_TokenBucket)
    _tokens: _TokenBucket = field(default_factory=_TokenBucket)

    def admit(self, limits: Limits, cost: int, known_today: int, now: Instant) -> None:
        """Admit a request and reserve its estimated cost in tokens; RateLimited and others at a limit.

        `known_today`: the tokens that the whole installation has counted for today.
        """
        if limits.concurrent_requests and self.open >= limits.concurrent_requests:
            raise TooManyRequests(f"{self.open} requests of this key are open; wait for some to end.")
        if limits.tokens_per_day:
            self._roll_day(known_today, now)
        self._check_minute(self._requests, limits.requests_per_minute, 1, "requests", now)
        self._check_minute(self._tokens, limits.tokens_per_minute, cost, "tokens", now)
        if limits.tokens_per_day and self.spent_today + cost > limits.tokens_per_day:
            raise QuotaExceeded(
                f"This key may use {limits.tokens_per_day:,} tokens a day and has used {self.spent_today:,}; "
                "the next day begins at midnight UTC. An operator can raise it: `ratoon keys limit`.",
                now.left_of_day_s,
            )
        self.open += 1
        self._requests.take(1)
        self._book(cost)

    def end(self, cost: int, spent: int) -> None:
        """Replace the reserved cost of a request by its actual cost."""
        self.open -= 1
        self._book(spent - cost)

    def statuses(self, limits: Limits, now: Instant) -> Iterator[RateLimitStatus]:
        """Yield the status of each limit."""
        if limit := limits.requests_per_minute:
            yield self._requests.status_at("requests", limit, now.monotonic)
        if limit := limits.tokens_per_minute:
            yield self._tokens.status_at("tokens", limit, now.monotonic)
        if limit := limits.tokens_per_day:
            yield RateLimitStatus("day", limit, _DAY_S, max(0, limit - self.spent_today), now.left_of_day_s)

    def _roll_day(self, known_today: int, now: Instant) -> None:
        if self.day != now.day:
            self.day, self.spent_today = now.day, 0
        self.spent_today = max(self.spent_today, known_today)

    def _check_minute(self, bucket: _TokenBucket, limit: int, amount: int, what: str, now: Instant) -> None:
        if not limit:
            bucket.reset()
            return
        bucket.fill(limit, now.monotonic)
        if wait := bucket.wait_s(limit, amount):
            amount_text = f"1 {what.removesuffix('s')}" if limit == 1 else f"{limit:,} {what}"
            raise RateLimited(
                f"This key may use {amount_text} a minute; try again in {ceil(wait)} s.", ceil(wait)
            )

    def _book(self, tokens: int) -> None:
        self._tokens.take(tokens)
        self.spent_today += tokens


def checked_limits(limits: Limits) -> Limits:
    """Return the limits; BadRequest names an invalid one."""
    for each in fields(limits):
        if not 0 <= getattr(limits, each.name) <= _MAX_LIMIT:
            raise BadRequest(
                f"{each.name} must be from 0 (the default) to {_MAX_LIMIT:,}.",
                field=f"api_key.limits.{each.name}",
            )
    return limits
