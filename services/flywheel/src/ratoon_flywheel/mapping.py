"""Domain to protobuf and back; entrypoints and adapters use it, nothing else does."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from google.protobuf.message import Message

from ratoon.common.v1 import metric_pb2, progress_pb2, shadow_pb2
from ratoon.events.cloudevents import Event
from ratoon.events.foreign import ForeignEvent
from ratoon.events.ports import Record
from ratoon.flywheel.v1 import (
    external_event_pb2,
    flywheel_events_pb2,
    pipeline_run_pb2,
    policy_pb2,
    project_pb2,
    signal_pb2,
)
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.ingestion.v1 import ingestion_events_pb2
from ratoon.runtime.timestamps import time_of, timestamp
from ratoon.service import tasks
from ratoon.service.compute import compute_of
from ratoon.service.compute import message_of as compute_message
from ratoon.service.events import record_of
from ratoon.tasks.classify import Classify
from ratoon.tasks.judges import Requirements
from ratoon.tasks.kind import BadTask, Direction, Metric
from ratoon.tasks.kinds import TaskSpec
from ratoon.training.v1 import compression_pb2, model_export_pb2
from ratoon_flywheel import training_messages
from ratoon_flywheel.application.commands import (
    CompareVersions,
    CreateFeedback,
    CreatePolicy,
    CreateProject,
    CreateRun,
    CreateSegment,
    DecideRun,
    Delete,
    ExportFeedback,
    ReceiveEvent,
    UpdatePolicy,
    UpdateProject,
)
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.errors import BadFeedback, BadProject
from ratoon_flywheel.domain.judges import HumanRatings
from ratoon_flywheel.domain.pipelines import policies, runs
from ratoon_flywheel.domain.pipelines.external_events import EventFilter, EventState, ExternalEvent
from ratoon_flywheel.domain.pipelines.policies import Policy
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, Stage
from ratoon_flywheel.domain.pipelines.support import DEFAULT_RECIPE
from ratoon_flywheel.domain.project_settings import (
    Budget,
    CompressionSettings,
    CurationStep,
    DataRequirements,
    ExportSettings,
    LabelQueue,
    MetricGate,
    PreferenceLoss,
    ShadowSettings,
    StageCompute,
    TrainOn,
    Truncation,
    TuningDefaults,
    check_direction,
)
from ratoon_flywheel.domain.projects import (
    Gate,
    Method,
    Project,
    RolloutDefaults,
    SplitDefaults,
    SplitRule,
    TrainingDefaults,
    merged_task,
)
from ratoon_flywheel.domain.signals.comparison import Arm, Comparison, Scores
from ratoon_flywheel.domain.signals.drift import Measure
from ratoon_flywheel.domain.signals.feedback import Feedback, Implicit, Received
from ratoon_flywheel.domain.signals.monitor import DriftDetected, DriftReport
from ratoon_flywheel.domain.signals.records import Form
from ratoon_flywheel.domain.signals.traffic import SegmentReceived, TrafficSegment
from ratoon_flywheel.reward_messages import (
    distillation_message,
    distillation_of,
    reward_message,
    reward_of,
)
from ratoon_flywheel.training_messages import PASSED_ON

_NEVER = datetime.fromtimestamp(0, UTC)
"""Stands for times that are not set yet."""


def project(value: Project, notices: Sequence[str] = ()) -> project_pb2.Project:
    """A project as callers see it, with what a change of it means."""
    return project_pb2.Project(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        etag=value.etag,
        display_name=value.display_name,
        labels=value.labels,
        instructions=value.instructions,
        gate=project_pb2.Project.Gate(**vars(value.gate)),
        training=_training(value.training),
        rollout=project_pb2.Project.RolloutDefaults(**vars(value.rollout)),
        split=_split_defaults(value.split),
        traffic_retention_days=value.traffic_retention_days,
        require_approval=value.require_approval,
        dataset=value.dataset,
        model=value.model,
        deployment=value.deployment,
        notices=notices,
        task=tasks.message_of(value.task),
        primary_metric=_metric(value.decisive_metric),
        metrics=value.metrics,
        metric_gates=[project_pb2.Project.MetricGate(**vars(gate)) for gate in value.metric_gates],
        data_requirements=project_pb2.Project.DataRequirements(**vars(value.data_requirements)),
        budget=project_pb2.Project.Budget(**vars(value.budget)),
        label_queue=project_pb2.Project.LabelQueue(**vars(value.label_queue))
        if value.label_queue.min_labels
        else None,
        compression=_compression_message(value.compression),
        exports=[project_pb2.Project.Export(**_export_values(each)) for each in value.exports],
        compute=_stage_compute(value.compute),
        recipes=value.recipes,
        retraining_recipes=value.retraining_recipes,
        curation=[
            project_pb2.Project.CurationStep(name=step.name, params=step.params) for step in value.curation
        ],
        default_consent=signal_pb2.Feedback.Consent.Value(f"CONSENT_{value.default_consent}"),
        group_attribute=value.group_attribute,
        tuning=_tuning_message(value.tuning),
        suites=value.suites,
        judges=value.judges,
        judge_requirements=_requirements_message(value.judge_requirements),
        human_ratings=_human_message(value.human_ratings),
        shadow=None if value.shadow == ShadowSettings() else shadow_pb2.ShadowAnalysis(**vars(value.shadow)),
    )


def policy(value: Policy) -> policy_pb2.Policy:
    """A policy as callers see it."""
    return policy_pb2.Policy(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        etag=value.etag,
        last_decision=value.last_decision,
        last_decision_time=timestamp(value.last_decision_time),
        **{field: _policy_setting(getattr(value, field)) for field in policies.CHANGEABLE},
    )


def _policy_setting(value: Any) -> Any:
    """Return a setting of a policy as its message holds it."""
    if isinstance(value, tuple):
        kind = policy_pb2.Policy.EventFilter
        return [kind(**vars(each)) if isinstance(each, EventFilter) else each for each in value]
    return value


def run(value: PipelineRun) -> pipeline_run_pb2.PipelineRun:
    """A pipeline run as callers see it."""
    kind = pipeline_run_pb2.PipelineRun
    progress = progress_pb2.Progress(
        fraction=value.progress.fraction,
        message=value.progress.message,
        remaining_seconds=value.progress.remaining_seconds,
        metrics=value.progress.metrics,
    )
    products = {field: getattr(value.products, field) for field in kind.Products.DESCRIPTOR.fields_by_name}
    message = kind(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        state=kind.State.Value(f"STATE_{value.state}"),
        trigger=kind.Trigger.Value(f"TRIGGER_{value.trigger}"),
        trigger_reason=value.trigger_reason,
        policy=value.policy,
        sources=value.sources,
        stages=map(_stage, value.stages),
        products=kind.Products(**products),
        skip_rollout=value.skip_rollout,
        progress=progress,
        recipe=value.recipe or DEFAULT_RECIPE,
        following_recipes=value.following_recipes,
        trained_recipes=[kind.TrainedRecipe(**vars(each)) for each in value.trained],
        drift=value.drift,
        event_count=value.event_count,
    )
    if value.starting_event is not None:
        event = value.starting_event
        starting = kind.StartingEvent(**{**vars(event), "time": timestamp(event.time)})
        message.starting_event.MergeFrom(starting)
    if value.choice is not None:
        message.choice.is_challenger, message.choice.reason = value.choice.is_challenger, value.choice.reason
    if value.compression_outcome is not None:
        message.compression_outcome.MergeFrom(kind.CompressionOutcome(**vars(value.compression_outcome)))
    for each in value.exports:
        message.export_outcomes.add(
            model_export=each.model_export,
            succeeded=each.succeeded,
            message=each.message,
            **_export_values(each.settings),
        )
    if value.approval is not None:
        approval = value.approval
        message.approval.MergeFrom(
            kind.Approval(
                approved=approval.approved,
                decider=approval.decider,
                time=timestamp(approval.time),
                reason=approval.reason,
            )
        )
    if value.failure_reason:
        message.failure.reason, message.failure.message = value.failure_reason, value.failure_message
    return message


def external_event(value: ExternalEvent) -> external_event_pb2.ExternalEvent:
    """An external event as callers see it."""
    return external_event_pb2.ExternalEvent(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        event_id=value.event_id,
        source=value.source,
        type=value.type,
        subject=value.subject,
        event_time=timestamp(value.event_time),
        topic=value.topic,
        state=_event_state(value),
        pipeline_run=value.pipeline_run,
        record_count=value.record_count,
    )


def readings(event: Event) -> tuple[ExternalEvent, ...]:
    """Return an event for each source that a connection, a stream or a crawl created, with its number of records."""
    return tuple(
        ExternalEvent(
            "",
            event.time,
            event.time,
            event_id=source.rpartition("/")[2],
            source=event.subject,
            type=event.type,
            subject=source,
            event_time=event.time,
            topic=event.topic,
            record_count=records,
        )
        for source, records in _created_sources(event)
        if source and records
    )


def _created_sources(event: Event) -> Iterable[tuple[str, int]]:
    """Return the sources of an event with their numbers of records; empty for other events."""
    pb = ingestion_events_pb2
    match event.type.rpartition(".")[2]:
        case "ConnectionRead":
            read = pb.ConnectionEvent.FromString(event.data).read
            return zip(read.sources, read.record_counts, strict=False)
        case "StreamSealed":
            sealed = pb.StreamEvent.FromString(event.data).sealed
            return ((sealed.source, sealed.record_count),)
        case "CrawlCompleted":
            completed = pb.CrawlEvent.FromString(event.data).completed
            return ((completed.source, completed.record_count),)
    return ()


def _event_state(value: ExternalEvent) -> "external_event_pb2.ExternalEvent.State.ValueType":
    kind = external_event_pb2.ExternalEvent
    if value.state is EventState.WAITING:
        return kind.STATE_WAITING
    return kind.STATE_TAKEN if value.pipeline_run else kind.STATE_EXPIRED


def topic_event(value: ForeignEvent, topic: str) -> ExternalEvent:
    """Return the external event of a CloudEvent; name and times are set at its receipt."""
    return ExternalEvent(
        "", _NEVER, _NEVER, value.id, value.source, value.type, value.subject, value.time, topic
    )


def receive_event(request: pb.CreateExternalEventRequest) -> ReceiveEvent:
    """Return the command of a request."""
    spec = request.external_event
    time = time_of(spec, "event_time")
    event = ExternalEvent("", _NEVER, _NEVER, spec.event_id, spec.source, spec.type, spec.subject, time)
    return ReceiveEvent(request.parent, event, request.request_id)


def feedback(value: Feedback) -> signal_pb2.Feedback:
    """Feedback as callers see it."""
    kind = signal_pb2.Feedback
    implicit = f"IMPLICIT_{value.implicit}" if value.implicit else "IMPLICIT_UNSPECIFIED"
    return kind(
        name=value.name,
        create_time=timestamp(value.create_time),
        answer_id=value.answer_id,
        thumb=value.thumb,
        rating=value.rating,
        correction=value.correction,
        comment=value.comment,
        version=value.version,
        rejected_answer_id=value.rejected_answer_id,
        outcomes=value.outcomes,
        implicit=kind.Implicit.Value(implicit),
        consent=kind.Consent.Value(f"CONSENT_{value.consent}"),
        session_id=value.session,
        user=value.user,
    )


def segment(value: TrafficSegment) -> signal_pb2.TrafficSegment:
    """A traffic segment as callers see it."""
    return signal_pb2.TrafficSegment(
        name=value.name,
        create_time=timestamp(value.create_time),
        deployment=value.deployment,
        digest=value.digest,
        answer_count=value.answer_count,
        start_time=timestamp(value.start_time),
        end_time=timestamp(value.end_time),
        lost_count=value.lost_count,
        set_aside_count=sum(value.set_aside.values()),
        set_aside_faults=value.set_aside,
    )


def drift_report(value: DriftReport) -> signal_pb2.DriftReport:
    """A drift report as callers see it."""
    return signal_pb2.DriftReport(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        version=value.version,
        answer_count=value.answer_count,
        measures=map(_drift_measure, value.measures),
        drifted=value.drifted,
        feedback_count=value.feedback_count,
        negative_count=value.negative_count,
        error_rate=value.error_rate,
    )


def _drift_measure(value: Measure) -> signal_pb2.DriftReport.Measure:
    kind = signal_pb2.DriftReport
    return kind.Measure(
        feature=value.feature.value,
        divergence=value.divergence,
        null_band=value.null_band,
        drifted=value.ratio > 1,
        js_divergence=value.js,
        js_noise_band=value.js_band,
        psi=value.psi,
        psi_noise_band=value.psi_band,
        reference=kind.Reference.Value(f"REFERENCE_{value.reference}"),
        slice=value.slice,
    )


def create_project(request: pb.CreateProjectRequest) -> CreateProject:
    """Return the command of a request."""
    task = merged_task(None, *_named_task(request.project, ()))
    return CreateProject(request.project_id, _project(request.project, task), request.request_id)


def update_project(request: pb.UpdateProjectRequest) -> UpdateProject:
    """Return the command of a request."""
    fields = tuple(request.update_mask.paths)
    return UpdateProject(
        _project(request.project, Classify()),
        request.project.etag,
        fields,
        request.allow_label_removal,
        *_named_task(request.project, fields),
    )


def delete(request: pb.DeleteProjectRequest | pb.DeletePolicyRequest) -> Delete:
    """Return the command of a request."""
    return Delete(request.name, request.etag)


def create_policy(request: pb.CreatePolicyRequest) -> CreatePolicy:
    """Return the command of a request; a value of zero takes its default."""
    desired = _policy(request.policy, ())
    return CreatePolicy(request.parent, request.policy_id, desired, request.request_id)


def update_policy(request: pb.UpdatePolicyRequest) -> UpdatePolicy:
    """Return the command of a request; a value of zero takes its default, unless the mask names it."""
    fields = tuple(request.update_mask.paths)
    return UpdatePolicy(_policy(request.policy, fields), request.policy.etag, fields)


def create_run(request: pb.CreatePipelineRunRequest) -> CreateRun:
    """Return the command of a request."""
    spec = request.pipeline_run
    return CreateRun(
        request.parent,
        request.pipeline_run_id,
        tuple(spec.sources),
        spec.skip_rollout,
        request.request_id,
        spec.recipe,
    )


def approve_run(request: pb.ApprovePipelineRunRequest) -> DecideRun:
    """What is decided."""
    return DecideRun(request.name, True, request.reason)


def reject_run(request: pb.RejectPipelineRunRequest) -> DecideRun:
    """What is decided."""
    return DecideRun(request.name, False, request.reason)


def compare_versions(request: pb.CompareVersionsRequest) -> CompareVersions:
    """Return the command of a request."""
    return CompareVersions(
        request.parent,
        request.version,
        request.other_version,
        time_of(request, "start_time"),
        time_of(request, "end_time"),
    )


def export_feedback(request: pb.ExportFeedbackRequest) -> ExportFeedback:
    """Return the command of a request."""
    known = {number: Form(name.removeprefix("FORM_")) for name, number in request.Form.items() if number}
    if unknown := set(request.forms) - set(known):
        raise BadFeedback(f"forms has no value {min(unknown)}.", "forms")
    purpose = _consent(request.purpose) or Consent.TRAINING
    if purpose is Consent.NONE:
        raise BadFeedback("The purpose must be CONSENT_TRAINING or CONSENT_EVALUATION.", "purpose")
    return ExportFeedback(
        request.parent,
        tuple(known[number] for number in request.forms),
        purpose,
        time_of(request, "start_time"),
        time_of(request, "end_time"),
    )


def exported_feedback(
    digest: str, record_counts: Mapping[str, int], left_out: Mapping[str, int]
) -> pb.ExportFeedbackResponse:
    """Return the response of an export."""
    return pb.ExportFeedbackResponse(
        digest=digest,
        record_count=sum(record_counts.values()),
        record_counts=record_counts,
        left_out_counts=left_out,
    )


def comparison(value: Comparison) -> signal_pb2.Comparison:
    """A comparison of two versions as callers see it."""
    message = signal_pb2.Comparison(
        version=_arm(value.arm),
        other_version=_arm(value.other),
        difference=value.difference.value,
        difference_low=value.difference.low,
        difference_high=value.difference.high,
        conclusive=value.conclusive,
        preferred_count=value.preferred,
        rejected_count=value.rejected,
    )
    if (by_metric := value.by_metric) is not None:
        message.by_metric.MergeFrom(
            signal_pb2.Comparison.ByMetric(
                metric=_metric(by_metric.metric),
                version=_score(by_metric.scores),
                other_version=_score(by_metric.other),
                gain=by_metric.gain.value,
                gain_low=_finite(by_metric.gain.low),
                gain_high=_finite(by_metric.gain.high),
                conclusive=by_metric.conclusive,
            )
        )
    return message


def _finite(bound: float) -> float | None:
    """Return a bound as JSON can hold it; None if there is none."""
    return bound if isfinite(bound) else None


def _score(scores: Scores) -> signal_pb2.Comparison.Score:
    return signal_pb2.Comparison.Score(
        value=scores.interval.value,
        low=_finite(scores.interval.low),
        high=_finite(scores.interval.high),
        answer_count=scores.answers,
        caller_count=len(scores.by_caller),
    )


def _arm(arm: Arm) -> signal_pb2.Comparison.Arm:
    return signal_pb2.Comparison.Arm(
        version=arm.version,
        positive_count=arm.votes.positive,
        negative_count=arm.votes.negative,
        caller_count=arm.callers,
        satisfaction=arm.satisfaction.value,
        satisfaction_low=arm.satisfaction.low,
        satisfaction_high=arm.satisfaction.high,
        outcomes={
            name: signal_pb2.Comparison.Outcome(mean=each.mean, answer_count=each.answers)
            for name, each in arm.outcomes.items()
        },
        implicit_counts=arm.implicit,
    )


def create_feedback(request: pb.CreateFeedbackRequest) -> CreateFeedback:
    """Return the command of a request."""
    spec = request.feedback
    return CreateFeedback(
        request.parent,
        request.feedback_id,
        spec.answer_id,
        spec.thumb,
        spec.rating,
        spec.correction,
        spec.comment,
        request.request_id,
        spec.rejected_answer_id,
        dict(spec.outcomes),
        _implicit(spec.implicit),
        _consent(spec.consent),
        spec.session_id,
        spec.user,
    )


def _implicit(value: "signal_pb2.Feedback.Implicit.ValueType") -> Implicit | None:
    """Return the implicit signal that a message names; None if it names none."""
    kind = signal_pb2.Feedback.Implicit
    if value not in kind.values():
        raise BadFeedback(f"implicit has no value {value}.", "implicit")
    return Implicit(kind.Name(value).removeprefix("IMPLICIT_")) if value else None


def _consent(value: "signal_pb2.Feedback.Consent.ValueType") -> Consent | None:
    """Return the consent that a message names; None if it names none."""
    kind = signal_pb2.Feedback.Consent
    if value not in kind.values():
        raise BadFeedback(f"consent has no value {value}.", "consent")
    return Consent(kind.Name(value).removeprefix("CONSENT_")) if value else None


def create_segment(request: pb.CreateTrafficSegmentRequest) -> CreateSegment:
    """Return the command of a request."""
    spec = request.traffic_segment
    return CreateSegment(
        request.parent,
        request.traffic_segment_id or spec.name.rpartition("/")[2],
        spec.deployment,
        spec.digest,
        spec.answer_count,
        spec.start_time.ToDatetime(UTC),
        spec.end_time.ToDatetime(UTC),
        spec.lost_count,
        request.request_id,
    )


def event(happened: object, name: str, revision: int) -> Record:
    """A domain event as a record of its topic."""
    return record_of("flywheel", _of_run(happened, name, revision) or _of_signal(happened, name, revision))


def _of_run(happened: object, name: str, revision: int) -> Message | None:
    ev = flywheel_events_pb2
    payload: dict[str, Any]
    match happened:
        case runs.Started(trigger):
            payload = {"started": ev.PipelineRunStarted(trigger=trigger.value)}
        case runs.Succeeded(version):
            payload = {"succeeded": ev.PipelineRunSucceeded(model_version=version)}
        case runs.Refused(evaluation):
            payload = {"refused": ev.PipelineRunRefused(evaluation_run=evaluation)}
        case runs.Failed(reason):
            payload = {"failed": ev.PipelineRunFailed(reason=reason)}
        case runs.Cancelled():
            payload = {"cancelled": ev.PipelineRunCancelled()}
        case runs.RolledBack(version):
            payload = {"rolled_back": ev.PipelineRunRolledBack(model_version=version)}
        case _:
            return None
    return ev.PipelineRunEvent(name=name, revision=revision, **payload)


def _of_signal(happened: object, name: str, revision: int) -> Message:
    ev = flywheel_events_pb2
    payload: dict[str, Any]
    match happened:
        case Received(feedback=feedback_name, negative=negative):
            payload = {"feedback_received": ev.FeedbackReceived(feedback=feedback_name, negative=negative)}
        case SegmentReceived(traffic_segment, count):
            received = ev.TrafficSegmentReceived(traffic_segment=traffic_segment, answer_count=count)
            payload = {"traffic_segment_received": received}
        case DriftDetected(report):
            payload = {"drift_detected": ev.DriftDetected(drift_report=report)}
        case _:
            raise TypeError(f"{happened!r} is not an event of the flywheel")
    return ev.SignalEvent(name=name, revision=revision, **payload)


def _split_defaults(value: SplitDefaults) -> project_pb2.Project.SplitDefaults:
    mode = "UNSPECIFIED" if value.mode is SplitRule.DEFAULT else value.mode.value
    return project_pb2.Project.SplitDefaults(
        validation_share=value.validation_share,
        test_share=value.test_share,
        mode=project_pb2.Project.SplitDefaults.Mode.Value(f"MODE_{mode}"),
        fold_count=value.fold_count,
        fold=value.fold,
    )


def _training(value: TrainingDefaults) -> project_pb2.Project.TrainingDefaults:
    kind = project_pb2.Project.TrainingDefaults
    is_default = value.method is Method.DEFAULT
    method = kind.METHOD_UNSPECIFIED if is_default else kind.Method.Value(f"METHOD_{value.method}")
    passed_on = {name: training_messages.message_of(name, getattr(value, name)) for name in PASSED_ON}
    stated = {name: message for name, message in passed_on.items() if getattr(value, name)}
    return kind(**{**vars(value), **dict.fromkeys(PASSED_ON), **stated, "method": method})


def _named_task(
    spec: project_pb2.Project, fields: Sequence[str]
) -> tuple[TaskSpec | None, tuple[str, ...] | None]:
    """Return the task and the labels that a request names; None for what it does not name."""
    names_labels = "labels" in fields if fields else bool(spec.labels)
    labels = tuple(spec.labels) if names_labels else None
    if not spec.HasField("task") or (fields and "task" not in fields):
        if "task" in fields:
            raise BadProject("task is missing: give classify, generate or regress.", "task")
        return None, labels
    try:
        return tasks.task_of(spec.task), labels
    except BadTask as error:
        raise BadProject(str(error), error.field) from None


def _metric(value: Metric) -> metric_pb2.Metric:
    return metric_pb2.Metric(
        name=value.name, direction=metric_pb2.Metric.Direction.Value(f"DIRECTION_{value.direction}")
    )


def _primary_metric(spec: metric_pb2.Metric) -> str:
    if spec.direction:
        name = metric_pb2.Metric.Direction.Name(spec.direction)
        check_direction(spec.name, Direction(name.removeprefix("DIRECTION_")))
    return spec.name


def _stage_compute(value: StageCompute) -> project_pb2.Project.StageCompute:
    return project_pb2.Project.StageCompute(
        **{stage: compute_message(each) for stage, each in vars(value).items()}
    )


def _tuning_message(value: TuningDefaults) -> project_pb2.Project.TuningDefaults:
    kind = project_pb2.Project.TuningDefaults
    train_on = f"TRAIN_ON_{value.train_on or 'UNSPECIFIED'}"
    truncation = f"TRUNCATION_{value.truncation or 'UNSPECIFIED'}"
    loss = f"PREFERENCE_LOSS_{value.preference_loss or 'UNSPECIFIED'}"
    named = {
        "train_on": kind.TrainOn.Value(train_on),
        "truncation": kind.Truncation.Value(truncation),
        "preference_loss": kind.PreferenceLoss.Value(loss),
        "rewards": [reward_message(reward) for reward in value.rewards],
        "distillation": distillation_message(value.distillation),
    }
    return kind(**{**vars(value), **named})


def _tuning(spec: project_pb2.Project.TuningDefaults) -> TuningDefaults:
    kind = project_pb2.Project.TuningDefaults
    train_on = kind.TrainOn.Name(spec.train_on).removeprefix("TRAIN_ON_")
    truncation = kind.Truncation.Name(spec.truncation).removeprefix("TRUNCATION_")
    loss = kind.PreferenceLoss.Name(spec.preference_loss).removeprefix("PREFERENCE_LOSS_")
    return TuningDefaults(
        TrainOn(train_on) if spec.train_on else None,
        Truncation(truncation) if spec.truncation else None,
        spec.max_tokens,
        spec.packed,
        spec.gradient_accumulation,
        spec.gradient_checkpointing,
        tuple(spec.new_tokens),
        spec.preference_learning_rate,
        spec.beta,
        PreferenceLoss(loss) if spec.preference_loss else None,
        tuple(reward_of(reward) for reward in spec.rewards),
        distillation_of(spec.distillation),
        spec.domain_tokens,
        spec.base_layers,
    )


def _compression_message(value: CompressionSettings) -> project_pb2.Project.Compression | None:
    """Return the settings of compression; None: versions are not compressed."""
    if value == CompressionSettings():
        return None
    kind = compression_pb2.Compression
    return project_pb2.Project.Compression(
        method=kind.Method.Value(f"METHOD_{value.method}"),
        rounding=kind.Rounding.Value(f"ROUNDING_{value.rounding or 'UNSPECIFIED'}"),
        group_size=value.group_size,
        max_quality_loss=value.max_quality_loss,
    )


def _compression(spec: project_pb2.Project.Compression) -> CompressionSettings:
    kind = compression_pb2.Compression
    for name, enum in (("method", kind.Method), ("rounding", kind.Rounding)):
        if (number := getattr(spec, name)) not in enum.values():
            raise BadProject(f"compression.{name} has no value {number}.", f"compression.{name}")
    loss = {"max_quality_loss": spec.max_quality_loss} if spec.HasField("max_quality_loss") else {}
    return CompressionSettings(
        kind.Method.Name(spec.method).removeprefix("METHOD_") if spec.method else "",
        kind.Rounding.Name(spec.rounding).removeprefix("ROUNDING_") if spec.rounding else "",
        spec.group_size,
        **loss,
    )


def _export_values(value: ExportSettings) -> dict[str, Any]:
    kind = model_export_pb2.ModelExport
    return {
        "format": kind.Format.Value(f"FORMAT_{value.format}"),
        "gguf_type": kind.GgufType.Value(f"GGUF_TYPE_{value.gguf_type or 'UNSPECIFIED'}"),
    }


def _export(spec: project_pb2.Project.Export) -> ExportSettings:
    kind = model_export_pb2.ModelExport
    for name, enum in (("format", kind.Format), ("gguf_type", kind.GgufType)):
        if (number := getattr(spec, name)) not in enum.values():
            raise BadProject(f"exports.{name} has no value {number}.", "exports")
    return ExportSettings(
        kind.Format.Name(spec.format).removeprefix("FORMAT_") if spec.format else "",
        kind.GgufType.Name(spec.gguf_type).removeprefix("GGUF_TYPE_") if spec.gguf_type else "",
    )


def _requirements_message(value: Requirements) -> project_pb2.Project.JudgeRequirements | None:
    """Return what is required of judges; None: the defaults."""
    if value == Requirements():
        return None
    return project_pb2.Project.JudgeRequirements(min_pair_count=value.min_pairs, min_kappa=value.min_kappa)


def _requirements(spec: project_pb2.Project.JudgeRequirements) -> Requirements:
    defaults = Requirements()
    return Requirements(
        spec.min_pair_count if spec.HasField("min_pair_count") else defaults.min_pairs,
        spec.min_kappa if spec.HasField("min_kappa") else defaults.min_kappa,
    )


def _human_message(value: HumanRatings | None) -> project_pb2.Project.HumanRatings | None:
    return None if value is None else project_pb2.Project.HumanRatings(**vars(value))


def _human(spec: project_pb2.Project) -> HumanRatings:
    return HumanRatings(spec.human_ratings.candidate_origin, spec.human_ratings.reference_origin)


def _metric_gate(spec: project_pb2.Project.MetricGate) -> MetricGate:
    return MetricGate(**{field.name: value for field, value in spec.ListFields()} | {"metric": spec.metric})


def _data_requirements(spec: project_pb2.Project.DataRequirements) -> DataRequirements:
    return DataRequirements(
        spec.min_records,
        spec.min_records_per_label,
        tuple(spec.required_fields),
        tuple(spec.languages),
        tuple(spec.licenses),
        dict(sorted(spec.min_completeness.items())),
    )


def _project(spec: project_pb2.Project, task: TaskSpec) -> Project:
    """Return the project of a request; unset values take their defaults."""
    gate = Gate(**{field.name: value for field, value in spec.gate.ListFields()})
    training = {field.name: getattr(spec.training, field.name) for field in spec.training.DESCRIPTOR.fields}
    if not spec.training.HasField("replay_count"):
        del training["replay_count"]
    method = training.pop("method")
    name = project_pb2.Project.TrainingDefaults.Method.Name(method).removeprefix("METHOD_")
    training["method"] = Method(name) if method else Method.DEFAULT
    training |= {each: training_messages.text_of(training[each]) for each in PASSED_ON if each in training}
    split = {field.name: value for field, value in spec.split.ListFields()}
    rule = project_pb2.Project.SplitDefaults.Mode.Name(split.pop("mode", 0)).removeprefix("MODE_")
    split["mode"] = SplitRule.DEFAULT if rule == "UNSPECIFIED" else SplitRule(rule)
    return Project(
        spec.name,
        _NEVER,
        _NEVER,
        task,
        spec.display_name,
        spec.instructions,
        gate,
        TrainingDefaults(**training),
        RolloutDefaults(spec.rollout.bake_seconds),
        SplitDefaults(**split),
        spec.traffic_retention_days or Project.traffic_retention_days,
        spec.require_approval,
        _primary_metric(spec.primary_metric),
        tuple(spec.metrics),
        tuple(map(_metric_gate, spec.metric_gates)),
        _data_requirements(spec.data_requirements),
        Budget(**{field.name: value for field, value in spec.budget.ListFields()}),
        StageCompute(**{field.name: compute_of(value) for field, value in spec.compute.ListFields()}),
        tuple(spec.recipes),
        tuple(spec.retraining_recipes),
        tuple(CurationStep(step.name, dict(step.params)) for step in spec.curation),
        _consent(spec.default_consent) or Project.default_consent,
        spec.group_attribute,
        _tuning(spec.tuning),
        ShadowSettings(**{field.name: value for field, value in spec.shadow.ListFields()}),
        tuple(spec.suites),
        tuple(spec.judges),
        _requirements(spec.judge_requirements),
        _human(spec) if spec.HasField("human_ratings") else None,
        label_queue=LabelQueue(**{field.name: value for field, value in spec.label_queue.ListFields()}),
        compression=_compression(spec.compression),
        exports=tuple(map(_export, spec.exports)),
    )


def _policy(spec: policy_pb2.Policy, named: Sequence[str]) -> Policy:
    """Return the policy of a request; a value counts when it is not zero, was set, or is named."""
    fields = {field.name for field, _ in spec.ListFields()} | set(named)
    values = {field: getattr(spec, field) for field in policies.CHANGEABLE if field in fields}
    if "event_filters" in values:
        filters = values["event_filters"]
        values["event_filters"] = tuple(EventFilter(each.type, each.source, each.subject) for each in filters)
    if "sources" in values:
        values["sources"] = tuple(values["sources"])
    return Policy(spec.name, _NEVER, _NEVER, **values)


def _stage(value: Stage) -> pipeline_run_pb2.PipelineRun.Stage:
    return pipeline_run_pb2.PipelineRun.Stage(
        id=value.id.value,
        state=value.state.value,
        resource=value.resource,
        message=value.message,
        start_time=timestamp(value.start_time),
        end_time=timestamp(value.end_time),
    )
