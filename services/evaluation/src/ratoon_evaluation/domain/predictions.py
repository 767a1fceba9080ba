"""Predictions that earlier runs stored: a model's answers to a sealed part do not change, so they are computed once.

It knows neither models nor storage.
"""

from collections.abc import Callable, Iterable, Mapping

from ratoon_evaluation.domain.costs import AnswerCost
from ratoon_evaluation.domain.runs import EvaluationRun, Question
from ratoon_evaluation.domain.scores import Scores

Key = tuple[str, str, str]
StoredPredictions = Mapping[Key, str]
"""Digests of stored predictions, by a model's digest, a test part's and the settings of the answers.

Answers to tests of suites name no test part: `suites` stands for it.
"""

_SUITES = "suites"


def stored_predictions(
    question: Question, runs: Iterable[EvaluationRun], content: Callable[[str], str]
) -> StoredPredictions:
    """Return what these runs, oldest first, stored for the models of a question, for the same task.

    `content` returns by a model's digest what it answers from: a model that is registered gets a card, and with it
    another digest, and answers as before.
    """
    models = {question.candidate, question.reference, question.base} - {""}

    def requested(model: str) -> list[str]:
        return [each for each in models if model and content(each) == content(model)]

    known = list(runs)
    return _stored_parts(question, known, requested) | {
        (same, _SUITES, settings): answers
        for run in known
        for model, settings, answers in _tested(run)
        if settings and answers
        for same in requested(model)
    }


def _stored_parts(
    question: Question, runs: Iterable[EvaluationRun], requested: Callable[[str], Iterable[str]]
) -> dict[tuple[str, str, str], str]:
    return {
        (same, part, scores.answer_settings): scores.predictions
        for run in runs
        if run.question.spec == question.spec
        for model, part, scores in _scored(run)
        if scores.predictions
        for same in requested(model)
    }


def stored_costs(
    question: Question, runs: Iterable[EvaluationRun], content: Callable[[str], str]
) -> Mapping[Key, AnswerCost]:
    """Return the time of stored answers of the models of a question where it was measured, by their key."""
    models = {question.candidate, question.reference, question.base} - {""}
    return {
        (same, part, scores.answer_settings): scores.cost
        for run in runs
        if run.question.spec == question.spec
        for model, part, scores in _scored(run)
        if scores.predictions and scores.cost and model
        for same in models
        if content(same) == content(model)
    }


def _tested(run: EvaluationRun) -> Iterable[tuple[str, str, str]]:
    """Yield each model with the settings and the digest of its answers to a test of a suite."""
    for suite in run.scored.outcome.measured.suites if run.scored else ():
        for test in suite.tests:
            yield run.question.candidate, test.answer_settings, test.answers
            yield run.question.reference, test.answer_settings, test.reference_answers


def _scored(run: EvaluationRun) -> Iterable[tuple[str, str, Scores]]:
    """Yield each model with a test part and its scores there."""
    question = run.question
    for domain in run.scored.outcome.measured.domains if run.scored else ():
        yield question.candidate, domain.test, domain.candidate
        if domain.reference is not None:
            yield question.reference, domain.test, domain.reference
        for scores in domain.baselines.values():
            yield question.base, domain.test, scores
