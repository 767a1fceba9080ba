"""Judges: created and compared with people, and taken into evaluation runs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ratoon.operations.job_procedure import JobProcedure
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.storage.names import checked_id, matched, parent_of
from ratoon.storage.store import Store, Transaction
from ratoon.tasks import kinds
from ratoon.tasks.judges import COMPARED, METRICS, METRICS_OF_KIND, JudgeKind
from ratoon_evaluation.application.commands import CreateJudge
from ratoon_evaluation.application.ports import AgreementCase, AgreementJob, Agreements, Cases, People
from ratoon_evaluation.domain.errors import BadEvaluation, BadJudge
from ratoon_evaluation.domain.human import case_of, check_human, human_metrics
from ratoon_evaluation.domain.judges import (
    MAX_CASES,
    Agreement,
    Judge,
    applied,
    check_deletable,
    check_listed,
    check_requirements,
    check_trusted,
    checked,
    normalized_url,
    step,
)
from ratoon_evaluation.domain.runs import EvaluationRun, Question

JUDGE = "projects/*/judges/*"
_POLL_INTERVAL_S = 0.3
_MAX_STORED = 20
"""Tables of stored verdicts that a job reads at most, the newest."""
_NEEDED: Mapping[str, str] = {
    **{
        name: f"a judge of the kind {kind} in judges"
        for kind, names in METRICS_OF_KIND.items()
        for name in names
    },
    "human_win_rate": "human_ratings and a reference",
    "human_rating": "human_ratings",
}


def create_judge(
    command: CreateJudge, store: Store, operations: Operations, listed: Collection[str], clock: Clock
) -> Judge:
    """Create a judge; from the commit on it is compared with people."""
    matched(command.parent, "projects/*", "parent")
    if command.spec is None:
        raise BadJudge("kind must be PAIRWISE or RUBRIC.", "kind")
    spec = checked(replace(command.spec, base_url=normalized_url(command.spec.base_url)), listed)
    now = clock.now()
    name = f"{command.parent}/judges/{checked_id(command.judge_id, 'judge_id')}"
    with store.write() as tx:
        judge, new = tx.create(Judge(name, now, now, spec), command.request_id)
        if new:
            operations.begin(tx, judge)
    return judge


def delete_judge(judge: Judge, tx: Transaction) -> None:
    """Delete a judge that has ended; runs keep its results."""
    check_deletable(judge)
    tx.retire(judge)


def judge_procedure(
    store: Store, people: People, cases: Cases, jobs: Agreements
) -> JobProcedure[Judge, AgreementJob, Agreement]:
    """Return the procedure behind CreateJudge."""
    return JobProcedure(
        Judge, "agreement", jobs, partial(agreement_job, store, people, cases), step, _POLL_INTERVAL_S
    )


def agreement_job(store: Store, people: People, cases: Cases, judge: Judge) -> AgreementJob:
    """Return the input of the comparison of a judge with people."""
    project, kind = parent_of(judge.name), judge.spec.kind
    with store.read() as tx:
        stored = stored_verdicts(tx, project)
    known: list[AgreementCase] = []
    missing = 0
    for task in people.tasks(project, kind):
        human = case_of(task, kind)
        if human is None:
            continue
        record = people.record(task.dataset_version, task.record_id)
        if record is None:
            missing += 1
        else:
            known.append(AgreementCase(record, task.answers, human))
        if len(known) + missing >= MAX_CASES:
            break
    return AgreementJob(judge, cases.write(judge.name, known), missing, stored.get(judge.spec.identity, ()))


def with_judges(
    tx: Transaction, parent: str, names: Sequence[str], question: Question, listed: Collection[str]
) -> Question:
    """Return the question with these judges as they are now.

    Raises BadEvaluation, NotFound, or JudgeEndpointNotAllowed for a judge whose endpoint is not listed any more.
    """
    for name in names:
        matched(name, JUDGE, "judges")
        if not name.startswith(f"{parent}/"):
            raise BadEvaluation(f"{name} is a judge of another project: use one of {parent}.", "judges")
    judges = tuple(applied(tx.get(Judge, name)) for name in names)
    for judge in judges:
        check_listed(judge.spec, listed)
    of_kinds = [judge.spec.kind for judge in judges]
    if len(set(of_kinds)) < len(of_kinds):
        raise BadEvaluation("Name at most one judge of each kind.", "judges")
    if JudgeKind.PAIRWISE in of_kinds and not question.reference:
        raise BadEvaluation(
            "A judge of the kind PAIRWISE compares with a reference: set reference_digest.", "judges"
        )
    return replace(question, judges=judges)


def judge_metrics(question: Question) -> tuple[str, ...]:
    """Return the metrics of the judges and of the human ratings of a question."""
    of_judges = [name for judge in question.judges for name in METRICS_OF_KIND[judge.spec.kind]]
    return (*of_judges, *human_metrics(question.human))


def compared_judge_metrics(question: Question) -> tuple[str, ...]:
    """Return those of them that the reference has, too."""
    return tuple(name for name in judge_metrics(question) if name in COMPARED)


def check_judges(question: Question) -> None:
    """Raise BadEvaluation if judges, human ratings or rules on their metrics do not fit; or JudgeNotTrusted."""
    if not kinds.kind_of(question.spec).FREE_TEXT:
        _check_no_verdicts(question)
    if question.human is not None:
        check_human(question.human)
    check_requirements(question.judge_requirements)
    named = {rule.metric for rule in question.rules} & METRICS.keys()
    known = judge_metrics(question)
    for metric in sorted(named - set(known)):
        raise BadEvaluation(f"A rule names {metric}, which needs {_NEEDED[metric]}.", "gate")
    check_trusted(question.judges, named, question.judge_requirements)


def stored_verdicts(tx: Transaction, project: str) -> dict[str, tuple[str, ...]]:
    """Return the digests of the verdicts that a project has stored, by the identity of the judge."""
    stored: dict[str, list[str]] = {}
    for identity, digest in (*_of_judges(tx.all(Judge, project)), *_of_runs(tx.all(EvaluationRun, project))):
        if digest and digest not in stored.setdefault(identity, []):
            stored[identity].append(digest)
    return {identity: tuple(digests[-_MAX_STORED:]) for identity, digests in stored.items()}


def _check_no_verdicts(question: Question) -> None:
    kind = question.spec.kind
    if question.judges:
        raise BadEvaluation(
            f"judges are for tasks of the kind `generate`, not {kind}: leave them out.", "judges"
        )
    if question.human is not None:
        raise BadEvaluation(
            f"human_ratings are for tasks of the kind `generate`, not {kind}: leave them out.",
            "human_ratings",
        )


def _of_judges(judges: Iterable[Judge]) -> Iterator[tuple[str, str]]:
    for judge in judges:
        if judge.agreement is not None:
            yield judge.spec.identity, judge.agreement.verdicts


def _of_runs(runs: Iterable[EvaluationRun]) -> Iterator[tuple[str, str]]:
    for run in runs:
        for domain in run.scored.outcome.measured.domains if run.scored else ():
            for scores in domain.judges:
                yield scores.identity, scores.verdicts
