"""Optimizers, schedules and adapters by name: defaults, limits, memory, and rates beside those of transformers."""

from dataclasses import replace

import pytest

from ratoon.tasks.classify import Classify
from ratoon.training.v1 import lora_pb2, optimization_pb2
from ratoon_training.application.commands import RecipeSpec, recipe_of
from ratoon_training.domain import schedule
from ratoon_training.domain.architectures import Architecture
from ratoon_training.domain.errors import BadRecipe
from ratoon_training.domain.optimization import Lora, Optimization, Optimizer, Quantization, Schedule
from ratoon_training.domain.plan import plan
from ratoon_training.domain.recipes import Method, Objective, Recipe, Resources
from ratoon_training.recipe_messages import (
    lora_message,
    optimization_message,
    requested_lora,
    requested_optimization,
)

TASK = Classify(("a", "b"))
PB = optimization_pb2.Optimization


def recipe(**stated: object) -> Recipe:
    """The recipe of a request that states this of the optimizer."""
    settings = requested_optimization(PB(**stated))  # type: ignore[arg-type]
    return recipe_of(RecipeSpec(task=TASK, optimization=settings), None)


def test_defaults_are_those_of_every_earlier_recipe():
    assert recipe() == recipe_of(RecipeSpec(task=TASK), None)
    assert "optimization" not in recipe().as_json()
    stated = optimization_message(recipe())
    assert (stated.optimizer, stated.schedule) == (PB.OPTIMIZER_ADAMW, PB.SCHEDULE_COSINE)
    assert (stated.weight_decay, stated.clip_norm, stated.warmup, stated.patience) == (0.1, 1, 0.05, 2)


@pytest.mark.parametrize(
    ("name", "factor", "decay", "momentum"),
    [
        ("ADAMW", 1, 0.1, None),
        ("ADAM", 1, 0, None),
        ("SGD", 50, 0, 0.9),
        ("RMSPROP", 1, 0, 0),
        ("ADAGRAD", 5, 0, None),
        ("MUON", 1, 0.1, 0.95),
    ],
)
def test_each_optimizer_has_defaults_of_its_own(name, factor, decay, momentum):
    chosen = recipe(optimizer=f"OPTIMIZER_{name}")
    assert chosen.learning_rate == pytest.approx(factor * recipe().learning_rate)
    assert chosen.weight_decay == decay
    message = optimization_message(chosen)
    assert message.HasField("momentum") == (momentum is not None)
    assert momentum is None or message.momentum == momentum
    assert Recipe.parse(chosen.as_json()) == chosen


def test_what_is_stated_is_used_and_shown():
    stated = PB(
        optimizer=PB.OPTIMIZER_SGD,
        momentum=0.5,
        schedule=PB.SCHEDULE_WARMUP_STABLE_DECAY,
        warmup_steps=7,
        decay_share=0.3,
        weight_decay=0.01,
        clip_norm=2.5,
        dropout=0.1,
        l1=1e-5,
        patience=0,
        token_budget=10**12,
    )
    chosen = recipe_of(RecipeSpec(task=TASK, optimization=requested_optimization(stated)), None)
    shown = optimization_message(chosen)
    shown.ClearField("warmup")
    assert shown == stated
    assert Recipe.parse(chosen.as_json()) == chosen


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        ({"optimizer": "OPTIMIZER_ADAM", "momentum": 0.9}, "momentum"),
        ({"optimizer": "OPTIMIZER_SGD", "momentum": 1.0}, "momentum"),
        ({"decay_share": 0.5}, "decay_share"),
        ({"warmup": 1.5}, "warmup"),
        ({"weight_decay": 2.0}, "weight_decay"),
        ({"dropout": 1.0}, "dropout"),
        ({"l1": -1.0}, "l1"),
        ({"patience": -1}, "patience"),
        ({"clip_norm": -1.0}, "clip_norm"),
        ({"token_budget": -5}, "token_budget"),
    ],
)
def test_a_value_out_of_its_limits_is_refused_with_its_field(stated, field):
    with pytest.raises(BadRecipe, match=f"recipe.optimization.{field}"):
        recipe(**stated)


