"""Domain to protobuf and back; entrypoints and adapters use it, nothing else does."""

from collections.abc import Mapping

from google.protobuf.message import Message
from pydantic import TypeAdapter

from ratoon.common.v1 import progress_pb2
from ratoon.common.v1.generation_pb2 import GenerationDefaults
from ratoon.evaluation.v1 import evaluation_events_pb2 as events_pb2
from ratoon.evaluation.v1 import evaluation_run_pb2 as pb
from ratoon.evaluation.v1 import evaluation_service_pb2 as service_pb2
from ratoon.events.ports import Record
from ratoon.jobs.v1 import evaluation_jobs_pb2 as jobs_pb2
from ratoon.operations.job_machine import Cancelled, Failed
from ratoon.operations.job_messages import to_json
from ratoon.runtime.timestamps import timestamp
from ratoon.service.compute import compute_of
from ratoon.service.compute import message_of as compute_message
from ratoon.service.events import record_of
from ratoon.service.tasks import message_of, requested_task
from ratoon.tasks.compute import Compute
from ratoon.tasks.generate import Sampling
from ratoon.tasks.judges import JudgeKind
from ratoon.tasks.kinds import kind_of
from ratoon_evaluation import judge_messages, suite_messages
from ratoon_evaluation.application.bad_cases import BadCase
from ratoon_evaluation.application.commands import CreateRun, ExportBadCases, ListBadCases, RequestRatings
from ratoon_evaluation.application.ports import ScoringJob
from ratoon_evaluation.domain.costs import AnswerCost
from ratoon_evaluation.domain.errors import BadEvaluation
from ratoon_evaluation.domain.gate import Finding, Outcome, Rule, RuleKind, Verdict
from ratoon_evaluation.domain.generation import FEW_SHOT, Generation
from ratoon_evaluation.domain.generation import Engine as GenerationEngine
from ratoon_evaluation.domain.plan import Demand, EvaluationPlan
from ratoon_evaluation.domain.runs import (
    Completed,
    Domain,
    EvaluationRun,
    Progress,
    Question,
    Scored,
    Started,
)
from ratoon_evaluation.domain.scores import MAJORITY, TFIDF, DomainScores, Interval, Scores, SliceScore

_OUTCOME = TypeAdapter(Outcome)
_NO_ENDPOINTS: Mapping[str, str] = {}
_WORK: Mapping[int, JudgeKind] = {
    service_pb2.RequestRatingsRequest.WORK_COMPARE: JudgeKind.PAIRWISE,
    service_pb2.RequestRatingsRequest.WORK_RATE: JudgeKind.RUBRIC,
}


def run(value: EvaluationRun) -> pb.EvaluationRun:
    """A run as callers see it."""
    question = value.question
    message = pb.EvaluationRun(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        state=pb.EvaluationRun.State.Value(f"STATE_{value.state}"),
        candidate_digest=question.candidate,
        reference_digest=question.reference,
        domains=[pb.Domain(name=domain.name, split=domain.split) for domain in question.domains],
        labels=question.labels,
        task=message_of(question.spec),
        metric=_primary(question),
        base_digest=question.base,
        compute=compute_message(question.compute),
        gate=map(_rule, question.rules),
        seed=question.seed,
        progress=_progress(value.progress),
        suites=[suite.name for suite in question.suites],
        judges=[judge.name for judge in question.judges],
        candidate_note=question.candidate_note,
    )
    if question.judges:
        message.judge_requirements.CopyFrom(judge_messages.requirements_message(question.judge_requirements))
    if question.human:
        message.human_ratings.CopyFrom(judge_messages.human_ratings_message(question.human))
    if question.generation:
        message.generation.CopyFrom(_generation_message(question.generation))
        message.few_shot = question.few_shot
    if value.failure_reason:
        message.failure.reason, message.failure.message = value.failure_reason, value.failure_message
    if value.scored:
        primary = _primary(question)
        message.results.extend(
            _result(each, primary, question) for each in value.scored.outcome.measured.domains
        )
        message.suite_results.extend(
            suite_messages.result(value, each) for each in value.scored.outcome.measured.suites
        )
        message.verdict.CopyFrom(_verdict(value.scored.outcome.verdict))
        message.report_html_digest = value.scored.report_html
        message.report_json_digest = value.scored.report_json
    return message


