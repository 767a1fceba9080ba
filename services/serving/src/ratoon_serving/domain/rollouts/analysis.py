"""Analysis: pure rules that compare the new version with the old one by reports of gateways and votes of users.

A caller's own faults do not count: gateways leave out requests that no version answers, and where several callers are
answered, one alone does not decide. A caller's feedback counts once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ratoon.tasks.votes import Tally, Votes
from ratoon_serving.domain.errors import PolicyInvalid

MIN_REQUESTS = 5
"""Number of answers before an error rate counts."""
MIN_LATENCIES = 20
"""Number of answers of both versions before medians are compared."""
MIN_OTHER_CALLERS = 2
"""Number of other callers with answers from which one caller's failures or slow answers do not decide."""
MIN_VOTES = 20
LATENCY_SLACK_S = 0.5
"""Seconds by which a median may always be slower: both engines may share a machine while blue drains."""
EXPECTED_REQUESTS = 7.0
"""Number of expected requests from which none at all is significant (p < 0.001)."""
MIN_FAILED_PROBES = 2
"""Number of consecutive failed probes that fail the analysis."""
MIN_REPORTED_SHARE = 0.5
"""Share of a bake that gateways must have reported on; if they report no requests then, there were none."""
REPORTS_GRACE_S = 20.0
"""Seconds to wait for late reports, which gateways keep while serving is unavailable."""


@dataclass(frozen=True)
class Bake:
    """Conditions under which the new version is accepted."""

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
    """Traffic of one version that gateways observed in an interval."""

    requests: int = 0
    errors: int = 0
    """Answered with 5xx, or broken; not counted are those that no version answers better."""
    cut: int = 0
    """Of the errors, streams that ended before their end."""
    p50_s: float = 0.0
    """Median latency, in seconds."""
    seconds: float = 0.0
    """Length of the interval that gateways reported on, with or without requests."""
    callers: tuple[tuple[str, "Traffic"], ...] = ()
    """Part of each caller, as far as gateways reported it."""

    def __add__(self, other: "Traffic") -> "Traffic":
        """Return the sum of both intervals; medians are averaged by requests, which is near enough for a ratio."""
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
        """Return the traffic of the other callers."""
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
        """Return the counts with one more probe."""
        return Probes(self.good + 1, 0) if passed else Probes(self.good, self.bad_in_a_row + 1)


class AnalysisStatus(StrEnum):
    """Status of an analysis."""

    FAILED = "FAILED"
    INCONCLUSIVE = "INCONCLUSIVE"
    """Expected reports of gateways are missing; if they stay missing, the analysis fails."""
    PASSING = "PASSING"


@dataclass(frozen=True)
class AnalysisResult:
    """Status of an analysis, and the sentence that explains it."""

    status: AnalysisStatus
    message: str = ""


def analyze(bake: Bake, new: Traffic, old: Traffic, votes: Votes, probes: Probes) -> AnalysisResult:
    """Analyze at any moment after the shift; too little data passes."""
    for fault in (
        _of_several(_errors, bake, new, old),
        _of_several(_latency, bake, new, old),
        _quality(bake, votes),
        _probes(probes),
    ):
        if fault:
            return AnalysisResult(AnalysisStatus.FAILED, fault)
    return AnalysisResult(AnalysisStatus.PASSING)


def analyze_at_end(bake: Bake, new: Traffic, old: Traffic, votes: Votes, probes: Probes) -> AnalysisResult:
    """Analyze at the end of the bake: missing data counts as failure where traffic was expected.

    Data is missing if no gateway reported. If gateways report that there were no requests, the synthetic probes
    decide, and the message says so.
    """
    now = analyze(bake, new, old, votes, probes)
    if now.status is AnalysisStatus.FAILED:
        return now
    expected = old.requests / old.seconds * bake.seconds if old.seconds else 0.0
    if not new.requests and expected >= EXPECTED_REQUESTS and new.seconds < MIN_REPORTED_SHARE * bake.seconds:
        fault = (
            f"no gateway reported traffic during the bake, but about {expected:.0f} requests were "
            "expected; missing data counts as failure"
        )
        return AnalysisResult(AnalysisStatus.INCONCLUSIVE, fault)
    if not new.requests and not probes.good:
        return AnalysisResult(
            AnalysisStatus.FAILED, "neither a request nor a good synthetic probe was observed during the bake"
        )
    if not new.requests:
        return AnalysisResult(
            AnalysisStatus.PASSING, f"there was no traffic; {probes.good} synthetic probes decided"
        )
    rate = new.failed / new.requests
    alone = _errors(bake, new, old) or _latency(bake, new, old)
    left_out = "; the failures or slow answers of one caller did not decide" if alone else ""
    return AnalysisResult(AnalysisStatus.PASSING, f"{new.requests} requests, {rate:.1%} failed{left_out}")


def _of_several(
    check: Callable[[Bake, Traffic, Traffic], str], bake: Bake, new: Traffic, old: Traffic
) -> str:
    """Return the fault, unless it affects one caller only while others got good answers."""
    fault = check(bake, new, old)
    if not fault:
        return ""
    for caller, _ in new.callers:
        others = new.without(caller)
        if len(others.callers) < MIN_OTHER_CALLERS or others.requests < MIN_REQUESTS:
            continue
        if not check(bake, others, old.without(caller)):
            return ""
    return fault


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
        if probes.bad_in_a_row >= MIN_FAILED_PROBES
        else ""
    )
