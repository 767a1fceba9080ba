"""Queues, refills and summaries to protobuf and back; entrypoints, adapters and the worker use it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any

from ratoon.common.v1 import progress_pb2
from ratoon.jobs.v1 import labeling_jobs_pb2 as jobs_pb2
from ratoon.labeling.v1 import annotation_pb2, queue_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.process.errors import InvalidArgument
from ratoon.runtime.timestamps import timestamp
from ratoon.service.chat_endpoints import normalized_url
from ratoon.service.tasks import message_of, task_of
from ratoon.storage.names import parent_of
from ratoon_labeling import mapping
from ratoon_labeling.application.commands import (
    AddGoldItems,
    CreateQueue,
    CreateRefill,
    GoldItem,
    UpdateQueue,
)
from ratoon_labeling.application.ports import DrawingJob
from ratoon_labeling.domain.errors import BadQueue
from ratoon_labeling.domain.intake import Choice, IntakeCount, IntakeRule, IntakeSource
from ratoon_labeling.domain.marks import model_task
from ratoon_labeling.domain.queues import (
    Endpoint,
    Origin,
    PreLabels,
    Queue,
    RefillRule,
    Rule,
    StopReason,
    Strategy,
)
from ratoon_labeling.domain.refills import (
    ConfusedPair,
    CurvePoint,
    Drawn,
    Gain,
    LabelErrors,
    Refill,
    RuleAccuracy,
)
from ratoon_labeling.domain.summaries import QueueSummary

_STATE, _STOP, _STRATEGY = queue_pb2.Queue.State, queue_pb2.Queue.StopReason, queue_pb2.Queue.Strategy
_ORIGIN = queue_pb2.Queue.PreLabels.Origin
_INTAKE_RULES = "intake_rules"


def queue(value: Queue) -> queue_pb2.Queue:
    """A queue as callers see it."""
    return queue_pb2.Queue(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        etag=value.etag,
        state=_STATE.Value(f"STATE_{value.state}"),
        dataset_version=value.dataset_version,
        filter=value.filter,
        record_ids=value.record_ids,
        guideline=value.guideline,
        overlap=value.overlap,
        deadline=timestamp(value.deadline) if value.deadline else None,
        paused=value.paused,
        gold_share=value.gold_share,
        review_share=value.review_share,
        reviewers=value.reviewers,
        refill_rule=_refill_rule(value.refill_rule),
        pre_labels=_pre_labels(value.pre_labels),
        task=message_of(model_task(value.task)),
        marks=mapping.marks(value.task),
        open_count=value.open_count,
        review_count=value.review_count,
        done_count=value.done_count,
        skipped_count=value.skipped_count,
        gold_count=value.gold_count,
        stop_reason=_stop_reason(value.stop_reason),
        last_refill=value.last_refill,
        work=annotation_pb2.Task.Work.Value(f"WORK_{value.work}"),
        scales=value.scales,
        intake_rules=map(_intake_rule, value.intake_rules),
        intake_counts=[_intake_count(rule, count) for rule, count in sorted(value.intake_counts.items())],
    )


def _intake_rule(value: IntakeRule) -> queue_pb2.Queue.IntakeRule:
    rule = queue_pb2.Queue.IntakeRule
    message = rule(id=value.id, max_per_day=value.max_per_day, max_tasks=value.max_tasks)
    match value.source:
        case IntakeSource.TRAFFIC:
            choice = rule.Choice.Value(f"CHOICE_{value.choice}")
            traffic = rule.Traffic(deployment=value.deployment, share=value.share, choice=choice)
            message.traffic.CopyFrom(traffic)
        case IntakeSource.LOW_RATED:
            message.low_rated.CopyFrom(
                rule.LowRated(
                    deployment=value.deployment, max_rating=value.max_rating, conflicts=value.conflicts
                )
            )
        case IntakeSource.BAD_CASES:
            message.bad_cases.CopyFrom(
                rule.BadCases(evaluation_run=value.evaluation_run, domain=value.domain)
            )
    return message


def _intake_count(rule: str, value: IntakeCount) -> queue_pb2.Queue.IntakeCount:
    return queue_pb2.Queue.IntakeCount(
        rule=rule,
        task_count=value.total,
        day_count=value.of_day,
        day=value.day,
        returned_count=value.returned,
        problem=value.problem,
    )


def _refill_rule(value: RefillRule) -> queue_pb2.Queue.RefillRule:
    return queue_pb2.Queue.RefillRule(
        size=value.size,
        threshold=value.threshold,
        max_tasks=value.max_tasks,
        strategy=_STRATEGY.Value(f"STRATEGY_{value.strategy}"),
        random_share=value.random_share,
        min_gain=value.min_gain,
    )


def _pre_labels(value: PreLabels) -> queue_pb2.Queue.PreLabels:
    rules = (
        queue_pb2.Queue.Rule(label=each.label, keywords=each.keywords, pattern=each.pattern)
        for each in value.rules
    )
    endpoint = value.endpoint
    return queue_pb2.Queue.PreLabels(
        origin=_ORIGIN.Value(f"ORIGIN_{value.origin or 'UNSPECIFIED'}"),
        rules=rules,
        endpoint=queue_pb2.Queue.Endpoint(**vars(endpoint)) if endpoint else None,
        blind_share=value.blind_share,
    )


def _stop_reason(value: StopReason | None) -> queue_pb2.Queue.StopReason.ValueType:
    return _STOP.Value(f"STOP_REASON_{value or 'UNSPECIFIED'}")


def create_queue(request: pb.CreateQueueRequest) -> CreateQueue:
    """Return the command of a request."""
    settings = {name: read(request.queue) for name, read in _SETTINGS.items() if name != _INTAKE_RULES}
    settings[_INTAKE_RULES] = _read_intake(request.queue, request.parent)
    return CreateQueue(request.parent, request.queue_id, settings, request.request_id)


def update_queue(request: pb.UpdateQueueRequest) -> UpdateQueue:
    """Return the command of a request; InvalidArgument if the mask names a field that cannot be changed."""
    spec = request.queue
    paths = set(request.update_mask.paths) or {field.name for field, _ in spec.ListFields()} & _CHANGEABLE
    others = ", ".join(sorted(paths - _CHANGEABLE))
    if others or not paths:
        raise InvalidArgument(
            f"update_mask may name {', '.join(sorted(_CHANGEABLE))}; not {others or 'nothing'}.",
            reason="BAD_UPDATE_MASK",
            field="update_mask",
        )
    return UpdateQueue(spec.name, {path: _SETTINGS[path](spec) for path in sorted(paths)}, spec.etag)


def _read_rule(spec: queue_pb2.Queue) -> RefillRule:
    rule, default = spec.refill_rule, RefillRule()
    return RefillRule(
        size=rule.size or default.size,
        threshold=rule.threshold,
        max_tasks=rule.max_tasks,
        strategy=Strategy(_STRATEGY.Name(rule.strategy).removeprefix("STRATEGY_"))
        if rule.strategy
        else default.strategy,
        random_share=rule.random_share or default.random_share,
        min_gain=rule.min_gain,
    )


def _read_pre_labels(spec: queue_pb2.Queue) -> PreLabels:
    value = spec.pre_labels
    return PreLabels(
        Origin(_ORIGIN.Name(value.origin).removeprefix("ORIGIN_")) if value.origin else None,
        tuple(Rule(each.label, tuple(each.keywords), each.pattern) for each in value.rules),
        Endpoint(
            normalized_url(value.endpoint.base_url), value.endpoint.model.strip(), value.endpoint.text_only
        )
        if value.HasField("endpoint")
        else None,
        value.blind_share,
    )


def _read_intake(spec: queue_pb2.Queue, parent: str) -> tuple[IntakeRule, ...]:
    return tuple(_read_intake_rule(each, parent) for each in spec.intake_rules)


def _read_intake_rule(value: queue_pb2.Queue.IntakeRule, parent: str) -> IntakeRule:
    source = value.WhichOneof("source")
    if source is None:
        raise BadQueue(f"The rule {value.id[:64]} names no source of answers.", "intake_rules.source")
    default = IntakeRule(value.id, IntakeSource(source.upper()))
    rule = replace(
        default,
        max_per_day=value.max_per_day or default.max_per_day,
        max_tasks=value.max_tasks or default.max_tasks,
    )
    match rule.source:
        case IntakeSource.TRAFFIC:
            choices = queue_pb2.Queue.IntakeRule.Choice
            traffic = value.traffic
            choice = (
                choices.Name(traffic.choice).removeprefix("CHOICE_") if traffic.choice else default.choice
            )
            deployment = _full_name(traffic.deployment, parent, "deployments")
            return replace(
                rule, deployment=deployment, share=traffic.share or default.share, choice=Choice(choice)
            )
        case IntakeSource.LOW_RATED:
            return replace(
                rule,
                deployment=_full_name(value.low_rated.deployment, parent, "deployments"),
                max_rating=value.low_rated.max_rating or default.max_rating,
                conflicts=value.low_rated.conflicts,
            )
        case _:
            run = _full_name(value.bad_cases.evaluation_run, parent, "evaluationRuns")
            return replace(rule, evaluation_run=run, domain=value.bad_cases.domain)


def _full_name(name: str, parent: str, collection: str) -> str:
    """Return the resource name of what a rule names by its last segment; BadQueue of another project."""
    if not name or "/" not in name:
        return f"{parent}/{collection}/{name}" if name else ""
    if not name.startswith(f"{parent}/{collection}/"):
        raise BadQueue(f"{name} must be in {parent}/{collection}.", "intake_rules")
    return name


_SETTINGS: Mapping[str, Callable[[queue_pb2.Queue], Any]] = {
    "dataset_version": lambda spec: spec.dataset_version,
    "filter": lambda spec: spec.filter,
    "record_ids": lambda spec: tuple(spec.record_ids),
    "guideline": lambda spec: spec.guideline,
    "overlap": lambda spec: spec.overlap or 1,
    "deadline": lambda spec: spec.deadline.ToDatetime(UTC) if spec.HasField("deadline") else None,
    "paused": lambda spec: spec.paused,
    "gold_share": lambda spec: spec.gold_share,
    "review_share": lambda spec: spec.review_share,
    "reviewers": lambda spec: tuple(dict.fromkeys(spec.reviewers)),
    "refill_rule": _read_rule,
    "pre_labels": _read_pre_labels,
    "work": lambda spec: mapping.work(spec.work),
    "scales": lambda spec: tuple(spec.scales),
    _INTAKE_RULES: lambda spec: _read_intake(spec, parent_of(spec.name)),
}
"""Settings of a queue by the name of their field, and how each is read."""
_CHANGEABLE = frozenset(_SETTINGS) - {"work", "scales"}


def add_gold_items(request: pb.AddGoldItemsRequest) -> AddGoldItems:
    """Return the command of a request."""
    items = [GoldItem(each.record_id, each.content_digest, each.label) for each in request.items]
    return AddGoldItems(request.name, items)


def create_refill(request: pb.CreateRefillRequest) -> CreateRefill:
    """Return the command of a request."""
    spec = request.refill
    return CreateRefill(request.parent, request.refill_id, spec.size, spec.min_labelled, request.request_id)


def refill(value: Refill) -> queue_pb2.Refill:
    """A refill as callers see it."""
    message, progress = _drawn_refill(value.drawn or Drawn("")), value.progress
    message.name, message.revision = value.name, value.revision
    message.create_time.CopyFrom(timestamp(value.create_time))
    message.update_time.CopyFrom(timestamp(value.update_time))
    message.state = queue_pb2.Refill.State.Value(f"STATE_{value.state}")
    message.progress.CopyFrom(
        progress_pb2.Progress(
            fraction=progress.fraction,
            message=progress.message,
            done=progress.done,
            total=progress.total,
            unit=progress.unit,
        )
    )
    message.size, message.min_labelled = value.size, value.min_labelled
    message.dataset_version = value.dataset_version
    if value.failure_reason:
        message.failure.reason, message.failure.message = value.failure_reason, value.failure_message
    if value.drawn is None:
        message.ClearField("strategy")
    return message


def _drawn_refill(value: Drawn) -> queue_pb2.Refill:
    message = queue_pb2.Refill(
        task_count=value.task_count,
        active_count=value.active_count,
        pre_labelled_count=value.pre_labelled_count,
        candidate_count=value.candidate_count,
        labelled_count=value.labelled_count,
        copy_count=value.copy_count,
        curve=[queue_pb2.Refill.CurvePoint(**vars(each)) for each in value.curve],
        rules=[queue_pb2.Refill.RuleAccuracy(**vars(each)) for each in value.rules],
        strategy=_STRATEGY.Value(f"STRATEGY_{value.strategy}"),
        stop_reason=_stop_reason(value.stop_reason),
        proposal_origin=value.proposal_origin,
        unanswered_count=value.unanswered_count,
        label_errors=_label_errors(value.label_errors) if value.label_errors else None,
    )
    if value.gain is not None:
        message.gain.CopyFrom(queue_pb2.Refill.Gain(**vars(value.gain)))
    return message


def _label_errors(value: LabelErrors) -> queue_pb2.Refill.LabelErrors:
    message = queue_pb2.Refill.LabelErrors
    return message(
        checked_count=value.checked_count,
        suspect_count=value.suspect_count,
        estimated_error_share=value.estimated_error_share,
        model_score=value.model_score,
        pairs=[message.Pair(**vars(each)) for each in value.pairs],
    )


def _read_label_errors(value: queue_pb2.Refill.LabelErrors) -> LabelErrors:
    pairs = (ConfusedPair(each.current_label, each.suggested_label, each.count) for each in value.pairs)
    return LabelErrors(
        value.checked_count,
        value.suspect_count,
        value.estimated_error_share,
        value.model_score,
        tuple(pairs),
    )


def drawing_spec(job: DrawingJob, endpoints: Mapping[str, str]) -> jobs_pb2.RefillSpec:
    """Return the spec of the job that draws the records of a refill; `endpoints` that were listed, with their keys."""
    endpoint = job.queue.pre_labels.endpoint
    base_url = endpoint.base_url if endpoint else ""
    return jobs_pb2.RefillSpec(
        name=job.refill.name,
        dataset_digest=job.dataset_digest,
        annotations_digest=job.annotations_digest,
        queued_digest=job.queued_digest,
        queue=queue(job.queue),
        size=job.refill.size,
        min_labelled=job.refill.min_labelled,
        queued_count=job.queue.task_count,
        guideline=mapping.guideline(job.guideline) if job.guideline else None,
        endpoint_listed=base_url in endpoints,
        endpoint_key_variable=endpoints.get(base_url, ""),
    )


def queue_of_spec(spec: queue_pb2.Queue) -> Queue:
    """Return the settings of a queue from the spec of a job."""
    settings = {name: read(spec) for name, read in _SETTINGS.items()}
    times = (spec.create_time.ToDatetime(UTC), spec.update_time.ToDatetime(UTC))
    return Queue(spec.name, *times, task=mapping.read_marks(spec.marks) or task_of(spec.task), **settings)


def drawing_result(value: Drawn) -> jobs_pb2.RefillResult:
    """Return the result of a job as a message."""
    refill = _drawn_refill(value)
    refill.progress.message = value.message
    return jobs_pb2.RefillResult(tasks_digest=value.tasks_digest, refill=refill)


def drawn(result: jobs_pb2.RefillResult) -> Drawn:
    """Return the result of a job."""
    value = result.refill
    return Drawn(
        tasks_digest=result.tasks_digest,
        task_count=value.task_count,
        active_count=value.active_count,
        pre_labelled_count=value.pre_labelled_count,
        candidate_count=value.candidate_count,
        labelled_count=value.labelled_count,
        copy_count=value.copy_count,
        curve=tuple(CurvePoint(each.label_count, each.score, each.low, each.high) for each in value.curve),
        gain=Gain(value.gain.mean, value.gain.low, value.gain.high) if value.HasField("gain") else None,
        rules=tuple(map(_rule_accuracy, value.rules)),
        strategy=Strategy(_STRATEGY.Name(value.strategy).removeprefix("STRATEGY_")),
        stop_reason=StopReason(_STOP.Name(value.stop_reason).removeprefix("STOP_REASON_"))
        if value.stop_reason
        else None,
        proposal_origin=value.proposal_origin,
        message=value.progress.message,
        label_errors=_read_label_errors(value.label_errors) if value.HasField("label_errors") else None,
        unanswered_count=value.unanswered_count,
    )


def _rule_accuracy(value: queue_pb2.Refill.RuleAccuracy) -> RuleAccuracy:
    known = value.HasField("accuracy")
    return RuleAccuracy(
        value.rule,
        value.label,
        value.match_count,
        value.checked_count,
        value.correct_count,
        value.accuracy if known else None,
        value.low if known else None,
        value.high if known else None,
    )


def queue_summary(value: QueueSummary) -> pb.SummarizeQueueResponse:
    """A summary as callers see it."""
    response = pb.SummarizeQueueResponse
    return response(
        answer_counts=value.answer_counts,
        compared_count=value.compared_count,
        pair_count=value.pair_count,
        raw_agreement=value.raw_agreement,
        alpha=value.alpha,
        fleiss_kappa=value.fleiss_kappa,
        undefined_reason=value.undefined_reason,
        labels=[response.LabelAgreement(**vars(each)) for each in value.labels],
        pairs=[response.PairAgreement(**vars(each)) for each in value.pairs],
        annotators=[response.Annotator(**vars(each)) for each in value.annotators],
        confirmed_count=value.confirmed_count,
        corrected_count=value.corrected_count,
        exact_f1=value.exact_f1,
        overlap_f1=value.overlap_f1,
        proposals=[response.ProposalAccuracy(**vars(each)) for each in value.proposals],
    )