def demand(request: service_pb2.PlanEvaluationRequest) -> Demand:
    """Return what to plan for."""
    return Demand(
        record_count=request.record_count,
        model_count=request.model_count,
        max_answer_tokens=request.max_answer_tokens,
        seconds_per_answer=request.seconds_per_answer,
        compute=compute_of(request.compute),
    )


def plan(value: EvaluationPlan) -> service_pb2.EvaluationPlan:
    """Return a plan as callers see it."""
    return service_pb2.EvaluationPlan(**vars(value))


def bad_case(value: BadCase) -> pb.BadCase:
    """A wrong answer as callers see it."""
    answer = value.answer
    return pb.BadCase(
        record_id=answer.record_id,
        domain=value.domain,
        suite=value.suite,
        test=value.test,
        label=value.label,
        predicted=answer.predicted,
        text=value.text,
        references=value.references,
        outcome=answer.outcome,
        reference_predicted=answer.reference_predicted,
        score=answer.score,
    )


def create_run(request: service_pb2.CreateEvaluationRunRequest) -> CreateRun:
    """Return the command of a request."""
    spec = request.evaluation_run
    question = Question(
        candidate=spec.candidate_digest,
        reference=spec.reference_digest,
        domains=tuple(Domain(domain.name, domain.split) for domain in spec.domains),
        labels=(),
        rules=tuple(map(_requested_rule, spec.gate)),
        seed=spec.seed,
        metric=spec.metric,
        base=spec.base_digest,
        compute=compute_of(spec.compute),
        few_shot=spec.few_shot if spec.HasField("few_shot") else FEW_SHOT,
        generation=_generation(spec.generation) if spec.HasField("generation") else None,
        judge_requirements=judge_messages.requirements(spec),
        human=judge_messages.human_ratings(spec),
        candidate_note=spec.candidate_note,
    )
    return CreateRun(
        request.parent,
        request.evaluation_run_id,
        question,
        requested_task(spec),
        request.request_id,
        tuple(spec.suites),
        tuple(spec.judges),
    )


def list_bad_cases(
    request: service_pb2.ListBadCasesRequest, principal: str, is_permitted: bool
) -> ListBadCases:
    """Return the query of a request, with its caller and if this one may read records of test parts."""
    return ListBadCases(
        request.parent,
        request.page_size,
        request.page_token,
        principal,
        request.domain,
        request.suite,
        request.test,
        is_permitted,
    )


def request_ratings(request: service_pb2.RequestRatingsRequest, principal: str) -> RequestRatings:
    """Return the command of a request, with its caller."""
    return RequestRatings(
        request.name,
        request.domain,
        _WORK.get(request.work),
        request.max_record_count,
        request.overlap,
        tuple(request.scales),
        principal,
    )


def export_bad_cases(request: service_pb2.ExportBadCasesRequest, principal: str) -> ExportBadCases:
    """Return the query of a request, with its caller."""
    return ExportBadCases(
        request.parent, request.domain, request.max_record_count, principal, request.suite, request.test
    )