def test_two_passes_are_not_compared_through_dropout():
    with pytest.raises(BadRecipe, match=r"recipe.optimization.dropout must be 0 with DPO"):
        replace(
            Recipe(labels=("a", "b")), objective=Objective.DPO, optimization=Optimization(dropout=0.1)
        ).checked()


@pytest.mark.parametrize("warmup", [0, 4])
@pytest.mark.parametrize("kind", list(Schedule))
def test_rates_are_those_of_transformers(kind, warmup):
    import torch
    from transformers import get_scheduler

    names = {
        Schedule.COSINE: "cosine",
        Schedule.LINEAR: "linear",
        Schedule.CONSTANT: "constant_with_warmup",
        Schedule.WARMUP_STABLE_DECAY: "warmup_stable_decay",
    }
    wsd = {"num_decay_steps": 8, "min_lr_ratio": 0.0, "decay_type": "linear"}
    steps, rising = 40, max(1, warmup)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    reference = get_scheduler(
        names[kind],
        optimizer,
        num_warmup_steps=rising,
        num_training_steps=steps,
        scheduler_specific_kwargs=wsd if kind is Schedule.WARMUP_STABLE_DECAY else {},
    )
    chosen = Recipe(
        warmup=0.0, optimization=Optimization(schedule=kind, warmup_steps=warmup, decay_share=0.2)
    )
    for step in range(steps):
        if step >= rising:
            rate = schedule.scheduled_rate(chosen, step, steps, 0.1)
            assert rate == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12), step
        optimizer.step()
        reference.step()


@pytest.mark.parametrize(
    ("optimization", "numbers"),
    [
        (Optimization(), 2),
        (Optimization(Optimizer.ADAM), 2),
        (Optimization(Optimizer.SGD), 1),
        (Optimization(Optimizer.SGD, momentum=0.0), 0),
        (Optimization(Optimizer.RMSPROP), 1),
        (Optimization(Optimizer.RMSPROP, momentum=0.9), 2),
        (Optimization(Optimizer.ADAGRAD), 1),
    ],
)
def test_the_plan_follows_the_state_of_the_optimizer(optimization, numbers):
    shape = Architecture()
    bytes_of = [
        plan(Recipe(labels=("a", "b"), optimization=each), Resources(), 2**40, ()).measured_bytes
        for each in (optimization, Optimization(Optimizer.SGD, momentum=0.0))
    ]
    assert bytes_of[0] - bytes_of[1] == 4 * numbers * shape.parameters


@pytest.mark.parametrize(
    "own", [{"dora": True, "merge": True}, {"quantization": lora_pb2.Lora.QUANTIZATION_NF4}]
)
def test_settings_of_an_adapter_are_used_and_shown(own):
    stated = lora_pb2.Lora(alpha=8, dropout=0.1, targets=["q_proj"], rank_stabilized=True, **own)
    chosen = Recipe(method=Method.LORA, labels=("a", "b"), lora=requested_lora(stated)).checked()
    assert lora_message(chosen) == stated
    assert Recipe.parse(chosen.as_json()) == chosen
    assert lora_message(Recipe(lora_rank=4)).alpha == 8


@pytest.mark.parametrize(
    ("lora", "match"),
    [
        (Lora(alpha=-1), "lora.alpha"),
        (Lora(dropout=1.0), "lora.dropout"),
        (Lora(dora=True), r"lora.dora needs lora.merge"),
        (Lora(targets=("",)), "lora.targets"),
        (Lora(quantization=Quantization.NF4, merge=True), "lora.quantization does not go with lora.merge"),
    ],
)
def test_an_adapter_that_cannot_be_is_refused(lora, match):
    with pytest.raises(BadRecipe, match=match):
        Recipe(method=Method.LORA, labels=("a", "b"), lora=lora).checked()


def test_only_adapters_have_their_settings():
    with pytest.raises(BadRecipe, match="needs the method LORA"):
        Recipe(labels=("a", "b"), lora=Lora(alpha=4)).checked()
