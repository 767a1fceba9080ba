"""Judges as protobuf and back, for the API and for the specs of jobs."""

from collections.abc import Mapping, Sequence

from ratoon.common.v1 import progress_pb2
from ratoon.evaluation.v1 import evaluation_run_pb2 as runs_pb2
from ratoon.evaluation.v1 import evaluation_service_pb2 as service_pb2
from ratoon.evaluation.v1 import judge_pb2 as pb
from ratoon.jobs.v1 import evaluation_jobs_pb2 as jobs_pb2
from ratoon.runtime.timestamps import timestamp
from ratoon.tasks.judges import JudgeKind, Requirements
from ratoon_evaluation.application.commands import CreateJudge
from ratoon_evaluation.application.ports import AgreementJob
from ratoon_evaluation.domain.human import HumanRatings, HumanVerdicts
from ratoon_evaluation.domain.judges import (
    CRITERIA,
    MAX_RECORDS,
    MAX_TOKENS,
    Agreement,
    AppliedJudge,
    Judge,
    JudgeSpec,
)
from ratoon_evaluation.domain.scores import HumanScores, Interval, JudgeScores

_KIND = pb.Judge.Kind


def judge(value: Judge) -> pb.Judge:
    """A judge as callers see it."""
    spec, progress = value.spec, value.progress
    message = pb.Judge(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        state=pb.Judge.State.Value(f"STATE_{value.state}"),
        kind=_KIND.Value(f"KIND_{spec.kind}"),
        base_url=spec.base_url,
        model=spec.model,
        model_digest=spec.model_digest,
        criteria=spec.criteria,
        max_tokens=spec.max_tokens,
        max_record_count=spec.max_records,
        progress=progress_pb2.Progress(
            fraction=progress.fraction,
            message=progress.message,
            done=progress.done,
            total=progress.total,
            unit=progress.unit,
        ),
    )
    if value.failure_reason:
        message.failure.reason, message.failure.message = value.failure_reason, value.failure_message
    if value.agreement is not None:
        message.agreement.CopyFrom(_agreement_message(value.agreement))
    return message


def create_judge(request: service_pb2.CreateJudgeRequest) -> CreateJudge:
    """Return the command of a request."""
    spec = request.judge
    kind = _KIND.Name(spec.kind).removeprefix("KIND_") if spec.kind else ""
    requested = (
        JudgeSpec(
            JudgeKind(kind),
            spec.base_url,
            spec.model,
            spec.model_digest,
            spec.criteria or CRITERIA,
            spec.max_tokens or MAX_TOKENS,
            spec.max_record_count or MAX_RECORDS,
        )
        if kind
        else None
    )
    return CreateJudge(request.parent, request.judge_id, requested, request.request_id)


def requirements(message: runs_pb2.EvaluationRun) -> Requirements:
    """Return what a run requires of judges."""
    named, defaults = message.judge_requirements, Requirements()
    return Requirements(
        named.min_pair_count if named.HasField("min_pair_count") else defaults.min_pairs,
        named.min_kappa if named.HasField("min_kappa") else defaults.min_kappa,
    )


def requirements_message(value: Requirements) -> pb.JudgeRequirements:
    """What a run requires of judges, as callers see it."""
    return pb.JudgeRequirements(min_pair_count=value.min_pairs, min_kappa=value.min_kappa)


def human_ratings(message: runs_pb2.EvaluationRun) -> HumanRatings | None:
    """Return whose human ratings a run takes in."""
    if not message.HasField("human_ratings"):
        return None
    return HumanRatings(message.human_ratings.candidate_origin, message.human_ratings.reference_origin)


def human_ratings_message(value: HumanRatings) -> runs_pb2.HumanRatings:
    """Whose human ratings a run takes in, as callers see it."""
    return runs_pb2.HumanRatings(
        candidate_origin=value.candidate_origin, reference_origin=value.reference_origin
    )


