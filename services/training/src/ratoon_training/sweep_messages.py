"""Sweeps to protobuf and back, and the training runs of their trials; `mapping` and adapters use it."""

import difflib
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from ratoon.common.v1 import progress_pb2
from ratoon.runtime.requests import digests_in
from ratoon.runtime.timestamps import timestamp
from ratoon.training.v1 import sweep_pb2 as pb
from ratoon.training.v1 import training_run_pb2 as run_pb
from ratoon_training import resource_messages
from ratoon_training.domain.errors import BadSweep
from ratoon_training.domain.recipes import Resources
from ratoon_training.domain.search_space import Parameter, Settings
from ratoon_training.domain.sweeps import (
    TRAIN_PART,
    Artifact,
    Direction,
    Fold,
    Kind,
    Pruning,
    PruningMethod,
    Sampler,
    Sweep,
    SweepBudget,
    TrainPart,
    Trial,
    TrialState,
)

_UNSET = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGERS = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)
_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
_BOOLEANS = {"true": True, "false": False}


def sweep_of(message: pb.Sweep, resources: Resources) -> tuple[Sweep, Direction | None]:
    """Return a requested sweep without name and times, and the direction that it states.

    Its metric is empty where the request leaves it to the recipe. BadSweep names the field at fault.
    """
    parameters = [_parameter(each) for each in message.parameters if each.name != TRAIN_PART]
    if message.train_parts:
        parameters.append(Parameter(TRAIN_PART, values=tuple(each.name for each in message.train_parts)))
    sweep = Sweep(
        name="",
        create_time=_UNSET,
        update_time=_UNSET,
        recipe=MessageToDict(message.recipe, preserving_proto_field_name=True),
        metric=message.metric,
        direction=Direction.MAXIMIZE,
        train_digest=message.train_digest,
        validation_digest=message.validation_digest,
        base_artifact_digest=message.base_artifact_digest,
        resources=resources,
        kind=Kind(_word(pb.Sweep.Kind, message.kind or pb.Sweep.KIND_SEARCH)),
        parameters=tuple(parameters),
        sampler=Sampler(_word(pb.Sweep.Sampler, message.sampler or pb.Sweep.SAMPLER_TPE)),
        seed=message.seed,
        pruning=_pruning(message.pruning),
        budget=budget_of(message.budget),
        parallel_trials=message.parallel_trials or 1,
        folds=tuple(Fold(each.train_digest, each.validation_digest) for each in message.folds),
        train_parts=tuple(TrainPart(each.name, each.train_digest) for each in message.train_parts),
        artifacts=tuple(Artifact(each.value) for each in digests_in(message.recipe)),
    )
    stated = Direction(_word(pb.Sweep.Direction, message.direction)) if message.direction else None
    return sweep, stated


def budget_of(message: pb.Sweep.Budget) -> SweepBudget:
    """Return requested limits."""
    return SweepBudget(
        max_trials=message.max_trials,
        max_failures=message.max_failures or SweepBudget().max_failures,
        max_hours=message.max_hours,
        max_cost=message.max_cost,
        hourly_cost=message.hourly_cost,
    )


def trial_run(sweep: Sweep, settings: Settings, fold: int) -> run_pb.TrainingRun:
    """Return the training run of these settings on a fold, counted from 0.

    BadSweep if the recipe has no such setting, or a value is none of it.
    """
    recipe = ParseDict(sweep.recipe, run_pb.Recipe())
    train, validation = sweep.train_digest, sweep.validation_digest
    if sweep.folds:
        train, validation = sweep.folds[fold].train_digest, sweep.folds[fold].validation_digest
    for name, text in settings.items():
        if name == TRAIN_PART:
            train = next(each.train_digest for each in sweep.train_parts if each.name == text)
        else:
            _set(recipe, name, text)
    if sweep.train_parts and not train:
        train = sweep.train_parts[0].train_digest
    return run_pb.TrainingRun(
        train_digest=train,
        validation_digest=validation,
        base_artifact_digest=sweep.base_artifact_digest,
        recipe=recipe,
        resources=resource_messages.resources_message(sweep.resources),
    )


