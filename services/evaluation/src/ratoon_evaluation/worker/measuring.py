"""Scores of a domain from the scores of its answerers: intervals, differences, slices. It knows no kind of task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ratoon.tasks.kind import Metric
from ratoon_evaluation.domain.scores import DomainScores, Interval, Scores, SliceScore
from ratoon_evaluation.domain.slices import slices_of
from ratoon_evaluation.worker.answer_scores import AnswerScores
from ratoon_evaluation.worker.bootstrap import MIN_UNITS, Draws, drawn
from ratoon_evaluation.worker.parts import Part
from ratoon_evaluation.worker.passes import CANDIDATE, REFERENCE, Domain
from ratoon_evaluation.worker.resampling import Resampling

_ONE_UNIT = (
    "All records of the test part are near-duplicates of each other or of one group, so no interval can be given. "
    "Add records of other groups."
)
_NOT_FINITE = "The value is too large, or is not a number."
_FEW_UNITS = "Too few records of different groups have this metric, so no interval can be given."


@dataclass(frozen=True)
class Answerer:
    """A model or a baseline with the scores of its answers."""

    scores: AnswerScores
    unfit: int = 0
    """Number of records whose prompt is too long for the model."""
    predictions: str = ""
    """Digest of the stored answers; a baseline that is no model has none."""
    settings: str = ""


def measure(
    domain: Domain, answerers: Mapping[str, Answerer], primary: Metric, how: Resampling
) -> DomainScores:
    """Return the scores of a domain, without wrong answers.

    The best baseline is the one with the best value of the primary metric on the test part.
    """
    part = domain.test
    rows = np.arange(len(part))
    draws = _drawn(part, rows, answerers.values(), how)
    by_name = dict(zip(answerers, draws, strict=True))
    scores = {name: _scores(part, rows, each, by_name[name], how) for name, each in answerers.items()}
    for role in (CANDIDATE, REFERENCE):
        if role in answerers:
            scores[role] = _with_slices(scores[role], part, answerers[role], how)
    baselines = {name: each for name, each in scores.items() if name not in (CANDIDATE, REFERENCE)}
    best = _best(baselines, primary)
    return DomainScores(
        domain=domain.name,
        test=part.digest,
        candidate=scores[CANDIDATE],
        reference=scores.get(REFERENCE),
        baselines=baselines,
        best_baseline=best,
        differences=_differences(by_name, scores, REFERENCE, how),
        baseline_differences=_differences(by_name, scores, best, how),
    )


def worst_first(answerer: Answerer, primary: Metric) -> tuple[list[int], Sequence[float | None]]:
    """Return the wrong records, those with the worst primary metric first, and the metric of every record."""
    scores = answerer.scores.of_record(primary.name)

    def place(row: int) -> tuple[float, int]:
        score = scores[row]
        return (0.0 if score is None else primary.gain(score, 0.0), row)

    return sorted((row for row, wrong in enumerate(answerer.scores.wrong) if wrong), key=place), scores


def _drawn(
    part: Part, rows: npt.NDArray[np.int64], answerers: Iterable[Answerer], how: Resampling
) -> list[Draws]:
    units = np.unique(part.units[rows], return_inverse=True)[1]
    count = int(units.max()) + 1
    each = list(answerers)
    if count < MIN_UNITS:
        return [Draws({}, {})] * len(each)
    return drawn(how, count, [answerer.scores.statistics(rows, units) for answerer in each])


def _scores(
    part: Part, rows: npt.NDArray[np.int64], answerer: Answerer, draws: Draws, how: Resampling
) -> Scores:
    metrics = draws.intervals(how)
    unmeasured = {
        **{name: _why(value) for name, value in draws.values.items() if name not in metrics},
        **answerer.scores.unmeasured,
    }
    if not draws.values:
        names = answerer.scores.statistics(rows, np.zeros(len(rows), dtype=np.int64))
        unmeasured = {**dict.fromkeys(names, _ONE_UNIT), **answerer.scores.unmeasured}
    perplexity = metrics.get("perplexity")
    return Scores(
        records=len(part),
        metrics={name: interval for name, interval in metrics.items() if name not in unmeasured},
        perplexity=perplexity.value if perplexity else None,
        unfit=answerer.unfit,
        predictions=answerer.predictions,
        unanswered=answerer.scores.unanswered,
        answer_settings=answerer.settings,
        unmeasured=unmeasured,
    )


def _why(value: float) -> str:
    """Return why a metric has no interval."""
    return _FEW_UNITS if np.isfinite(value) else _NOT_FINITE


def _with_slices(scores: Scores, part: Part, answerer: Answerer, how: Resampling) -> Scores:
    slices = slices_of([len(text) for text in part.texts], part.languages, part.attributes)
    measured = []
    for name, positions in slices.items():
        (draws,) = _drawn(part, np.array(positions), [answerer], how)
        metrics = draws.intervals(how)
        known = {name: each for name, each in metrics.items() if name not in scores.unmeasured}
        measured.append(SliceScore(name, len(positions), metrics=known))
    return replace(scores, slices=tuple(measured))


def _differences(
    by_name: Mapping[str, Draws], scores: Mapping[str, Scores], other: str, how: Resampling
) -> dict[str, Interval]:
    """Return the differences of the metrics that both have."""
    if other not in by_name:
        return {}
    both = scores[CANDIDATE].metrics.keys() & scores[other].metrics.keys()
    differences = by_name[CANDIDATE].differences(by_name[other], how)
    return {name: each for name, each in differences.items() if name in both}


def _best(baselines: Mapping[str, Scores], primary: Metric) -> str:
    """Return the baseline with the best primary metric; empty: none has it."""
    known = {
        name: each.metrics[primary.name].value
        for name, each in baselines.items()
        if primary.name in each.metrics
    }
    return max(known, key=lambda name: primary.gain(known[name], 0.0)) if known else ""
