"""Layouts that go with a recipe, and the one that a run gets when it requests none."""

from collections.abc import Callable
from dataclasses import replace

from ratoon.tasks.regress import Regress
from ratoon_training.domain.architectures import Architecture
from ratoon_training.domain.errors import BadRecipe
from ratoon_training.domain.optimization import Optimizer
from ratoon_training.domain.parallelism import Layout, Strategy
from ratoon_training.domain.recipes import Method, Objective, Recipe, Resources

_FIELD = "resources.parallelism"
_STAGED = (Objective.SFT, Objective.PRETRAIN)
"""Objectives whose layers may be divided among the stages of a pipeline."""


def checked(recipe: Recipe, resources: Resources) -> Resources:
    """Return these resources if the recipe can be trained in their layout; BadRecipe otherwise."""
    layout = resources.layout
    faults = [(field, says) for field, wrong, says in _limits(recipe, layout) if layout.divides and wrong]
    if faults:
        field, says = faults[0]
        raise BadRecipe(f"{_FIELD}.{field} {says}.", f"{_FIELD}.{field}")
    return resources


def chosen(recipe: Recipe, resources: Resources, fits: Callable[[Resources], bool]) -> Resources:
    """Return the resources with the layout that a run has: the requested one, else the first that fits into memory.

    Copies of the model come first: they exchange the least. Where they do not fit, workers divide the weights.
    """
    requested = resources.parallelism
    if requested.strategy is not None or resources.workers == 1 or resources.layout.data == 1:
        return resources
    copies, divided = (
        replace(resources, parallelism=replace(requested, strategy=strategy)) for strategy in Strategy
    )
    if fits(copies) or requested.pipeline > 1:
        return resources
    try:
        return checked(recipe, divided)
    except BadRecipe:
        return resources


def _limits(recipe: Recipe, layout: Layout) -> list[tuple[str, bool, str]]:
    """Return each limit as (field, True if it is broken, sentence)."""
    field = "tensor" if layout.tensor > 1 else "pipeline" if layout.pipeline > 1 else "strategy"
    copies = "leave the layout out, so that each worker has a copy of the model"
    parts = layout.tensor > 1 or layout.pipeline > 1
    return [
        (field, recipe.method.is_small, f"does not go with {recipe.method}, which has one worker: {copies}"),
        (field, recipe.method is Method.MERGE, f"does not go with MERGE, which trains nothing: {copies}"),
        (
            "pipeline",
            layout.pipeline > 1 and recipe.objective not in _STAGED,
            f"does not go with {recipe.objective}, whose steps compare whole answers: choose the strategy FSDP",
        ),
        (
            "tensor",
            layout.tensor > 1 and recipe.objective is Objective.GRPO,
            "does not go with GRPO, whose workers write answers of different lengths: choose the strategy FSDP",
        ),
        (
            field,
            bool(recipe.sweep),
            f"does not go with recipe.sweep, which trains copies of the model: {copies}",
        ),
        (
            field,
            recipe.optimization.optimizer is Optimizer.MUON,
            f"does not go with MUON, whose steps need whole matrices: choose ADAMW, or {copies}",
        ),
        (field, bool(recipe.expert_growth.experts), f"does not go with expert_growth: {copies}"),
        (field, parts and recipe.method.adapts, "does not go with LORA: choose the strategy FSDP"),
        *_pipeline_limits(recipe, layout),
        *(_shape_limits(recipe.architecture, layout) if recipe.method is Method.FROM_SCRATCH else ()),
    ]


def _pipeline_limits(recipe: Recipe, layout: Layout) -> list[tuple[str, bool, str]]:
    if layout.pipeline == 1:
        return []
    return [
        ("pipeline", recipe.packed, "does not go with recipe.packed: leave one of them out"),
        (
            "pipeline",
            isinstance(recipe.spec, Regress),
            "does not go with answers that are numbers: choose tensor, or the strategy FSDP",
        ),
        (
            "pipeline",
            recipe.architecture.family.has_experts,
            "does not go with experts, whose load is balanced over all layers: choose the strategy FSDP",
        ),
    ]


def _shape_limits(shape: Architecture, layout: Layout) -> list[tuple[str, bool, str]]:
    heads = shape.heads, shape.key_value_heads or shape.heads
    return [
        (
            "pipeline",
            layout.pipeline > shape.layers,
            f"must be at most {shape.layers}, the layers of the model",
        ),
        (
            "tensor",
            any(number % layout.tensor for number in heads),
            f"must divide the {heads[0]} heads and the {heads[1]} heads of keys of the model",
        ),
    ]