def message_of(value: Sweep) -> pb.Sweep:
    """Return a sweep as callers see it."""
    best = value.best
    message = pb.Sweep(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        state=pb.Sweep.State.Value(f"STATE_{value.state}"),
        train_digest=value.train_digest,
        validation_digest=value.validation_digest,
        base_artifact_digest=value.base_artifact_digest,
        recipe=ParseDict(value.recipe, run_pb.Recipe(), ignore_unknown_fields=True),
        resources=resource_messages.resources_message(value.resources),
        kind=pb.Sweep.Kind.Value(f"KIND_{value.kind}"),
        parameters=[_parameter_message(each) for each in value.parameters],
        seed=value.seed,
        pruning=_pruning_message(value.pruning),
        metric=value.metric,
        direction=pb.Sweep.Direction.Value(f"DIRECTION_{value.direction}"),
        budget=pb.Sweep.Budget(**{**asdict(value.budget), "max_trials": value.max_trials}),
        parallel_trials=value.parallel_trials,
        folds=[pb.Sweep.Fold(**asdict(each)) for each in value.folds],
        train_parts=[pb.Sweep.TrainPart(**asdict(each)) for each in value.train_parts],
        progress=_progress(value),
        trials=[_trial(each) for each in value.trials],
        best_trial=best.number if best else 0,
        usage=pb.Sweep.Usage(
            completed_trials=value.count(TrialState.COMPLETED),
            pruned_trials=value.count(TrialState.PRUNED),
            failed_trials=value.count(TrialState.FAILED),
            hours=value.hours,
            cost=value.cost,
        ),
    )
    if value.kind is Kind.SEARCH:
        message.sampler = pb.Sweep.Sampler.Value(f"SAMPLER_{value.sampler}")
    if value.failure_reason:
        message.failure.reason, message.failure.message = value.failure_reason, value.failure_message
    if value.correction is not None:
        message.correction.CopyFrom(pb.Sweep.Correction(**asdict(value.correction)))
    return message


def with_types(sweep: Sweep) -> Sweep:
    """Return the sweep with the types of its parameters; BadSweep names one that the recipe does not have."""
    parameters = []
    for number, parameter in enumerate(sweep.parameters):
        path = f"sweep.parameters[{number}]"
        if parameter.name == TRAIN_PART:
            parameters.append(parameter)
            continue
        _, field = _field(run_pb.Recipe(), parameter.name, path)
        if not parameter.values and field.cpp_type not in (*_INTEGERS, *_FLOATS):
            raise BadSweep(f"The parameter {parameter.name} is no number: state its values.", path)
        for text in parameter.values:
            _converted(field, text, path)
        parameters.append(replace(parameter, is_integer=field.cpp_type in _INTEGERS))
    return replace(sweep, parameters=tuple(parameters))


def _set(recipe: run_pb.Recipe, name: str, text: str) -> None:
    message, field = _field(recipe, name, name)
    setattr(message, field.name, _converted(field, text, name))


def _field(recipe: run_pb.Recipe, name: str, path: str) -> tuple[Message, Any]:
    """Return the message and the field of a setting."""
    message: Message = recipe
    *parents, last = name.split(".")
    for parent in parents:
        field = message.DESCRIPTOR.fields_by_name.get(parent)
        if field is None or field.message_type is None or field.is_repeated:
            raise _unknown(name, path)
        message = getattr(message, parent)
    field = message.DESCRIPTOR.fields_by_name.get(last)
    if field is None:
        raise _unknown(name, path)
    searchable = (*_INTEGERS, *_FLOATS, FieldDescriptor.CPPTYPE_BOOL, FieldDescriptor.CPPTYPE_ENUM)
    if field.is_repeated or field.cpp_type not in searchable:
        raise BadSweep(
            f"The setting {name[:100]} cannot be searched: it is no number, no boolean and no enum value.",
            path,
        )
    return message, field


