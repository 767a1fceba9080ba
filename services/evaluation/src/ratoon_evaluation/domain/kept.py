"""Answers that earlier runs kept: what a model said to a sealed part does not change, so it is asked once.

It knows neither models nor storage.
"""

from collections.abc import Iterable, Mapping

from ratoon_evaluation.domain.runs import EvaluationRun, Question

Kept = Mapping[tuple[str, str], str]
"""Digests of kept predictions, by a model's digest and a test part's."""


def kept_for(question: Question, runs: Iterable[EvaluationRun]) -> Kept:
    """What these runs, oldest first, kept of the models that a question names, over the same labels."""
    models = {question.candidate, question.reference} - {""}
    return {
        (model, part): predictions
        for run in runs
        if run.question.labels == question.labels
        for model, part, predictions in _predictions(run)
        if model in models and predictions
    }


def _predictions(run: EvaluationRun) -> Iterable[tuple[str, str, str]]:
    """Model, test part, and what was kept of their meeting."""
    for scores in run.scored.outcome.measured.domains if run.scored else ():
        yield run.question.candidate, scores.test, scores.candidate.predictions
        if scores.reference is not None:
            yield run.question.reference, scores.test, scores.reference.predictions
