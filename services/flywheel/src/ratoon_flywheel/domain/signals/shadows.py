"""Shadow answers: both versions of a rollout answered the same request, and one of the answers was sent.

Where feedback names the right answer, both are scored by the project's metric. Each caller counts once, and the
interval of the gain leaves one caller, or of many a group of callers, out at a time (jackknife), so that neither many
requests of one caller nor a metric that is no mean of answers, such as macro-F1, makes it too narrow. Without right
answers, agreement, latency, length and errors are left, which do not say which version is better.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import sqrt
from statistics import NormalDist, fmean, median

from ratoon.tasks.kind import Metric
from ratoon.tasks.titles import metric_title
from ratoon_flywheel.domain.signals.comparison import LEVEL, Interval
from ratoon_flywheel.domain.signals.feedback import FeedbackLabel
from ratoon_flywheel.domain.signals.traffic import Answer
from ratoon_flywheel.domain.sums import COUNT, Sums

_MAX_GROUPS = 100
"""Groups of callers of the jackknife: with a thousand labels, leaving out each of many callers would take seconds."""
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


@dataclass(frozen=True)
class ShadowAnswer:
    """Answer of the version that did not answer the caller, as the index keeps it: without its text."""

    answer_id: str
    shadow_of: str
    """Id of the answer that the caller got."""
    segment: str
    deployment: str
    version: str
    live_version: str
    """Version that answered the caller."""
    time: datetime
    label: str
    """The answer in its form in the index; empty if it is not valid, or there is none."""
    succeeded: bool
    latency_ms: float
    live_latency_ms: float
    tokens: int
    live_tokens: int


@dataclass(frozen=True)
class ShadowMark:
    """Mark of what is known of shadow answers: the newest numbers of the index."""

    shadows: int = 0
    feedback: int = 0
    outcomes: int = 0


@dataclass(frozen=True)
class Known:
    """Shadow answer whose right answer feedback determines."""

    shadow: ShadowAnswer
    live: Answer
    feedback: FeedbackLabel | None
    outcome: float | None = None
    """Value of the outcome that is the right number; None: the feedback counts."""


@dataclass(frozen=True)
class Switch:
    """Rollout whose versions are compared, as serving states it."""

    rollout: str
    deployment: str
    since: datetime
    new: str
    old: str
    metric: str = ""
    """Empty: the primary metric of the project."""
    reference_outcome: str = ""
    until: datetime | None = None
    """Beginning of the next rollout; None: there is none."""


@dataclass(frozen=True)
class Side:
    """Answers of one version to requests that both were to answer."""

    p50_s: float = 0.0
    mean_tokens: float = 0.0
    shadows: int = 0
    errors: int = 0


@dataclass(frozen=True)
class Scored:
    """Pair of answers with their summands of a metric."""

    caller: str
    new: Sums
    old: Sums
    new_answered: bool
    """The caller got the new version's answer."""


@dataclass(frozen=True)
class Paired:
    """Comparison by a metric on pairs whose right answer is known."""

    pairs: int
    callers: int
    new_answered: int
    new: float
    old: float
    gain: float
    interval: Interval | None
    """None: fewer than two callers."""


@dataclass(frozen=True)
class ShadowComparison:
    """How both versions of a rollout answered the same requests."""

    rollout: str
    time: datetime
    metric: Metric
    requests: int = 0
    agreement: float = 0.0
    similarity: float | None = None
    new: Side = field(default_factory=Side)
    old: Side = field(default_factory=Side)
    by_metric: Paired | None = None
    message: str = ""


