"""Procedure of an evaluation run, which one job scores."""

from functools import partial

from ratoon.operations.job_procedure import JobProcedure
from ratoon.storage.names import parent_of
from ratoon.storage.store import Store
from ratoon.tasks.judges import JudgeKind
from ratoon_evaluation.application.judges import stored_verdicts
from ratoon_evaluation.application.ports import Models, People, Scoring, ScoringJob, Splits
from ratoon_evaluation.domain.human import HumanVerdicts, verdicts_of
from ratoon_evaluation.domain.predictions import stored_costs, stored_predictions
from ratoon_evaluation.domain.runs import EvaluationRun, Scored, step

_POLL_INTERVAL_S = 0.3


def run_procedure(
    store: Store, splits: Splits, scoring: Scoring, people: People, models: Models
) -> JobProcedure[EvaluationRun, ScoringJob, Scored]:
    """Return the procedure behind CreateEvaluationRun."""
    job = partial(scoring_job, store, splits, people, models)
    return JobProcedure(EvaluationRun, "score", scoring, job, step, _POLL_INTERVAL_S)


def scoring_job(
    store: Store, splits: Splits, people: People, models: Models, run: EvaluationRun
) -> ScoringJob:
    """Return the input of a scoring job; opens the test parts, which is logged."""
    question = run.question
    readers = [digest for digest in (question.candidate, question.reference, question.base) if digest]
    parts = {
        domain.name: splits.open(domain.split, readers, f"Evaluation {run.name}")
        for domain in question.domains
    }
    with store.read() as tx:
        earlier = list(tx.all(EvaluationRun, parent_of(run.name)))
        verdicts = stored_verdicts(tx, parent_of(run.name)) if question.judges else {}
    stored = stored_predictions(question, earlier, models.content)
    costs = stored_costs(question, earlier, models.content)
    return ScoringJob(run, parts, stored, verdicts, _human(people, run), costs)


def _human(people: People, run: EvaluationRun) -> HumanVerdicts | None:
    """Return what people said about the answers of a run; None: it takes in no human ratings."""
    human = run.question.human
    if human is None:
        return None
    tasks = (task for kind in JudgeKind for task in people.tasks(parent_of(run.name), kind))
    return verdicts_of(tasks, human)
