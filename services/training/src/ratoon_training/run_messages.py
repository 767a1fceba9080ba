"""Messages of plans, series and clones of runs; `mapping` has those of runs."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ratoon.jobs.v1.training_jobs_pb2 import TrainingEstimate
from ratoon.training.v1 import training_run_pb2 as pb
from ratoon.training.v1 import training_service_pb2 as service_pb
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.errors import NoCheckpoint
from ratoon_training.domain.estimates import DataSample, PlannedRun, Problem
from ratoon_training.domain.predictions import accuracy_of, usage_of
from ratoon_training.domain.series import Series


def diagnosis_message(value: Diagnosis) -> pb.TrainingRun.Diagnosis:
    """Return a diagnosis as callers see it."""
    findings = [pb.TrainingRun.Diagnosis.Finding(**asdict(each)) for each in value.findings]
    return pb.TrainingRun.Diagnosis(
        verdict=value.verdict, remedy=value.remedy, evidence=value.evidence, findings=findings
    )


def add_estimate(message: pb.TrainingRun, planned: PlannedRun) -> None:
    """Add the estimate and the problems of a planned run to its message."""
    message.plan.estimate.CopyFrom(pb.ResourcePlan.Estimate(**asdict(planned.estimate)))
    message.plan.problems.extend(pb.ResourcePlan.Problem(**asdict(each)) for each in planned.problems)


def add_accounts(message: pb.TrainingRun, metrics: Mapping[str, float]) -> None:
    """Add what was predicted next to what was measured, and the energy and cost of the run."""
    if (accuracy := accuracy_of(metrics)) is not None:
        message.plan_accuracy.CopyFrom(pb.PlanAccuracy(**asdict(accuracy)))
    if (usage := usage_of(metrics)) is not None:
        message.usage.CopyFrom(pb.Usage(**asdict(usage)))


def series_message(run: str, value: Series) -> pb.MetricSeries:
    """Return a series of a run."""
    points = [pb.MetricSeries.Point(step=step, value=number) for step, number in value.points]
    return pb.MetricSeries(name=f"{run}/metrics/{value.metric}", metric=value.metric, points=points)


def sample_of(message: TrainingEstimate) -> DataSample:
    """Return what a job measured of the data."""
    problems = tuple(Problem(each.reason, each.message, each.blocking) for each in message.problems)
    return DataSample(
        records=message.records,
        validation_records=message.validation_records,
        sampled_records=message.sampled_records,
        samples=message.samples,
        tokens=message.tokens,
        cut_samples=message.cut_samples,
        longest_tokens=message.longest_tokens,
        problems=problems,
    )


def cloned(source: pb.TrainingRun, request: service_pb.CloneTrainingRunRequest) -> pb.TrainingRun:
    """Return the run that a request makes of another one; NoCheckpoint if it has no model to continue from."""
    run = pb.TrainingRun(
        train_digest=request.train_digest or source.train_digest,
        validation_digest=request.validation_digest or source.validation_digest,
        base_artifact_digest=source.base_artifact_digest,
        recipe=source.recipe,
        resources=source.resources,
    )
    if request.continue_training:
        _continue(run, source)
    change = request.recipe
    if change.labels or change.HasField("task"):
        run.recipe.ClearField("labels")
        run.recipe.ClearField("task")
    if change.method and change.method != run.recipe.method:
        _clear_settings_of_origin(run.recipe)
    _merge(run.recipe, change)
    _merge(run.resources, request.resources)
    return run


def _continue(run: pb.TrainingRun, source: pb.TrainingRun) -> None:
    """Let a run start from the model of another one."""
    if not source.artifact_digest:
        raise NoCheckpoint(
            f"{source.name} has no model to continue from. Clone it without continue_training."
        )
    is_adapter = source.recipe.method == pb.Recipe.METHOD_LORA and not source.recipe.lora.merge
    run.base_artifact_digest = source.artifact_digest
    run.recipe.method = pb.Recipe.METHOD_LORA if is_adapter else pb.Recipe.METHOD_CONTINUE
    for applied in ("new_tokens", "domain_tokens", "base_layers"):
        run.recipe.ClearField(applied)
    if not is_adapter:
        _clear_settings_of_origin(run.recipe)


def _clear_settings_of_origin(recipe: pb.Recipe) -> None:
    """Let settings take the defaults of another method."""
    recipe.ClearField("architecture")
    recipe.ClearField("language_model_weight")
    recipe.ClearField("language_model_epochs")
    recipe.ClearField("label_smoothing")


def _merge(target: Message, change: Message) -> None:
    """Set the fields of a message that a change has. A list replaces a list, a message is changed field by field."""
    for field, value in change.ListFields():
        if _is_single_message(field):
            _merge(getattr(target, field.name), value)
        else:
            target.ClearField(field.name)
            _set(target, field, value)


def _is_single_message(field: FieldDescriptor) -> bool:
    return field.message_type is not None and not field.is_repeated


def _set(target: Message, field: FieldDescriptor, value: Any) -> None:
    if field.is_repeated:
        getattr(target, field.name).MergeFrom(value)
    else:
        setattr(target, field.name, value)
