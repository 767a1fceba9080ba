"""One job that compares a judge with people: reads a `JudgingSpec` and writes a `JudgingResult`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ratoon.jobs.v1.evaluation_jobs_pb2 import JudgeSpec, JudgingResult, JudgingSpec
from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.judges import JudgeKind
from ratoon.tasks.kind import Record
from ratoon.tasks.records import from_json as record_from_json
from ratoon_evaluation.domain.judging import (
    Choice,
    cohen_kappa,
    comparison_prompt,
    raw_agreement,
    score_prompt,
    weighted_kappa,
)
from ratoon_evaluation.worker.judges.asking import Asker, Replies
from ratoon_evaluation.worker.judges.judging_job import verdict_of

JSON = dict[str, Any]


class Stopped(Exception):
    """A caller requested the job to stop."""

    reason = "CANCELLED"


class JudgeUnavailable(RuntimeError):
    """The judge replied to no prompt."""

    reason = "JUDGE_UNAVAILABLE"


@dataclass(frozen=True)
class _Case:
    """A verdict of people with the prompts for the judge."""

    human: str
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class _Compared:
    """A verdict of people next to that of the judge; None: the judge has none."""

    human: Any
    judge: Any
    is_consistent: bool | None = None


def run(raw_spec: JSON, job: JobFolder) -> JSON:
    """Do the job and delete the cases; raises Stopped, JudgeUnavailable or an artifact store's error."""
    spec = from_json(JudgingSpec, raw_spec)
    store = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts)
    try:
        return _compared_with_people(spec, store, job)
    finally:
        store.delete(spec.cases)


def _compared_with_people(spec: JudgingSpec, store: ArtifactStore, job: JobFolder) -> JSON:
    _, *rows = store.read(spec.cases).decode().splitlines()
    cases = [_case(spec.judge, json.loads(row)) for row in rows]
    asker = Asker(spec.judge, store, job.path / "judge")
    prompts = [prompt for case in cases for prompt in case.prompts]
    total = len(asker.missing(prompts))

    def advance(done: int) -> None:
        if job.stop_requested():
            raise Stopped("The comparison was cancelled.")
        job.progress(0.95 * done / total, "Asking the judge", done=done, total=total, unit="prompts")

    replies = asker.ask(prompts, advance)
    if prompts and not replies.read and not replies.unparsable:
        raise JudgeUnavailable(
            f"The judge replied to none of {len(set(prompts)):,} prompts. {replies.failure} Create the judge again "
            "once it replies."
        )
    return to_json(_result(spec, cases, replies, asker.write()))


def _case(judge: JudgeSpec, row: Mapping[str, Any]) -> _Case:
    record, answers = record_from_json(row["prompt"]), row["answers"]
    return _Case(row["human"], _PROMPTS[JudgeKind(judge.kind)](record, answers, judge.criteria))


def _result(spec: JudgingSpec, cases: Sequence[_Case], replies: Replies, verdicts: str) -> JudgingResult:
    compare, kappa = _MEASURES[JudgeKind(spec.judge.kind)]
    compared = [compare(case, replies) for case in cases]
    both = [(each.human, each.judge) for each in compared if each.judge is not None]
    silent = [case for case, each in zip(cases, compared, strict=True) if each.judge is None]
    unparsable = sum(bool(replies.unparsable.intersection(case.prompts)) for case in silent)
    consistent = [each.is_consistent for each in compared if each.is_consistent is not None]
    return JudgingResult(
        pairs=len(both),
        raw=raw_agreement(both),
        kappa=kappa(both),
        consistency=fmean(consistent) if consistent else None,
        unparsable=unparsable,
        failed=len(silent) - unparsable,
        missing=spec.missing,
        verdicts=verdicts,
    )


def _both_orders(record: Record, answers: Sequence[str], criteria: str) -> tuple[str, ...]:
    first, second = answers
    return comparison_prompt(record, first, second, criteria), comparison_prompt(
        record, second, first, criteria
    )


def _alone(record: Record, answers: Sequence[str], criteria: str) -> tuple[str, ...]:
    return (score_prompt(record, answers[0], criteria),)


def _compare_choices(case: _Case, replies: Replies) -> _Compared:
    forward, backward = case.prompts
    verdict = verdict_of((forward, backward), replies)
    human = Choice(case.human)
    return (
        _Compared(human, None) if verdict is None else _Compared(human, verdict.choice, verdict.is_consistent)
    )


def _compare_scores(case: _Case, replies: Replies) -> _Compared:
    """Return both scores as whole numbers, half ones rounded up: people's is the mean of several."""
    known = replies.read.get(case.prompts[0])
    return _Compared(_rounded(case.human), None if known is None else _rounded(known))


def _rounded(score: str) -> float:
    return float(int(float(score) + 0.5))


_PROMPTS: Mapping[JudgeKind, Callable[[Record, Sequence[str], str], tuple[str, ...]]] = {
    JudgeKind.PAIRWISE: _both_orders,
    JudgeKind.RUBRIC: _alone,
}
_MEASURES: Mapping[
    JudgeKind, tuple[Callable[[_Case, Replies], _Compared], Callable[[Sequence[Any]], float | None]]
] = {
    JudgeKind.PAIRWISE: (_compare_choices, cohen_kappa),
    JudgeKind.RUBRIC: (_compare_scores, weighted_kappa),
}
