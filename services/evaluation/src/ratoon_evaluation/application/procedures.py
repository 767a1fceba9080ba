"""How an evaluation run is worked on: the domain decides, the ports do."""

from datetime import datetime

from ratoon.chassis.errors import Description
from ratoon.chassis.names import parent_of
from ratoon.chassis.operations import Claim, Step
from ratoon.chassis.store import Store
from ratoon_evaluation.application.ports import Scoring, Splits
from ratoon_evaluation.domain.kept import kept_for
from ratoon_evaluation.domain.runs import (
    Action,
    EvaluationRun,
    Observation,
    Transition,
    fail,
    step,
)

_LOOK_AGAIN_S = 0.3


class RunProcedure:
    """The long work behind CreateEvaluationRun."""

    kind = EvaluationRun

    def __init__(self, store: Store, splits: Splits, scoring: Scoring) -> None:
        self._store, self._splits, self._scoring = store, splits, scoring

    def observe(self, run: EvaluationRun, claim: Claim) -> Observation:
        """The scoring job as it is now."""
        return self._scoring.observe(claim.action_id("score"))

    def step(self, run: EvaluationRun, seen: Observation, now: datetime) -> Step[EvaluationRun]:
        """What follows from it."""
        return _as_step(step(run, seen))

    def act(self, run: EvaluationRun, action: Action, claim: Claim) -> None:
        """Start, restart or stop the job."""
        job_id = claim.action_id("score")
        if action is Action.STOP:
            self._scoring.stop(job_id)
            return
        if action is Action.RESTART:
            self._scoring.forget(job_id)
        question = run.question
        readers = [digest for digest in (question.candidate, question.reference) if digest]
        parts = {
            domain.name: self._splits.open(domain.split, readers, f"Evaluation {run.name}")
            for domain in question.domains
        }
        with self._store.read() as tx:
            kept = kept_for(question, tx.all(EvaluationRun, parent_of(run.name)))
        self._scoring.start(job_id, run, parts, kept)

    def failed(self, run: EvaluationRun, error: Description, now: datetime) -> Step[EvaluationRun]:
        """An error that repeating will not mend ends the run."""
        return _as_step(fail(run, error.reason, error.message))


def _as_step(transition: Transition) -> Step[EvaluationRun]:
    ended = transition.run.state.ended
    return Step(transition.run, transition.actions, transition.events, _LOOK_AGAIN_S, done=ended)
