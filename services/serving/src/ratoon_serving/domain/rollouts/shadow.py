"""Shadow analysis: both versions of a rollout answer the same live requests, and the project's metric compares them.

The new version answers copies only until enough pairs of answers with a known right answer are scored. The rule decides
once, at that moment: a rule that is applied again with each pair would roll back good versions by chance. What arrives
later is shown, not decided by, because users correct mostly wrong answers of the version that they see.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import isfinite

from ratoon_serving.domain.errors import PolicyInvalid

MIN_CALLERS = 20
"""Number of callers from which the interval of a comparison holds."""
MAX_WAIT_S = 3600.0
_MAX_PAIRS = 2_000
_LONGEST_WAIT_S = 30 * 86_400.0


@dataclass(frozen=True)
class Shadow:
    """Settings of the comparison of both versions on the same live requests."""

    share: float = 0.0
    """Share of the answered requests that the other version answers too."""
    min_pairs: int = 0
    """Pairs with a known right answer to wait for; 0: the rollout does not wait."""
    max_wait_s: float = MAX_WAIT_S
    metric: str = ""
    """Empty: the primary metric of the project."""
    max_loss: float = 0.0
    require_pairs: bool = False
    """True: roll back if the wait ends with too few pairs."""
    reference_outcome: str = ""

    def __post_init__(self) -> None:
        numbers = (self.share, self.max_wait_s, self.max_loss)
        if not all(map(isfinite, numbers)) or not 0 <= self.share <= 1 or self.max_loss < 0:
            raise PolicyInvalid("A shadow analysis needs a share from 0 to 1, and a max_loss of 0 or more.")
        if not 0 <= self.min_pairs <= _MAX_PAIRS or not 0 < self.max_wait_s <= _LONGEST_WAIT_S:
            raise PolicyInvalid(
                f"A shadow analysis waits for at most {_MAX_PAIRS:,} pairs and {_LONGEST_WAIT_S:,.0f} seconds."
            )
        if self.min_pairs and not self.share:
            raise PolicyInvalid("Without a share no pairs come: give shadow.share with shadow.min_pairs.")

    @property
    def waits(self) -> bool:
        """Return whether callers get answers of the new version only after pairs were compared."""
        return self.min_pairs > 0


@dataclass(frozen=True)
class Side:
    """Answers of one version to requests that both were to answer."""

    p50_s: float = 0.0
    mean_tokens: float = 0.0
    shadows: int = 0
    """Requests that it was to answer in the shadow."""
    errors: int = 0
    """Of these, requests that it did not answer."""


@dataclass(frozen=True)
class Paired:
    """Comparison by a metric on pairs whose right answer is known."""

    pairs: int
    callers: int
    new_answered: int
    """Pairs of which the caller got the new version's answer."""
    new: float
    old: float
    gain: float
    low: float | None = None
    """None: fewer than two callers."""
    high: float | None = None


@dataclass(frozen=True)
class Comparison:
    """How both versions answered the same live requests."""

    time: datetime
    requests: int
    agreement: float
    metric: str
    lower_is_better: bool = False
    similarity: float | None = None
    new: Side = field(default_factory=Side)
    old: Side = field(default_factory=Side)
    by_metric: Paired | None = None
    message: str = ""


class Verdict(StrEnum):
    """Verdict on a rollout that waits for pairs."""

    WAIT = "WAIT"
    GO_ON = "GO_ON"
    ROLL_BACK = "ROLL_BACK"


def judge(shadow: Shadow, comparison: Comparison | None, waited_s: float) -> tuple[Verdict, str]:
    """Return the verdict after this wait, and the sentence that explains it."""
    paired = comparison.by_metric if comparison is not None else None
    if comparison is not None and paired is not None and _is_enough(shadow, paired):
        return _by_metric(shadow, comparison.metric, paired)
    if waited_s < shadow.max_wait_s:
        return Verdict.WAIT, ""
    what = _too_few(shadow, comparison, paired)
    if shadow.require_pairs:
        return Verdict.ROLL_BACK, f"{what}; the rollout requires them"
    return Verdict.GO_ON, f"{what}; the rollout goes on without the comparison"


def _is_enough(shadow: Shadow, paired: Paired) -> bool:
    return paired.pairs >= shadow.min_pairs and paired.callers >= MIN_CALLERS


def _by_metric(shadow: Shadow, metric: str, paired: Paired) -> tuple[Verdict, str]:
    what = (
        f"{metric} on {paired.pairs} pairs of {paired.callers} callers: {paired.new:.3g} against {paired.old:.3g}, "
        f"gain {paired.gain:.3g}"
    )
    if paired.low is None or paired.high is None:
        return Verdict.GO_ON, what
    what = f"{what} ({paired.low:.3g} to {paired.high:.3g})"
    if paired.high < -shadow.max_loss:
        allowed = f"more than {shadow.max_loss:g} worse" if shadow.max_loss else "worse"
        return Verdict.ROLL_BACK, f"{what}: {allowed}, beyond chance"
    return Verdict.GO_ON, what


def _too_few(shadow: Shadow, comparison: Comparison | None, paired: Paired | None) -> str:
    pairs, callers = (paired.pairs, paired.callers) if paired else (0, 0)
    answered = comparison.requests if comparison else 0
    return (
        f"after {shadow.max_wait_s:.0f} s, {answered} requests were answered by both versions, and the right answer of "
        f"{pairs} is known, from {callers} callers; needed are {shadow.min_pairs}, from {MIN_CALLERS} callers"
    )
