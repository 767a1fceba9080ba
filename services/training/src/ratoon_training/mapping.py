"""Domain to protobuf and back; entrypoints and adapters use it, nothing else does."""

from dataclasses import asdict
from typing import Any

from google.protobuf.message import Message

from ratoon.common.v1 import progress_pb2
from ratoon.events.ports import Record
from ratoon.operations.job_machine import Cancelled, Failed
from ratoon.runtime.timestamps import timestamp
from ratoon.service.events import record_of
from ratoon.service.tasks import message_of, requested_task
from ratoon.training.v1 import sweep_pb2
from ratoon.training.v1 import training_events_pb2 as events_pb
from ratoon.training.v1 import training_run_pb2 as pb
from ratoon.training.v1 import training_service_pb2 as service_pb
from ratoon_training import classical_messages as classical
from ratoon_training import (
    distillation_messages,
    grpo_messages,
    model_export_messages,
    recipe_messages,
    resource_messages,
    run_messages,
    sweep_messages,
)
from ratoon_training import neural_messages as neural
from ratoon_training.application.commands import CreateRun, CreateSweep, RecipeSpec, RunSpec
from ratoon_training.domain.compressions import CompressionCompleted
from ratoon_training.domain.estimates import PlannedRun
from ratoon_training.domain.plan import ResourcePlan
from ratoon_training.domain.recipes import (
    Dtype,
    Method,
    Objective,
    PreferenceLoss,
    Recipe,
    TrainOn,
    Truncation,
)
from ratoon_training.domain.runs import Completed, Progress, Started, TrainingRun, WorkersChanged
from ratoon_training.domain.series import Series
from ratoon_training.domain.sweeps import Sweep, SweepBudget


def run(value: TrainingRun) -> pb.TrainingRun:
    """Return a run as callers see it."""
    message = pb.TrainingRun(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        state=pb.TrainingRun.State.Value(f"STATE_{value.state}"),
        train_digest=value.train_digest,
        validation_digest=value.validation_digest,
        base_artifact_digest=value.base_artifact_digest,
        recipe=_recipe(value.recipe),
        resources=resource_messages.resources_message(value.resources),
        progress=_progress(value.progress),
        plan=plan(value.plan),
        attempt=value.attempt,
        stop_requested=value.stop_requested,
        origin=value.origin,
        sweep=value.sweep,
        trial=value.trial,
        curve=[pb.TrainingRun.CurvePoint(step=each.step, metrics=each.metrics) for each in value.curve],
    )
    if value.failure_reason:
        message.failure.reason, message.failure.message = value.failure_reason, value.failure_message
    if value.diagnosis is not None:
        message.diagnosis.CopyFrom(run_messages.diagnosis_message(value.diagnosis))
    if value.trained is not None:
        trained = value.trained
        message.artifact_digest, message.curves_digest = trained.artifact_digest, trained.curves_digest
        message.parameter_count = trained.parameter_count
        message.diagnosis.CopyFrom(run_messages.diagnosis_message(trained.diagnosis))
        message.metrics.update(trained.metrics)
        run_messages.add_accounts(message, trained.metrics)
        if trained.prompt_limit.max_tokens:
            message.prompt_limit.CopyFrom(pb.TrainingRun.PromptLimit(**asdict(trained.prompt_limit)))
    return message


def plan(value: ResourcePlan) -> pb.ResourcePlan:
    """A plan as callers see it; the resources of the run state the storage of its weights."""
    return pb.ResourcePlan(**{name: each for name, each in asdict(value).items() if name != "strategy"})


def create_run(request: service_pb.CreateTrainingRunRequest) -> CreateRun:
    """Return the command of a request."""
    return CreateRun(
        request.parent, request.training_run_id, run_spec(request.training_run), request.request_id
    )


def sweep(value: Sweep) -> sweep_pb2.Sweep:
    """Return a sweep as callers see it."""
    return sweep_messages.message_of(value)


def create_sweep(request: service_pb.CreateSweepRequest) -> CreateSweep:
    """Return the command of a request."""
    requested = request.sweep
    value, direction = sweep_messages.sweep_of(
        requested, resource_messages.requested_resources(requested.resources)
    )
    return CreateSweep(request.parent, request.sweep_id, value, direction, request.request_id)


def resumed_budget(request: service_pb.ResumeSweepRequest) -> SweepBudget | None:
    """Return the new limits of a sweep; None: they stay."""
    return sweep_messages.budget_of(request.budget) if request.HasField("budget") else None


def planned_run(value: PlannedRun) -> pb.TrainingRun:
    """Return a run that is not stored, with its estimate and its problems."""
    message = run(value.run)
    run_messages.add_estimate(message, value)
    return message