def _unknown(name: str, path: str) -> BadSweep:
    known = list(run_pb.Recipe.DESCRIPTOR.fields_by_name)
    known += [f"architecture.{each}" for each in run_pb.Recipe.Architecture.DESCRIPTOR.fields_by_name]
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return BadSweep(f"A recipe has no setting {name[:100]!r}.{hint}", path)


def _converted(field: Any, text: str, path: str) -> Any:
    """Return a value as its field holds it."""
    try:
        if field.cpp_type in _INTEGERS:
            return int(text)
        if field.cpp_type in _FLOATS:
            return float(text)
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return _BOOLEANS[text.lower()]
        kind = field.enum_type
        assert kind is not None, "fields that can be searched are numbers, booleans and enum values"
        prefix = kind.values_by_number[0].name.removesuffix("UNSPECIFIED")
        return kind.values_by_name[text if text.startswith(prefix) else prefix + text].number
    except (KeyError, ValueError):
        raise BadSweep(f"{text[:100]!r} is no value of {field.name}.", path) from None


def _parameter(message: pb.Sweep.Parameter) -> Parameter:
    return Parameter(message.name, message.min, message.max, message.log, message.step, tuple(message.values))


def _parameter_message(value: Parameter) -> pb.Sweep.Parameter:
    return pb.Sweep.Parameter(
        name=value.name, min=value.min, max=value.max, log=value.log, step=value.step, values=value.values
    )


def _pruning(message: pb.Sweep.Pruning) -> Pruning:
    usual = Pruning()
    return Pruning(
        method=PruningMethod(_word(pb.Sweep.Pruning.Method, message.method or pb.Sweep.Pruning.METHOD_NONE)),
        min_epochs=message.min_epochs or usual.min_epochs,
        reduction_factor=message.reduction_factor or usual.reduction_factor,
        threshold=message.threshold or usual.threshold,
    )


def _pruning_message(value: Pruning) -> pb.Sweep.Pruning:
    message = pb.Sweep.Pruning(method=pb.Sweep.Pruning.Method.Value(f"METHOD_{value.method}"))
    if value.method is PruningMethod.ASHA:
        message.min_epochs, message.reduction_factor = value.min_epochs, value.reduction_factor
    elif value.method is PruningMethod.WILCOXON:
        message.threshold = value.threshold
    return message


def _trial(value: Trial) -> pb.Sweep.Trial:
    message = pb.Sweep.Trial(
        number=value.number,
        state=pb.Sweep.Trial.State.Value(f"STATE_{value.state}"),
        settings=value.settings,
        training_runs=value.runs,
        reports=[pb.Sweep.Trial.Report(step=each.step, value=each.value) for each in value.reports],
        message=value.message,
        reason=value.reason,
        seconds=value.seconds,
        trend=value.trend,
    )
    if value.value is not None:
        message.value = value.value
    return message


def _progress(value: Sweep) -> progress_pb2.Progress:
    done = value.count(TrialState.COMPLETED) + value.count(TrialState.PRUNED)
    best, failures = value.best, value.count(TrialState.FAILED)
    parts = [value.note] if value.note else []
    if best is not None and best.value is not None:
        parts.append(f"Best: trial {best.number}, {value.metric} {best.value:.4g}.")
    if failures:
        parts.append(f"{failures} failed.")
    total = done if value.state.ended else value.max_trials
    return progress_pb2.Progress(
        fraction=1.0 if value.state.ended else min(1.0, done / max(1, total)),
        message=" ".join(parts),
        done=done,
        total=total,
        unit="trials",
    )


def _word(kind: Any, number: int) -> str:
    """Return the name of an enum value without its prefix."""
    prefix = str(kind.Name(0)).removesuffix("UNSPECIFIED")
    return str(kind.Name(number)).removeprefix(prefix)
