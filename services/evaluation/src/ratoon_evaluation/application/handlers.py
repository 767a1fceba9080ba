"""One function a use case: the message first, the ports after."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.storage.names import checked_id, matched
from ratoon.storage.store import Store, Transaction
from ratoon.tasks.kinds import TaskSpec
from ratoon_evaluation.application.commands import CreateRun
from ratoon_evaluation.application.judges import (
    check_judges,
    compared_judge_metrics,
    judge_metrics,
    with_judges,
)
from ratoon_evaluation.application.ports import Devices, Models
from ratoon_evaluation.application.suites import with_suites
from ratoon_evaluation.domain.costs import Rates
from ratoon_evaluation.domain.errors import BadEvaluation, NotEvaluated, RunInUse
from ratoon_evaluation.domain.human import with_default_origins
from ratoon_evaluation.domain.kinds.table import kind_of
from ratoon_evaluation.domain.plan import Demand, EvaluationPlan, measured
from ratoon_evaluation.domain.plan import plan_evaluation as domain_plan
from ratoon_evaluation.domain.runs import EvaluationRun, Question, check_baselines, check_metrics, checked
from ratoon_evaluation.domain.scores import DomainScores, Measurements

RUN = "projects/*/evaluationRuns/*"
SPLIT = "projects/*/datasets/*/splits/*"
_EARLIER_RUNS = 20
"""Number of the newest runs of a project whose durations count for a plan."""
_PAGE_CHARS = 700_000
"""Of the texts on a page: it stays under a message's 4 MiB, whatever their script."""


def create_run(
    command: CreateRun,
    store: Store,
    operations: Operations,
    devices: Devices,
    listed: Collection[str],
    clock: Clock,
) -> EvaluationRun:
    """Begin an evaluation; from the commit on it is worked on. `listed` are the endpoints that judges may have."""
    matched(command.parent, "projects/*", "parent")
    question = _complete(_with_resources(command, store, listed), command.task)
    devices.check(question.compute)
    for domain in question.domains:
        matched(domain.split, SPLIT, "domains")
    now = clock.now()
    name = f"{command.parent}/evaluationRuns/{checked_id(command.run_id, 'evaluation_run_id')}"
    with store.write() as tx:
        run, new = tx.create(EvaluationRun(name, now, now, question), command.request_id)
        if new:
            operations.begin(tx, run)
    return run


def _with_resources(command: CreateRun, store: Store, listed: Collection[str]) -> Question:
    """Return the question with its suites and judges."""
    if not (command.suites or command.judges):
        return command.question
    with store.read() as tx:
        question = replace(command.question, task=command.task)
        question = with_suites(tx, command.parent, command.suites, question)
        return with_judges(tx, command.parent, command.judges, question, listed)


def _complete(requested: Question, task: TaskSpec) -> Question:
    """Return the question with its task and the defaults of the kind; raises BadEvaluation."""
    kind = kind_of(task)
    labels, generation = kind.labels(task), kind.generation(task, requested.generation)
    human = with_default_origins(requested.human, requested.candidate, requested.reference)
    question = checked(replace(requested, task=task, labels=labels, generation=generation, human=human))
    check_judges(question)
    bounded = (*kind.gated_metrics(task), *judge_metrics(question))
    check_metrics(question.rules, bounded, (*kind.compared_metrics(task), *compared_judge_metrics(question)))
    check_baselines(question.rules, kind.BASELINE_TITLES)
    return question


def plan_evaluation(
    parent: str, demand: Demand, candidate: str, store: Store, models: Models, rates: Rates
) -> EvaluationPlan:
    """Return the plan of an evaluation by the newest runs of the project that succeeded on its device."""
    matched(parent, "projects/*", "parent")
    weights = models.weights(candidate) if candidate else None
    runs = store.page(EvaluationRun, parent, _EARLIER_RUNS, "", "create_time desc").items
    earlier = [known for run in runs if (known := measured(run, demand.compute.accelerator))]
    return domain_plan(demand, earlier, weights, rates)


def delete_run(run: EvaluationRun, tx: Transaction) -> None:
    """Delete a run that failed or was cancelled; RunInUse in any other state."""
    if not run.state.ended:
        raise RunInUse(f"{run.name} is in progress. Cancel it, or wait for its end.")
    if not run.state.without_result:
        raise RunInUse(f"{run.name} succeeded: it is the evidence of a gate.")
    tx.retire(run)


def evaluated_run(name: str, store: Store) -> tuple[EvaluationRun, Measurements]:
    """Return a run that succeeded with its measurements; raises NotEvaluated."""
    matched(name, RUN)
    run = store.get(EvaluationRun, name)
    if run.scored is None:
        raise NotEvaluated(f"{run.name} is {run.state}; it has wrong answers to show once it is SUCCEEDED.")
    return run, run.scored.outcome.measured


def chosen_domains(run: EvaluationRun, measured: Measurements, domain: str) -> Sequence[DomainScores]:
    """Return the domain of this name, or all; BadEvaluation if the run does not have it."""
    chosen = [scores for scores in measured.domains if domain in ("", scores.domain)]
    if domain and not chosen:
        names = ", ".join(scores.domain for scores in measured.domains)
        raise BadEvaluation(f"{run.name} has the domains {names}, not {domain[:64]!r}.", "domain")
    return chosen


def split_of(run: EvaluationRun, scores: DomainScores) -> str:
    """Return the resource name of the split of a domain."""
    return next(domain.split for domain in run.question.domains if domain.name == scores.domain)