def clone_run(request: service_pb.CloneTrainingRunRequest, source: TrainingRun) -> CreateRun:
    """Return the command that makes the requested run of another one."""
    spec = run_spec(run_messages.cloned(run(source), request))
    parent = source.name.partition("/trainingRuns/")[0]
    return CreateRun(parent, request.training_run_id, spec, request.request_id, source.name)


def metrics_page(parent: str, page: list[Series], token: str) -> service_pb.ListTrainingRunMetricsResponse:
    """Return a page of the series of a run."""
    series = [run_messages.series_message(parent, each) for each in page]
    return service_pb.ListTrainingRunMetricsResponse(series=series, next_page_token=token)


def run_spec(message: pb.TrainingRun) -> RunSpec:
    """Return the specification of a requested run."""
    return RunSpec(
        train_digest=message.train_digest,
        validation_digest=message.validation_digest,
        base_artifact_digest=message.base_artifact_digest,
        recipe=_recipe_spec(message.recipe),
        resources=resource_messages.requested_resources(message.resources),
    )


def event(happened: object, name: str, revision: int) -> Record:
    """A domain event as a record of its topic."""
    return record_of("training", _envelope(happened, name, revision))


def _envelope(happened: object, name: str, revision: int) -> Message:
    if "/compressions/" in name:
        return _compression_envelope(happened, name, revision)
    if "/modelExports/" in name:
        return model_export_messages.envelope(happened, name, revision)
    match happened:
        case Started():
            return events_pb.TrainingRunEvent(
                name=name, revision=revision, started=events_pb.TrainingRunStarted()
            )
        case WorkersChanged(workers, earlier):
            changed = events_pb.TrainingRunWorkersChanged(workers=workers, earlier_workers=earlier)
            return events_pb.TrainingRunEvent(name=name, revision=revision, workers_changed=changed)
        case Completed(digest):
            completed = events_pb.TrainingRunCompleted(artifact_digest=digest)
            return events_pb.TrainingRunEvent(name=name, revision=revision, completed=completed)
        case Failed(reason):
            failed = events_pb.TrainingRunFailed(reason=reason)
            return events_pb.TrainingRunEvent(name=name, revision=revision, failed=failed)
        case Cancelled():
            cancelled = events_pb.TrainingRunCancelled()
            return events_pb.TrainingRunEvent(name=name, revision=revision, cancelled=cancelled)
    raise TypeError(f"{happened!r} is not an event of training")


def _compression_envelope(happened: object, name: str, revision: int) -> Message:
    envelope = events_pb.CompressionEvent(name=name, revision=revision)
    match happened:
        case CompressionCompleted(digest):
            envelope.completed.artifact_digest = digest
        case Failed(reason):
            envelope.failed.reason = reason
        case Cancelled():
            envelope.cancelled.SetInParent()
        case _:
            raise TypeError(f"{happened!r} is not an event of a compression")
    return envelope


def _recipe(value: Recipe) -> pb.Recipe:
    if value.classical is not None:
        return pb.Recipe(
            method=pb.Recipe.METHOD_CLASSICAL,
            labels=value.labels,
            task=message_of(value.spec),
            seed=value.seed,
            classical=classical.message_of(value.classical),
        )
    if value.neural is not None:
        return pb.Recipe(
            method=pb.Recipe.METHOD_NEURAL,
            labels=value.labels,
            task=message_of(value.spec),
            seed=value.seed,
            learning_rate=value.learning_rate,
            epochs=value.epochs,
            batch_size=value.batch_size,
            selection_metric=value.selection,
            optimization=recipe_messages.optimization_message(value),
            neural=neural.message_of(value.neural),
        )
    return pb.Recipe(
        method=pb.Recipe.Method.Value(f"METHOD_{value.method}"),
        labels=value.labels,
        task=message_of(value.spec),
        seed=value.seed,
        learning_rate=value.learning_rate,
        epochs=value.epochs,
        batch_size=value.batch_size,
        max_chars=value.max_chars,
        prompt_tokens=value.prompt_tokens,
        architecture=recipe_messages.architecture_message(value),
        optimization=recipe_messages.optimization_message(value),
        language_model_weight=value.language_model_weight,
        label_smoothing=value.label_smoothing,
        language_model_epochs=value.language_model_epochs,
        lora_rank=value.lora_rank,
        sweep=value.sweep,
        packed=value.packed,
        dtype=pb.Recipe.Dtype.Value(f"DTYPE_{value.dtype}"),
        gradient_accumulation=value.gradient_accumulation,
        gradient_checkpointing=value.gradient_checkpointing,
        new_tokens=value.new_tokens,
        selection_metric=value.selection,
        domain_tokens=value.domain_tokens,
        base_layers=value.base_layers,
        **_adaptation(value),
        **_text_settings(value),
        **_objective_settings(value),
    )