def judge_result(value: JudgeScores, judges: Sequence[AppliedJudge]) -> runs_pb2.JudgeResult:
    """What a judge said, as callers see it."""
    return runs_pb2.JudgeResult(
        judge=next(each.name for each in judges if each.id == value.judge),
        verdict_count=value.counted,
        unparsable_count=value.unparsable,
        failed_count=value.failed,
        win_count=value.wins,
        loss_count=value.losses,
        tie_count=value.ties,
        inconsistent_count=value.inconsistent,
        identical_count=value.identical,
        first_position_count=value.first_position,
        second_position_count=value.second_position,
        longer_win_rate=_estimate(value.longer_win_rate),
        longer_count=value.longer,
        shorter_win_rate=_estimate(value.shorter_win_rate),
        shorter_count=value.shorter,
        verdicts_digest=value.verdicts,
    )


def human_result(value: HumanScores) -> runs_pb2.HumanResult:
    """What people said, as callers see it."""
    return runs_pb2.HumanResult(
        pair_count=value.pairs,
        win_count=value.wins,
        loss_count=value.losses,
        tie_count=value.ties,
        comparison_alpha=value.comparison_alpha,
        candidate_rating_count=value.candidate_ratings,
        reference_rating_count=value.reference_ratings,
        rating_alpha=value.rating_alpha,
    )


def judge_spec(
    name: str, spec: JudgeSpec, endpoints: Mapping[str, str], stored: Sequence[str]
) -> jobs_pb2.JudgeSpec:
    """Return a judge as a job asks it; `endpoints` are those that the operator listed, with variables of keys."""
    return jobs_pb2.JudgeSpec(
        name=name,
        kind=spec.kind,
        base_url=spec.base_url,
        model=spec.model,
        model_digest=spec.model_digest,
        criteria=spec.criteria,
        max_tokens=spec.max_tokens,
        key_variable=endpoints.get(spec.base_url, ""),
        listed=spec.base_url in endpoints,
        stored_verdicts=stored,
        max_records=spec.max_records,
    )


def judging_spec(job: AgreementJob, endpoints: Mapping[str, str]) -> jobs_pb2.JudgingSpec:
    """Return the spec of a comparison with people."""
    name = job.judge.name.rsplit("/", 1)[-1]
    return jobs_pb2.JudgingSpec(
        judge=judge_spec(name, job.judge.spec, endpoints, job.stored), cases=job.cases, missing=job.missing
    )


def human_spec(value: HumanVerdicts) -> jobs_pb2.ScoringSpec.Human:
    """Return human verdicts as a job reads them."""
    kind = jobs_pb2.ScoringSpec.Human
    return kind(
        comparisons=[kind.Comparison(record_id=record, verdicts=each) for record, each in value.comparisons],
        ratings=[
            kind.Rating(
                record_id=record,
                role=role,
                scales=[kind.Scale(scale=scale, ratings=each) for scale, each in scales.items()],
            )
            for record, role, scales in value.ratings
        ],
    )


def agreement(result: jobs_pb2.JudgingResult) -> Agreement:
    """Return the result of a comparison with people."""
    return Agreement(
        pairs=result.pairs,
        raw=result.raw if result.HasField("raw") else None,
        kappa=result.kappa if result.HasField("kappa") else None,
        consistency=result.consistency if result.HasField("consistency") else None,
        unparsable=result.unparsable,
        failed=result.failed,
        missing=result.missing,
        verdicts=result.verdicts,
    )


def _agreement_message(value: Agreement) -> pb.Judge.Agreement:
    return pb.Judge.Agreement(
        pair_count=value.pairs,
        raw=value.raw,
        kappa=value.kappa,
        consistency=value.consistency,
        unparsable_count=value.unparsable,
        failed_count=value.failed,
        missing_count=value.missing,
    )


def _estimate(value: Interval | None) -> runs_pb2.Estimate | None:
    return None if value is None else runs_pb2.Estimate(value=value.value, lower=value.low, upper=value.high)