def scoring_spec(job: ScoringJob, endpoints: Mapping[str, str] = _NO_ENDPOINTS) -> jobs_pb2.ScoringSpec:
    """Return the spec of the job that scores a run; `endpoints` of judges are those that the operator listed."""
    question = job.run.question
    spec = jobs_pb2.ScoringSpec(
        candidate=question.candidate,
        reference=question.reference,
        labels=question.labels,
        domains=[
            jobs_pb2.ScoringSpec.Domain(
                name=name, test=each.test, train=each.train, group_attribute=each.group_attribute
            )
            for name, each in job.parts.items()
        ],
        stored_answers=[
            jobs_pb2.ScoringSpec.StoredAnswers(
                model=model,
                test=part,
                predictions=digest,
                answer_settings=settings,
                cost=_cost(job.costs.get((model, part, settings))),
            )
            for (model, part, settings), digest in job.stored.items()
        ],
        rules=[
            jobs_pb2.ScoringRule(
                kind=rule.kind,
                domain=rule.domain,
                threshold=rule.threshold,
                metric=rule.metric,
                baseline=rule.baseline,
            )
            for rule in question.rules
        ],
        seed=question.seed,
        title=job.run.name,
        candidate_note=question.candidate_note,
        task_spec=message_of(question.spec),
        metric=question.metric,
        base=question.base,
        few_shot=question.few_shot if question.base else 0,
        suites=[
            jobs_pb2.ScoringSpec.Suite(
                name=suite.id, tests=map(suite_messages.test, suite.tests), revision=suite.revision
            )
            for suite in question.suites
        ],
        judges=[
            judge_messages.judge_spec(
                judge.id, judge.spec, endpoints, job.verdicts.get(judge.spec.identity, ())
            )
            for judge in question.judges
        ],
    )
    if job.human is not None:
        spec.human.CopyFrom(judge_messages.human_spec(job.human))
    if question.compute != Compute():
        spec.compute.CopyFrom(compute_message(question.compute))
    if question.generation:
        spec.generation.CopyFrom(_generation_spec(question.generation))
    return spec


def scored(result: jobs_pb2.ScoringResult) -> Scored:
    """Return the result of a scoring. The fields of its outcome are those of `Outcome`."""
    outcome = _OUTCOME.validate_python(to_json(result.evaluation))
    return Scored(outcome, result.report_json, result.report_html)


def event(happened: object, name: str, revision: int) -> Record:
    """A domain event as a record of its topic."""
    return record_of("evaluation", _envelope(happened, name, revision))


def _envelope(happened: object, name: str, revision: int) -> Message:
    envelope = events_pb2.EvaluationRunEvent(name=name, revision=revision)
    match happened:
        case Started():
            envelope.started.SetInParent()
        case Completed(passed):
            envelope.completed.SetInParent()
            envelope.completed.passed = passed
        case Failed(reason):
            envelope.failed.reason = reason
        case Cancelled():
            envelope.cancelled.SetInParent()
        case _:
            raise TypeError(f"{happened!r} is not an event of evaluation")
    return envelope


def _primary(question: Question) -> str:
    return question.metric or kind_of(question.spec).PRIMARY


def _result(value: DomainScores, primary: str, question: Question) -> pb.DomainResult:
    baselines = value.baselines
    return pb.DomainResult(
        domain=value.domain,
        candidate=_scores(value.candidate),
        reference=_scores(value.reference),
        majority=_scores(baselines.get(MAJORITY)),
        tfidf=_scores(baselines.get(TFIDF)),
        difference=_estimate(value.difference_of(primary)),
        slices=map(_slice, value.candidate.slices),
        predictions_digest=value.candidate.predictions,
        wrong_answers_digest=value.wrong,
        wrong_answer_count=value.wrong_count,
        baselines=[
            pb.DomainResult.Baseline(name=name, scores=_scores(scores)) for name, scores in baselines.items()
        ],
        best_baseline=value.best_baseline,
        baseline_difference=_estimate(value.baseline_difference_of(primary)),
        differences=_estimates(value.all_differences),
        baseline_differences=_estimates(value.all_baseline_differences),
        judges=[judge_messages.judge_result(each, question.judges) for each in value.judges],
        human=judge_messages.human_result(value.human) if value.human else None,
        bleu_tokenizer=value.bleu_tokenizer,
        notes=value.notes,
    )