def _adaptation(value: Recipe) -> dict[str, Any]:
    """Return the settings of an adapter, and of new experts, where there are any."""
    settings: dict[str, Any] = {}
    if value.method.adapts:
        settings["lora"] = recipe_messages.lora_message(value)
    if value.expert_growth.experts:
        settings["expert_growth"] = recipe_messages.growth_message(value.expert_growth)
    return settings


def _text_settings(value: Recipe) -> dict[str, Any]:
    """Return the settings of recipes whose answers are texts."""
    if value.task is None:
        return {}
    return {
        "train_on": pb.Recipe.TrainOn.Value(f"TRAIN_ON_{value.train_on}"),
        "truncation": pb.Recipe.Truncation.Value(f"TRUNCATION_{value.truncation}"),
        "max_tokens": value.max_tokens,
    }


def _objective_settings(value: Recipe) -> dict[str, Any]:
    """Return what the model learns from, with the settings of that objective alone."""
    settings: dict[str, Any] = {"objective": pb.Recipe.Objective.Value(f"OBJECTIVE_{value.objective}")}
    if value.objective.compares:
        settings["beta"] = value.beta
    if value.objective is Objective.DPO:
        loss = pb.Recipe.PreferenceLoss.Value(f"PREFERENCE_LOSS_{value.preference_loss}")
        settings["preference_loss"] = loss
        settings["reward_model_artifact_digest"] = value.reward_model
    if value.objective is Objective.KTO:
        settings |= {"good_weight": value.good_weight, "bad_weight": value.bad_weight}
    if value.objective is Objective.GRPO:
        settings["grpo"] = grpo_messages.message_of(value.grpo)
    if value.objective is Objective.DISTILLATION:
        settings["distillation"] = distillation_messages.message_of(value.distillation)
    return settings


def _recipe_spec(message: pb.Recipe) -> RecipeSpec:
    return RecipeSpec(
        method=Method(pb.Recipe.Method.Name(message.method).removeprefix("METHOD_"))
        if message.method
        else None,
        task=requested_task(message),
        seed=message.seed,
        learning_rate=message.learning_rate,
        epochs=message.epochs,
        batch_size=message.batch_size,
        max_chars=message.max_chars,
        prompt_tokens=message.prompt_tokens,
        architecture=recipe_messages.requested_architecture(message.architecture),
        optimization=recipe_messages.requested_optimization(message.optimization),
        lora=recipe_messages.requested_lora(message.lora),
        domain_tokens=message.domain_tokens,
        base_layers=message.base_layers,
        expert_growth=recipe_messages.requested_growth(message.expert_growth),
        language_model_weight=message.language_model_weight
        if message.HasField("language_model_weight")
        else None,
        language_model_epochs=message.language_model_epochs
        if message.HasField("language_model_epochs")
        else None,
        label_smoothing=message.label_smoothing if message.HasField("label_smoothing") else None,
        lora_rank=message.lora_rank,
        sweep=message.sweep,
        packed=message.packed,
        train_on=TrainOn(pb.Recipe.TrainOn.Name(message.train_on).removeprefix("TRAIN_ON_"))
        if message.train_on
        else None,
        truncation=Truncation(pb.Recipe.Truncation.Name(message.truncation).removeprefix("TRUNCATION_"))
        if message.truncation
        else None,
        max_tokens=message.max_tokens,
        dtype=Dtype(pb.Recipe.Dtype.Name(message.dtype).removeprefix("DTYPE_")) if message.dtype else None,
        gradient_accumulation=message.gradient_accumulation,
        gradient_checkpointing=message.gradient_checkpointing,
        new_tokens=tuple(message.new_tokens),
        selection_metric=message.selection_metric,
        objective=Objective(pb.Recipe.Objective.Name(message.objective).removeprefix("OBJECTIVE_"))
        if message.objective
        else None,
        beta=message.beta,
        preference_loss=PreferenceLoss(
            pb.Recipe.PreferenceLoss.Name(message.preference_loss).removeprefix("PREFERENCE_LOSS_")
        )
        if message.preference_loss
        else None,
        good_weight=message.good_weight if message.HasField("good_weight") else None,
        bad_weight=message.bad_weight if message.HasField("bad_weight") else None,
        reward_model=message.reward_model_artifact_digest,
        grpo=grpo_messages.settings_of(message.grpo) if message.HasField("grpo") else None,
        distillation=distillation_messages.settings_of(message.distillation)
        if message.HasField("distillation")
        else None,
        classical=classical.recipe_of(message.classical) if message.HasField("classical") else None,
        neural=neural.settings_of(message.neural) if message.HasField("neural") else None,
    )


def _progress(value: Progress) -> progress_pb2.Progress:
    return progress_pb2.Progress(
        fraction=value.fraction,
        message=value.message,
        done=value.done,
        total=value.total,
        unit=value.unit,
        remaining_seconds=value.remaining_s or 0.0,
        metrics=value.metrics,
    )
