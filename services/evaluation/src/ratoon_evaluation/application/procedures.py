"""Procedure of an evaluation run, which one job scores."""

from functools import partial

from ratoon.operations.job_procedure import JobProcedure
from ratoon.storage.names import parent_of
from ratoon.storage.store import Store
from ratoon_evaluation.application.ports import Scoring, ScoringJob, Splits
from ratoon_evaluation.domain.predictions import stored_predictions
from ratoon_evaluation.domain.runs import EvaluationRun, Scored, step

_POLL_INTERVAL_S = 0.3


def run_procedure(
    store: Store, splits: Splits, scoring: Scoring
) -> JobProcedure[EvaluationRun, ScoringJob, Scored]:
    """Return the procedure behind CreateEvaluationRun."""
    return JobProcedure(
        EvaluationRun, "score", scoring, partial(scoring_job, store, splits), step, _POLL_INTERVAL_S
    )


def scoring_job(store: Store, splits: Splits, run: EvaluationRun) -> ScoringJob:
    """Return the input of a scoring job; opens the test parts, which is logged."""
    question = run.question
    readers = [digest for digest in (question.candidate, question.reference, question.base) if digest]
    parts = {
        domain.name: splits.open(domain.split, readers, f"Evaluation {run.name}")
        for domain in question.domains
    }
    with store.read() as tx:
        stored = stored_predictions(question, tx.all(EvaluationRun, parent_of(run.name)))
    return ScoringJob(run, parts, stored)
