"""Predictions that earlier runs stored: a model's answers to a sealed part do not change, so they are computed once.

It knows neither models nor storage.
"""

from collections.abc import Iterable, Mapping

from ratoon_evaluation.domain.runs import EvaluationRun, Question

StoredPredictions = Mapping[tuple[str, str], str]
"""Digests of stored predictions, by a model's digest and a test part's."""


def stored_predictions(question: Question, runs: Iterable[EvaluationRun]) -> StoredPredictions:
    """Return what these runs, oldest first, stored for the models of a question, over the same labels."""
    models = {question.candidate, question.reference} - {""}
    return {
        (model, part): predictions
        for run in runs
        if run.question.labels == question.labels
        for model, part, predictions in _predictions(run)
        if model in models and predictions
    }


def _predictions(run: EvaluationRun) -> Iterable[tuple[str, str, str]]:
    """Yield model, test part and the digest of the model's predictions for it."""
    for scores in run.scored.outcome.measured.domains if run.scored else ():
        yield run.question.candidate, scores.test, scores.candidate.predictions
        if scores.reference is not None:
            yield run.question.reference, scores.test, scores.reference.predictions
