"""One function a use case: the message first, the ports after."""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon.chassis.clock import Clock
from ratoon.chassis.names import checked_id, matched
from ratoon.chassis.operations import Operations
from ratoon.chassis.paging import Page, PageTokens, page_size
from ratoon.chassis.store import Store
from ratoon_evaluation.application.commands import CreateRun, ListBadCases
from ratoon_evaluation.application.ports import Answers, Splits, WrongAnswer
from ratoon_evaluation.domain.errors import NotEvaluated
from ratoon_evaluation.domain.runs import EvaluationRun, checked
from ratoon_evaluation.domain.scores import DomainScores

RUN = "projects/*/evaluationRuns/*"
SPLIT = "projects/*/datasets/*/splits/*"


@dataclass(frozen=True)
class BadCase:
    """A wrong answer with the text it was given to; the text is empty when it was erased meanwhile."""

    domain: str
    answer: WrongAnswer
    text: str


def create_run(command: CreateRun, store: Store, operations: Operations, clock: Clock) -> EvaluationRun:
    """Begin an evaluation; from the commit on it is worked on."""
    matched(command.parent, "projects/*", "parent")
    question = checked(command.question)
    for domain in question.domains:
        matched(domain.split, SPLIT, "domains")
    now = clock.now()
    name = f"{command.parent}/evaluationRuns/{checked_id(command.run_id, 'evaluation_run_id')}"
    with store.write() as tx:
        run, new = tx.create(EvaluationRun(name, now, now, question), command.request_id)
        if new:
            operations.begin(tx, run)
    return run


def get_run(name: str, store: Store) -> EvaluationRun:
    """One run."""
    matched(name, RUN)
    return store.get(EvaluationRun, name)


def list_runs(parent: str, size: int, token: str, store: Store, order_by: str = "") -> Page[EvaluationRun]:
    """The runs of a project, oldest first."""
    matched(parent, "projects/*", "parent")
    with store.read() as tx:
        return tx.page(EvaluationRun, parent, size, token, order_by)


def cancel_run(name: str, operations: Operations) -> EvaluationRun:
    """Call a run off; one that has ended stays as it is."""
    matched(name, RUN)
    return operations.cancel(EvaluationRun, name, lambda run: run.state.ended)


def list_bad_cases(
    query: ListBadCases, store: Store, answers: Answers, splits: Splits, tokens: PageTokens
) -> Page[BadCase]:
    """The candidate's wrong answers, domain by domain, the surest first; that somebody reads them is logged."""
    run = get_run(query.parent, store)
    if run.scored is None:
        raise NotEvaluated(f"{run.name} is {run.state}; it has wrong answers to show once it is SUCCEEDED.")
    listing, limit = f"badCases:{run.name}", page_size(query.page_size)
    position = tokens.open(listing, query.page_token) or ["0", "0"]
    place, offset = int(position[0]), int(position[1])
    measured = run.scored.outcome.measured.domains
    if place >= len(measured):
        return Page([])
    rows = answers.wrong(measured[place].wrong)
    shown = rows[offset : offset + limit]
    following = [str(place), str(offset + limit)] if offset + limit < len(rows) else [str(place + 1), "0"]
    more = int(following[0]) < len(measured)
    cases = _with_texts(run, measured[place], shown, query.principal, answers, splits)
    return Page(cases, tokens.seal(listing, following) if more else "")


def _with_texts(
    run: EvaluationRun,
    scores: DomainScores,
    rows: Sequence[WrongAnswer],
    principal: str,
    answers: Answers,
    splits: Splits,
) -> list[BadCase]:
    if not rows:
        return []
    split = next(domain.split for domain in run.question.domains if domain.name == scores.domain)
    parts = splits.open(split, [run.name], f"Wrong answers shown to {principal}")
    texts = answers.texts(parts.test, [row.record_id for row in rows])
    return [BadCase(scores.domain, row, texts.get(row.record_id, "")) for row in rows]
