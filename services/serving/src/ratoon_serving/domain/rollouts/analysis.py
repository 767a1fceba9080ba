"""Is the new version as good as the old one, judged by what gateways and users saw? Pure rules.

What a caller causes is no evidence: gateways leave out requests that no version answers, and where several callers are
answered, one alone does not decide. A caller's feedback counts once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ratoon.tasks.votes import Tally, Votes
from ratoon_serving.domain.errors import PolicyInvalid

MIN_REQUESTS = 5
"""Answers before an error rate means anything."""
MIN_LATENCIES = 20
"""Answers on both sides before medians are compared."""
MIN_OTHERS = 2
"""From so many other callers with answers of their own, one caller's failures or slow answers do not decide."""
MIN_VOTES = 20
LATENCY_SLACK_S = 0.5
"""A median may always be this much slower, in seconds: both engines may share a machine while blue drains."""
EXPECTED_REQUESTS = 7.0
"""From so many requests expected, none at all is no chance any more (p < 0.001)."""
PROBE_STRIKES = 2
"""Probes in a row that must fail."""
HEARD_SHARE = 0.5
"""How much of a bake gateways must have told of, for their silence on requests to mean that none came."""
REPORTS_GRACE_S = 20.0
"""How long late reports are waited for, in seconds: gateways keep them while serving is away."""


@dataclass(frozen=True)
class Bake:
    """When the new version is trusted."""

    seconds: float = 30.0
    max_error_rate: float = 0.05
    max_latency_ratio: float = 3.0
    max_negative_rate: float = 0.5

    def __post_init__(self) -> None:
        shares = (self.max_error_rate, self.max_negative_rate)
        if self.seconds < 0 or self.max_latency_ratio < 1 or any(not 0 < share <= 1 for share in shares):
            raise PolicyInvalid(
                "A bake needs seconds >= 0, a latency ratio >= 1 and error and negative rates in (0, 1]."
            )


@dataclass(frozen=True)
class Traffic:
    """What gateways saw of one version in a stretch of time."""

    requests: int = 0
    errors: int = 0
    """Answered with 5xx, or broken; not counted are those that no version answers better."""
    cut: int = 0
    """Of the errors, streams that ended before their end."""
    p50_s: float = 0.0
    """Median latency, in seconds."""
    seconds: float = 0.0
    """Length of the stretch that gateways told of, with requests in it or without."""
    callers: tuple[tuple[str, "Traffic"], ...] = ()
    """Each caller's part of it, as far as gateways told."""

    def __add__(self, other: "Traffic") -> "Traffic":
        """Both stretches; medians are averaged by requests, which is near enough for a ratio."""
        requests = self.requests + other.requests
        weighted = self.p50_s * self.requests + other.p50_s * other.requests
        return Traffic(
            requests,
            self.errors + other.errors,
            self.cut + other.cut,
            weighted / requests if requests else 0.0,
            max(self.seconds, other.seconds),
            _merged(self.callers, other.callers),
        )

    @property
    def failed(self) -> int:
        """Requests that failed, each counted once."""
        return max(self.errors, self.cut)

    def without(self, caller: str) -> "Traffic":
        """What the other callers saw."""
        own = dict(self.callers).get(caller)
        if own is None:
            return self
        requests = max(0, self.requests - own.requests)
        weighted = max(0.0, self.p50_s * self.requests - own.p50_s * own.requests)
        return Traffic(
            requests,
            max(0, self.errors - own.errors),
            max(0, self.cut - own.cut),
            weighted / requests if requests else 0.0,
            self.seconds,
            tuple(each for each in self.callers if each[0] != caller),
        )


def _merged(
    some: tuple[tuple[str, Traffic], ...], more: tuple[tuple[str, Traffic], ...]
) -> tuple[tuple[str, Traffic], ...]:
    summed = dict(some)
    for caller, own in more:
        summed[caller] = summed[caller] + own if caller in summed else own
    return tuple(summed.items())


@dataclass(frozen=True)
class Probes:
    """Synthetic requests sent along the route: good ones so far, and bad ones in a row at the end."""

    good: int = 0
    bad_in_a_row: int = 0

    def and_then(self, passed: bool) -> "Probes":
        """With one more."""
        return Probes(self.good + 1, 0) if passed else Probes(self.good, self.bad_in_a_row + 1)


