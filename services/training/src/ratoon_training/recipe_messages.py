"""Architectures, optimizers, adapters and growth to protobuf and back; `mapping` uses it."""

from typing import Any

from ratoon.training.v1 import lora_pb2, optimization_pb2
from ratoon.training.v1 import training_run_pb2 as pb
from ratoon_training.application.commands import OptimizationSpec
from ratoon_training.domain.architectures import (
    PRESETS,
    Architecture,
    ExpertGrowth,
    Family,
    GrowthSource,
    Preset,
    RopeScaling,
    TokenizerKind,
)
from ratoon_training.domain.optimization import Lora, Optimization, Optimizer, Quantization, Schedule
from ratoon_training.domain.recipes import Method, Recipe

_Shape = pb.Recipe.Architecture
_NUMBERS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "layers": "layers",
    "heads": "heads",
    "max_positions": "max_positions",
    "key_value_heads": "key_value_heads",
    "head_size": "head_size",
    "intermediate_size": "gate_size",
    "rope_theta": "rope_theta",
    "rope_factor": "rope_factor",
    "sliding_window": "sliding_window",
    "experts": "experts",
    "experts_per_token": "experts_per_token",
}
"""Numbers of an architecture, by their names in the API, with their names in the domain."""


def architecture_message(recipe: Recipe) -> pb.Recipe.Architecture:
    """Return an architecture as callers see it; of a base model, the fields that are read from it."""
    shape = recipe.architecture
    first = ("vocab_size", "hidden_size", "layers", "heads", "max_positions")
    if recipe.method is not Method.FROM_SCRATCH:
        return _Shape(**{name: getattr(shape, name) for name in first})
    message = _Shape(
        **{name: getattr(shape, field) for name, field in _NUMBERS.items() if name != "rope_factor"},
        family=_Shape.Family.Value(f"FAMILY_{shape.family}"),
        tokenizer=_Shape.Tokenizer.Value(f"TOKENIZER_{shape.tokenizer}"),
        tied=shape.tied,
    )
    message.intermediate_size = shape.intermediate_size
    message.key_value_heads, message.head_size = shape.key_value_heads or shape.heads, shape.head_width
    if shape.rope_scaling is not None:
        message.rope_scaling = _Shape.RopeScaling.Value(f"ROPE_SCALING_{shape.rope_scaling}")
        message.rope_factor = shape.rope_factor
    return message


def requested_architecture(message: pb.Recipe.Architecture) -> Architecture:
    """Return a requested architecture: what it states, else the values of its preset, else the defaults."""
    preset = Preset(_name(_Shape.Preset, message.preset, "PRESET_")) if message.preset else Preset.TINY
    shape = PRESETS[preset]
    stated: dict[str, Any] = {
        field: value for name, field in _NUMBERS.items() if (value := getattr(message, name))
    }
    if message.family:
        stated["family"] = Family(_name(_Shape.Family, message.family, "FAMILY_"))
    if message.tokenizer:
        stated["tokenizer"] = TokenizerKind(_name(_Shape.Tokenizer, message.tokenizer, "TOKENIZER_"))
    if message.rope_scaling:
        stated["rope_scaling"] = RopeScaling(_name(_Shape.RopeScaling, message.rope_scaling, "ROPE_SCALING_"))
    if message.HasField("tied"):
        stated["tied"] = message.tied
    return shape.stating(stated)


def optimization_message(recipe: Recipe) -> optimization_pb2.Optimization:
    """Return optimizer and schedule as callers see them, with all defaults."""
    value, kind = recipe.optimization, optimization_pb2.Optimization
    message = kind(
        optimizer=kind.Optimizer.Value(f"OPTIMIZER_{value.optimizer}"),
        schedule=kind.Schedule.Value(f"SCHEDULE_{value.schedule}"),
        warmup=recipe.warmup,
        warmup_steps=value.warmup_steps,
        weight_decay=recipe.weight_decay,
        clip_norm=recipe.clip_norm,
        l1=value.l1,
        patience=recipe.patience,
        token_budget=value.token_budget,
    )
    if value.optimizer.has_momentum:
        message.momentum = value.optimizer.momentum(value.momentum)
    if value.schedule is Schedule.WARMUP_STABLE_DECAY:
        message.decay_share = value.decay_share
    if value.dropout is not None:
        message.dropout = value.dropout
    return message


def requested_optimization(message: optimization_pb2.Optimization) -> OptimizationSpec:
    """Return requested settings."""
    kind = optimization_pb2.Optimization
    names = ("momentum", "warmup", "weight_decay", "dropout", "patience")
    optional = {name: _optional(message, name) for name in names}
    optimizer = _name(kind.Optimizer, message.optimizer or kind.OPTIMIZER_ADAMW, "OPTIMIZER_")
    schedule = _name(kind.Schedule, message.schedule or kind.SCHEDULE_COSINE, "SCHEDULE_")
    return OptimizationSpec(
        Optimization(
            Optimizer(optimizer),
            optional["momentum"],
            Schedule(schedule),
            message.warmup_steps,
            message.decay_share or Optimization().decay_share,
            optional["dropout"],
            message.l1,
            message.token_budget,
        ),
        optional["warmup"],
        optional["weight_decay"],
        message.clip_norm,
        optional["patience"],
    )


def lora_message(recipe: Recipe) -> lora_pb2.Lora:
    """Return the settings of an adapter as callers see them."""
    value = recipe.lora
    return lora_pb2.Lora(
        alpha=value.alpha or 2 * recipe.lora_rank,
        dropout=value.dropout,
        targets=value.targets,
        rank_stabilized=value.rank_stabilized,
        dora=value.dora,
        merge=value.merge,
        quantization=lora_pb2.Lora.Quantization.Value(f"QUANTIZATION_{value.quantization or 'UNSPECIFIED'}"),
    )


def requested_lora(message: lora_pb2.Lora) -> Lora:
    """Return requested settings of an adapter."""
    return Lora(
        message.alpha,
        message.dropout,
        tuple(message.targets),
        message.rank_stabilized,
        message.dora,
        message.merge,
        _quantization(message.quantization),
    )


def _quantization(value: lora_pb2.Lora.Quantization.ValueType) -> Quantization:
    unset = lora_pb2.Lora.QUANTIZATION_UNSPECIFIED
    return (
        Quantization.NONE
        if value == unset
        else Quantization(_name(lora_pb2.Lora.Quantization, value, "QUANTIZATION_"))
    )


def growth_message(value: ExpertGrowth) -> pb.Recipe.ExpertGrowth:
    """Return a growth as callers see it."""
    source = pb.Recipe.ExpertGrowth.Source.Value(f"SOURCE_{value.source}")
    return pb.Recipe.ExpertGrowth(experts=value.experts, source=source)


def requested_growth(message: pb.Recipe.ExpertGrowth) -> ExpertGrowth:
    """Return a requested growth."""
    kind = pb.Recipe.ExpertGrowth
    source = _name(kind.Source, message.source or kind.SOURCE_COPY, "SOURCE_")
    return ExpertGrowth(message.experts, GrowthSource(source))


def _optional(message: Any, name: str) -> Any:
    """Return the value of a field that has presence; None if it is not set."""
    return getattr(message, name) if message.HasField(name) else None


def _name(kind: Any, value: int, prefix: str) -> str:
    """Return the name of a value of an enumeration without its prefix."""
    return str(kind.Name(value)).removeprefix(prefix)