def _scores(value: Scores | None) -> pb.Scores | None:
    if value is None:
        return None
    classes = [
        pb.Scores.ClassScore(
            label=score.label,
            precision=score.precision,
            recall=score.recall,
            f1=score.f1,
            support=score.support,
        )
        for score in value.classes
    ]
    return pb.Scores(
        accuracy=_estimate(value.accuracy),
        macro_f1=_estimate(value.macro_f1),
        auc=_estimate(value.auc),
        perplexity=value.perplexity or 0.0,
        classes=classes,
        record_count=value.records,
        other_count=value.confusion.other if value.confusion else 0,
        classes_without_records=value.classes_without_records,
        metrics=_estimates(value.measured),
        unanswered_count=value.unanswered_count,
        too_long_count=value.unfit,
        unmeasured=value.unmeasured,
        cost=_cost(value.cost),
    )


def _cost(value: AnswerCost | None) -> pb.AnswerCost | None:
    return None if value is None else pb.AnswerCost(**vars(value))


def _slice(value: SliceScore) -> pb.SliceResult:
    return pb.SliceResult(
        slice=value.slice,
        record_count=value.records,
        macro_f1=_estimate(value.macro_f1),
        accuracy=value.accuracy.value if value.accuracy else 0.0,
        metrics=_estimates(value.measured),
    )


def _verdict(value: Verdict) -> pb.Verdict:
    return pb.Verdict(passed=value.passed, rules=map(_finding, value.findings), summary=value.sentence)


def _finding(value: Finding) -> pb.Verdict.RuleResult:
    return pb.Verdict.RuleResult(
        rule=_rule(value.rule),
        passed=value.passed,
        reason=value.sentence,
        measured=_estimate(value.measured),
    )


def _generation_message(value: Generation) -> pb.GenerationSettings:
    return pb.GenerationSettings(
        sampling=GenerationDefaults(**vars(value.sampling)),
        seed=value.seed,
        engine=pb.GenerationSettings.Engine.Value(f"ENGINE_{value.engine}"),
    )


def _generation(message: pb.GenerationSettings) -> Generation:
    sampling = Sampling(**{field.name: value for field, value in message.sampling.ListFields()})
    engine = pb.GenerationSettings.Engine.Name(message.engine).removeprefix("ENGINE_")
    return Generation(
        sampling, message.seed, GenerationEngine(engine) if message.engine else GenerationEngine.TRANSFORMERS
    )


def _generation_spec(value: Generation) -> jobs_pb2.ScoringSpec.Generation:
    return jobs_pb2.ScoringSpec.Generation(
        sampling=GenerationDefaults(**vars(value.sampling)), seed=value.seed, engine=value.engine
    )


def _requested_rule(rule: pb.GateRule) -> Rule:
    return Rule(_kind(rule), rule.domain, rule.threshold, rule.metric, rule.baseline)


def _rule(value: Rule) -> pb.GateRule:
    kind = pb.GateRule.Kind.Value(f"KIND_{value.kind}")
    return pb.GateRule(
        kind=kind,
        domain=value.domain,
        threshold=value.threshold,
        metric=value.metric,
        baseline=value.baseline,
    )


def _kind(rule: pb.GateRule) -> RuleKind:
    if rule.kind == pb.GateRule.KIND_UNSPECIFIED:
        raise BadEvaluation("Each rule of the gate needs a kind.", "gate")
    return RuleKind(pb.GateRule.Kind.Name(rule.kind).removeprefix("KIND_"))


def _estimate(value: Interval | None) -> pb.Estimate | None:
    return None if value is None else pb.Estimate(value=value.value, lower=value.low, upper=value.high)


def _estimates(values: Mapping[str, Interval]) -> dict[str, pb.Estimate]:
    return {
        name: pb.Estimate(value=each.value, lower=each.low, upper=each.high) for name, each in values.items()
    }


def _progress(value: Progress) -> progress_pb2.Progress:
    return progress_pb2.Progress(
        fraction=value.fraction,
        message=value.message,
        done=value.done,
        total=value.total,
        unit=value.unit,
        remaining_seconds=value.remaining_s,
    )