class Outlook(StrEnum):
    """What follows."""

    BAD = "BAD"
    UNHEARD = "UNHEARD"
    """Gateways were expected to tell something and told nothing; if they go on so, that is bad."""
    FINE_SO_FAR = "FINE_SO_FAR"


@dataclass(frozen=True)
class Judgement:
    """An outlook and the sentence that explains it."""

    outlook: Outlook
    message: str = ""


def judge(bake: Bake, new: Traffic, old: Traffic, votes: Votes, probes: Probes) -> Judgement:
    """Judge at any moment after the switch; what is too little to tell is fine so far."""
    for complaint in (
        _of_several(_errors, bake, new, old),
        _of_several(_latency, bake, new, old),
        _quality(bake, votes),
        _probes(probes),
    ):
        if complaint:
            return Judgement(Outlook.BAD, complaint)
    return Judgement(Outlook.FINE_SO_FAR)


def judge_at_end(bake: Bake, new: Traffic, old: Traffic, votes: Votes, probes: Probes) -> Judgement:
    """Judge when the bake is over: missing data counts as failure where traffic was to be expected.

    Missing is what no gateway told. Where gateways tell that nobody asked, the synthetic probes decide, and the
    message says so: callers may go home during a bake.
    """
    now = judge(bake, new, old, votes, probes)
    if now.outlook is Outlook.BAD:
        return now
    expected = old.requests / old.seconds * bake.seconds if old.seconds else 0.0
    if not new.requests and expected >= EXPECTED_REQUESTS and new.seconds < HEARD_SHARE * bake.seconds:
        complaint = (
            f"no gateway reported traffic during the bake, but about {expected:.0f} requests were "
            "expected; missing data counts as failure"
        )
        return Judgement(Outlook.UNHEARD, complaint)
    if not new.requests and not probes.good:
        return Judgement(
            Outlook.BAD, "neither a request nor a good synthetic probe was observed during the bake"
        )
    if not new.requests:
        return Judgement(Outlook.FINE_SO_FAR, f"there was no traffic; {probes.good} synthetic probes decided")
    rate = new.failed / new.requests
    alone = _errors(bake, new, old) or _latency(bake, new, old)
    left_out = "; the failures or slow answers of one caller did not decide" if alone else ""
    return Judgement(Outlook.FINE_SO_FAR, f"{new.requests} requests, {rate:.1%} failed{left_out}")


def _of_several(
    complain: Callable[[Bake, Traffic, Traffic], str], bake: Bake, new: Traffic, old: Traffic
) -> str:
    """The complaint, unless it is one caller's alone while others were answered well."""
    complaint = complain(bake, new, old)
    if not complaint:
        return ""
    for caller, _ in new.callers:
        others = new.without(caller)
        if len(others.callers) < MIN_OTHERS or others.requests < MIN_REQUESTS:
            continue
        if not complain(bake, others, old.without(caller)):
            return ""
    return complaint


def _errors(bake: Bake, new: Traffic, old: Traffic) -> str:
    if new.requests < MIN_REQUESTS or new.failed <= bake.max_error_rate * new.requests:
        return ""
    return f"{new.failed} of {new.requests} requests failed, more than {bake.max_error_rate:.0%}"


def _latency(bake: Bake, new: Traffic, old: Traffic) -> str:
    if min(new.requests, old.requests) < MIN_LATENCIES:
        return ""
    limit = old.p50_s * bake.max_latency_ratio + LATENCY_SLACK_S
    return f"median latency {new.p50_s:.3f} s, above {limit:.3f} s" if new.p50_s > limit else ""


def _quality(bake: Bake, votes: Votes) -> str:
    def check(tally: Tally) -> bool:
        return tally.votes >= MIN_VOTES and tally.share > bake.max_negative_rate

    if not votes.support(check):
        return ""
    callers = votes.tally
    return (
        f"{votes.negative} of {votes.total} votes are negative; each of {callers.callers} callers counted once, "
        f"that is {callers.share:.0%}, more than {bake.max_negative_rate:.0%}"
    )


def _probes(probes: Probes) -> str:
    return (
        f"{probes.bad_in_a_row} synthetic probes failed in a row"
        if probes.bad_in_a_row >= PROBE_STRIKES
        else ""
    )
