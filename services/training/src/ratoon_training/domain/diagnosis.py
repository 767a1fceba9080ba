"""Diagnosis of a run by its curves, and the remedy. The thresholds are stated only here.

A loss that is not positive, such as that of GRPO, does not have to fall: its course says nothing, and only validation
and gradients are judged.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
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
RISEN = 1.1
"""Last losses above the first ones by this factor have diverged: the rate is too high."""
LOST_GAIN = 0.5
"""Last losses that have lost more than this share of what the loss had fallen by have diverged after a good start."""
JUMP = 2.0
"""A twentieth of the run whose mean loss exceeds that of the first one by this factor is a jump of the loss."""
SWING = 0.3
"""A mean change between neighbouring tenths of the run above this share of their mean is a swing."""
TENTHS = 10
"""Number of equal spans of steps whose mean losses are compared."""
STEADY = 0.8
"""A loss that falls from tenth to tenth in at least this share of them falls steadily."""
SLOW = 0.995
"""A loss that falls steadily, below this share of its start but not to LEARNED, falls too slowly."""
DEAD_SHARE = 0.25
"""Share of units without any activation above which a network loses capacity."""

REMEDIES = {
    "healthy": "No problem found in the curves.",
    "still-improving": "The validation loss was still falling at the end: train for more epochs.",
    "underfit": "Train longer, raise the learning rate, or take a larger model.",
    "overfit": "The best epoch's weights were kept. Add data, raise the weight decay, or take a smaller model.",
    "vanishing-gradients": "Check the initialisation (He, Xavier), use fewer layers or a higher rate.",
    "exploding-gradients": "Lower the learning rate, lengthen the warm-up, or clip gradients lower.",
    "dead-units": "Lower the learning rate, or take an activation that is not flat below zero (GELU, SiLU).",
    "rate-too-high": "Divide recipe.learning_rate by 10, or let recipe.sweep lr-procedure find one.",
    "rate-too-low": "Multiply recipe.learning_rate by 10, or let recipe.sweep lr-procedure find one.",
    "loss-not-finite": "Divide recipe.learning_rate by 10, or let recipe.sweep lr-procedure find one; in bfloat16, try "
    "float32.",
}


@dataclass(frozen=True)
class Finding:
    """A property of the curves, its remedy, and the measurements that it follows from."""

    verdict: str
    remedy: str
    evidence: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """The most severe verdict with its remedy and evidence, and all findings, the most severe one first."""

    verdict: str
    remedy: str
    evidence: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Course:
    """Losses of the steps as means of their first, highest and last twentieth and of each tenth; all are positive."""

    first: float
    peak: float
    last: float
    tenths: tuple[float, ...]

    @property
    def learned(self) -> bool:
        return self.last < LEARNED * self.first

    @property
    def lowest(self) -> float:
        return min(self.tenths)


def diagnose(
    losses: Sequence[float],
    gradient_norms: Sequence[float],
    validation_losses: Sequence[float],
    dead_share: float = 0.0,
) -> Diagnosis:
    """Diagnose a run by its loss and gradient norm of each step, and its validation loss of each epoch.

    `dead_share` is the share of units that were 0 for the whole validation part.
    """
    findings = [
        Finding(verdict, REMEDIES[verdict], evidence)
        for verdict, evidence in _findings(losses, gradient_norms, validation_losses, dead_share)
    ]
    worst = findings[0]
    return Diagnosis(worst.verdict, worst.remedy, worst.evidence, tuple(findings))


def _findings(
    losses: Sequence[float], norms: Sequence[float], validation: Sequence[float], dead_share: float
) -> Iterator[tuple[str, str]]:
    """Yield verdict and evidence of each finding, the most severe one first; at least one."""
    any_yielded = False
    for each in _faults(losses, norms, validation, dead_share):
        any_yielded = True
        yield each
    if any_yielded:
        return
    if len(validation) > 1 and validation[-1] < IMPROVING * min(validation[:-1]):
        yield (
            "still-improving",
            (
                f"The last epoch lowered the validation loss from {min(validation[:-1]):.4g} to {validation[-1]:.4g}."
            ),
        )
        return
    course = _course(losses)
    yield "healthy", "" if course is None else f"The loss fell from {course.first:.4g} to {course.last:.4g}."


def _faults(
    losses: Sequence[float], norms: Sequence[float], validation: Sequence[float], dead_share: float
) -> Iterator[tuple[str, str]]:
    if (step := _first_not_finite(losses, norms)) is not None:
        yield "loss-not-finite", f"The loss or its gradient is not finite at step {step}."
    losses = [loss for loss in losses if math.isfinite(loss)]
    norms = [norm for norm in norms if math.isfinite(norm)]
    course = _course(losses)
    if course is not None and (evidence := _too_high(course) or _worse_than_untrained(course, validation)):
        yield "rate-too-high", evidence
    if evidence := _exploding(norms):
        yield "exploding-gradients", evidence
    has_learned = course is not None and course.learned
    if norms and median(norms) < VANISHING_NORM and not has_learned:
        yield "vanishing-gradients", f"The median gradient norm is {median(norms):.1e}."
    if dead_share > DEAD_SHARE:
        yield (
            "dead-units",
            f"{dead_share:.0%} of the units have the activation 0 on the whole validation part.",
        )
    yield from _fit(course, losses, validation)


def _fit(
    course: _Course | None, losses: Sequence[float], validation: Sequence[float]
) -> Iterator[tuple[str, str]]:
    """Yield whether the model learned too little of the training part, or too much."""
    if course is None:
        if not losses:
            yield "underfit", "No step was reported."
        return
    if not course.learned and not _too_high(course):
        evidence = f"The loss went from {course.first:.4g} to {course.last:.4g}"
        if _falls_steadily(course) and course.last < SLOW * course.first:
            yield "rate-too-low", f"{evidence}: it fell steadily, and slowly."
        yield "underfit", f"{evidence}."
    if len(validation) > 1 and validation[-1] > OVERFIT * min(validation) and course.learned:
        best = list(validation).index(min(validation)) + 1
        yield (
            "overfit",
            (
                f"The validation loss rose from {min(validation):.4g} after epoch {best} to {validation[-1]:.4g}, "
                f"while the training loss fell to {course.last:.4g}."
            ),
        )


def _course(losses: Sequence[float]) -> _Course | None:
    """Return the course of the losses; None without any, or if they do not have to fall."""
    if not losses or min(losses) <= 0.0:
        return None
    share, spans = max(1, len(losses) // 20), min(TENTHS, len(losses))
    cuts = [len(losses) * number // spans for number in range(spans + 1)]
    tenths = tuple(fmean(losses[start:end]) for start, end in pairwise(cuts))
    peak = max(fmean(losses[start : start + share]) for start in range(0, len(losses), share))
    return _Course(fmean(losses[:share]), peak, fmean(losses[-share:]), tenths)


def _too_high(course: _Course) -> str:
    """Return the evidence that the rate is too high; empty: there is none."""
    if course.last > RISEN * course.first:
        return f"The loss rose from {course.first:.4g} to {course.last:.4g}."
    if course.peak > JUMP * course.first:
        return f"The loss jumped from {course.first:.4g} to {course.peak:.4g}."
    gain = course.first - course.lowest
    if gain > (1 - LEARNED) * course.first and course.last - course.lowest > LOST_GAIN * gain:
        return (
            f"The loss fell from {course.first:.4g} to {course.lowest:.4g}, then rose to {course.last:.4g}."
        )
    changes = [abs(after - before) for before, after in pairwise(course.tenths)]
    if not course.learned and changes and fmean(changes) > SWING * fmean(course.tenths):
        return f"The loss swings: it changes by {fmean(changes):.4g} from tenth to tenth of the steps."
    return ""


def _worse_than_untrained(course: _Course, validation: Sequence[float]) -> str:
    """Return the evidence that the model ends worse than it began; empty: there is none."""
    if not validation or validation[-1] <= RISEN * course.first:
        return ""
    return f"The last validation loss is {validation[-1]:.4g}; the training loss began at {course.first:.4g}."


def _falls_steadily(course: _Course) -> bool:
    falls = [after < before for before, after in pairwise(course.tenths)]
    return len(falls) >= TENTHS - 1 and sum(falls) >= STEADY * len(falls)


def _exploding(norms: Sequence[float]) -> str:
    """Return the evidence that gradients explode; empty: there is none."""
    if not norms:
        return ""
    quarter = max(1, len(norms) // 4)
    early, late = median(norms[:quarter]), median(norms[-quarter:])
    if late > 10 * early and late > 10:
        return (
            f"The median gradient norm grew from {early:.3g} in the first quarter to {late:.3g} in the last."
        )
    if median(norms) > EXPLODING_NORM:
        return f"The median gradient norm is {median(norms):.3g}."
    return ""


def _first_not_finite(losses: Sequence[float], norms: Sequence[float]) -> int | None:
    """Return the step, counted from 1, at which a loss or a norm is no number; None: all are."""
    places = [at for values in (losses, norms) for at, value in enumerate(values) if not math.isfinite(value)]
    return min(places) + 1 if places else None