def compare_pairs(
    metric: Metric, value_of: Callable[[Sums], float], pairs: Sequence[Scored]
) -> Paired | None:
    """Return the comparison of the new version with the old one; None without pairs."""
    if not pairs:
        return None
    by_caller: defaultdict[str, list[Scored]] = defaultdict(list)
    for pair in pairs:
        by_caller[pair.caller].append(pair)
    sides = [
        [_mean_of([getattr(pair, side) for pair in own]) for own in by_caller.values()]
        for side in ("new", "old")
    ]
    totals = [_total(side) for side in sides]
    new, old = (value_of(total) for total in totals)
    gain = metric.gain(new, old)
    left_out = [
        metric.gain(*(value_of(_less(total, own)) for total, own in zip(totals, owns, strict=True)))
        for owns in zip(*map(_grouped, sides), strict=True)
        if all(_remains(total, own) for total, own in zip(totals, owns, strict=True))
    ]
    return Paired(
        len(pairs),
        len(by_caller),
        sum(pair.new_answered for pair in pairs),
        new,
        old,
        gain,
        _interval(gain, left_out),
    )


def sides_of(shadows: Sequence[ShadowAnswer], switch: Switch) -> tuple[Side, Side]:
    """Return how fast, how long and how often without an answer the new and the old version answered."""
    return _side(shadows, switch.new), _side(shadows, switch.old)


def message_of(comparison: ShadowComparison, is_paired: bool) -> str:
    """Return what a comparison says and does not say; `is_paired`: the metric can compare pairs of answers."""
    title, paired = metric_title(comparison.metric.name), comparison.by_metric
    same = (
        f"Both versions gave the same answer to {comparison.agreement:.0%} of {comparison.requests} requests. "
        f"Latency, length, errors and agreement do not say which one is better."
    )
    if not is_paired:
        return f"{title} cannot be computed of answers alone. {same}"
    if paired is None:
        return f"No right answer is known yet. {same}"
    seen = f"the new one in {paired.new_answered} pairs, the old one in {paired.pairs - paired.new_answered}"
    return (
        f"{title} on {paired.pairs} pairs of {paired.callers} callers. Users correct wrong answers more often than "
        f"they confirm right ones, so the version that answered looks worse than it is: {seen}."
    )


def _side(shadows: Sequence[ShadowAnswer], version: str) -> Side:
    own = [each for each in shadows if each.version == version]
    answered = [each for each in own if each.succeeded]
    live = [each for each in shadows if each.live_version == version and each.succeeded]
    latencies = [each.latency_ms for each in answered] + [each.live_latency_ms for each in live]
    tokens = [each.tokens for each in answered] + [each.live_tokens for each in live]
    return Side(
        median(latencies) / 1000 if latencies else 0.0,
        fmean(tokens) if tokens else 0.0,
        len(own),
        len(own) - len(answered),
    )


def _interval(gain: float, left_out: Sequence[float]) -> Interval | None:
    """Return the interval of a gain from its values without each caller."""
    count = len(left_out)
    if count < 2:
        return None
    middle = fmean(left_out)
    error = sqrt((count - 1) / count * sum((value - middle) ** 2 for value in left_out))
    reach = _t_quantile(count - 1) * error
    return Interval(gain, gain - reach, gain + reach)


def _t_quantile(freedom: int) -> float:
    """Return Student's quantile of the level by its expansion around the normal one (Abramowitz and Stegun, 26.7.5)."""
    z = _Z
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _mean_of(each: Sequence[Sums]) -> Sums:
    return {name: value / len(each) for name, value in _total(each).items()}


def _grouped(callers: Sequence[Sums]) -> Sequence[Sums]:
    """Return the sums of groups of callers that are left out at once: one caller each, up to a number of groups."""
    if len(callers) <= _MAX_GROUPS:
        return callers
    return [_total(callers[start::_MAX_GROUPS]) for start in range(_MAX_GROUPS)]


def _total(each: Sequence[Sums]) -> dict[str, float]:
    total: defaultdict[str, float] = defaultdict(float)
    for sums in each:
        for name, value in sums.items():
            total[name] += value
    return dict(total)


def _less(total: Sums, own: Sums) -> Sums:
    return {name: value - own.get(name, 0.0) for name, value in total.items()}


def _remains(total: Sums, own: Sums) -> bool:
    return total[COUNT] - own[COUNT] > 0.5
