"""Diagnosis of a run by its curves, and the remedy. The thresholds are stated only here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

EXPLODING_NORM = 100.0
"""A gradient norm (before clipping) above this, or ten times the early median at the end, explodes."""
VANISHING_NORM = 1e-4
"""A median gradient norm below this while the loss has not fallen has vanished."""
LEARNED = 0.9
"""A run whose last losses are above this share of its first ones has not learned."""
OVERFIT = 1.05
"""Validation loss this much above its best, while training loss falls, is overfitting."""

IMPROVING = 0.98
"""A last validation loss below this share of the best one before it is still falling."""

REMEDIES = {
    "healthy": "No problem found in the curves.",
    "still-improving": "The validation loss was still falling at the end: train for more epochs.",
    "underfit": "Train longer, raise the learning rate, or take a larger model.",
    "overfit": "The best epoch's weights were kept. Add data, raise the weight decay, or take a smaller model.",
    "vanishing-gradients": "Check the initialisation (He, Xavier), use fewer layers or a higher rate.",
    "exploding-gradients": "Lower the learning rate, lengthen the warm-up, or clip gradients lower.",
}


@dataclass(frozen=True)
class Diagnosis:
    """A verdict and its remedy."""

    verdict: str
    remedy: str


def diagnose(
    losses: Sequence[float], gradient_norms: Sequence[float], validation_losses: Sequence[float]
) -> Diagnosis:
    """The verdict on a run from its loss and gradient norm per step and its validation loss per epoch."""
    verdict = _verdict(losses, gradient_norms, validation_losses)
    return Diagnosis(verdict, REMEDIES[verdict])


def _verdict(losses: Sequence[float], norms: Sequence[float], validation: Sequence[float]) -> str:
    if _explodes(losses, norms):
        return "exploding-gradients"
    first, last = _ends(losses)
    learned = bool(losses) and last < LEARNED * first
    if norms and median(norms) < VANISHING_NORM and not learned:
        return "vanishing-gradients"
    if len(validation) > 1 and validation[-1] > OVERFIT * min(validation) and learned:
        return "overfit"
    if not learned:
        return "underfit"
    improving = len(validation) > 1 and validation[-1] < IMPROVING * min(validation[:-1])
    return "still-improving" if improving else "healthy"


def _explodes(losses: Sequence[float], norms: Sequence[float]) -> bool:
    if not all(map(math.isfinite, (*losses, *norms))):
        return True
    if not norms:
        return False
    quarter = max(1, len(norms) // 4)
    early, late = median(norms[:quarter]), median(norms[-quarter:])
    return median(norms) > EXPLODING_NORM or (late > 10 * early and late > 10)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Means of the first and last twentieth."""
    if not values:
        return 0.0, 0.0
    share = max(1, len(values) // 20)
    return fmean(values[:share]), fmean(values[-share:])
