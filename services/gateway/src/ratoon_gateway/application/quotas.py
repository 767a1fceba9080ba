"""Lets requests in by what their key may still use. It knows no protocol and no store."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from ratoon.chassis.clock import Clock
from ratoon_gateway.application.ports import Keys, Usage
from ratoon_gateway.domain.completions import Ask
from ratoon_gateway.domain.limits import Limits, Meter, Moment, Standing

_NONE = Limits()
_NEVER = Moment(0.0, datetime.min.replace(tzinfo=UTC))


@dataclass(slots=True)
class Pass:
    """A request that was let in, until `end`."""

    limits: Limits
    meter: Meter
    cost: int
    """Tokens booked for it in advance; 0 when nobody counts them."""
    moment: Moment

    def end(self, spent: int) -> None:
        """It has ended and has cost so many tokens."""
        self.meter.end(self.cost, spent)

    def standings(self) -> Iterator[Standing]:
        """How far each limit was used up when it came in, this request among it."""
        return self.meter.standings(self.limits, self.moment)


class Quotas:
    """What every key uses now; for one event loop. A key without limits costs a few look-ups a request."""

    def __init__(self, keys: Keys, usage: Usage, default: Limits, clock: Clock) -> None:
        self._keys, self._usage, self._default, self._clock = keys, usage, default, clock
        self._meters: dict[str, Meter] = {}

    def enter(self, key: str, ask: Ask) -> Pass:
        """Let a request of this key in; RateLimited, QuotaExceeded, TooManyRequests."""
        limits, meter = self._limits(key), self._meter(key)
        cost = ask.cost_estimate if limits.counts_tokens else 0
        known = self._usage.tokens_today(key) if limits.tokens_per_day else 0
        now = self._moment(limits)
        meter.admit(limits, cost, known, now)
        return Pass(limits, meter, cost, now)

    def standings(self, key: str) -> Iterator[Standing]:
        """How far each limit of this key is used up."""
        limits = self._limits(key)
        yield from self._meter(key).standings(limits, self._moment(limits))

    def _moment(self, limits: Limits) -> Moment:
        """Now, where any limit has to do with time."""
        return Moment(self._clock.monotonic(), self._clock.now()) if limits.count_time else _NEVER

    def _limits(self, key: str) -> Limits:
        own = self._keys.limits(key)
        return self._default if own == _NONE else own.over(self._default)

    def _meter(self, key: str) -> Meter:
        meter = self._meters.get(key)
        if meter is None:
            meter = self._meters[key] = Meter()
        return meter
