"""Recipes of requests and of responses: what a caller states comes back, and what is left out has its default."""

from datetime import UTC, datetime

import pytest

from ratoon.common.v1.task_pb2 import TaskSpec
from ratoon.training.v1 import training_run_pb2 as pb
from ratoon_training import mapping
from ratoon_training.application.commands import BaseModel, recipe_of
from ratoon_training.domain.errors import BadRecipe
from ratoon_training.domain.recipes import Architecture, Dtype, Recipe
from ratoon_training.domain.runs import TrainingRun

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def recipe(**settings: object) -> Recipe:
    requested = pb.TrainingRun(recipe=pb.Recipe(labels=["a", "b"], **settings))
    return recipe_of(mapping.run_spec(requested).recipe, None)


def returned(value: Recipe) -> pb.Recipe:
    return mapping.run(TrainingRun("projects/p/trainingRuns/r", NOW, NOW, "1" * 64, "2" * 64, value)).recipe


def test_settings_of_the_computation_come_back():
    value = recipe(dtype=pb.Recipe.DTYPE_BFLOAT16, gradient_accumulation=4, gradient_checkpointing=True)
    assert (value.dtype, value.gradient_accumulation, value.gradient_checkpointing) == (
        Dtype.BFLOAT16,
        4,
        True,
    )
    message = returned(value)
    assert message.dtype == pb.Recipe.DTYPE_BFLOAT16
    assert (message.gradient_accumulation, message.gradient_checkpointing) == (4, True)
    assert Recipe.parse(value.as_json()) == value


def test_by_default_a_step_is_computed_at_once_in_float32():
    value = recipe()
    assert (value.dtype, value.gradient_accumulation, value.gradient_checkpointing) == (
        Dtype.FLOAT32,
        1,
        False,
    )
    assert not {"dtype", "gradient_accumulation", "gradient_checkpointing"} & set(value.as_json())
    assert returned(value).dtype == pb.Recipe.DTYPE_FLOAT32


def test_the_objective_comes_back_with_its_own_settings():
    requested = pb.Recipe(
        objective=pb.Recipe.OBJECTIVE_DPO,
        beta=0.3,
        preference_loss=pb.Recipe.PREFERENCE_LOSS_IPO,
        task=TaskSpec(generate={}),
    )
    spec = mapping.run_spec(pb.TrainingRun(recipe=requested)).recipe
    message = returned(recipe_of(spec, BaseModel(Architecture())))
    assert (message.objective, message.beta) == (pb.Recipe.OBJECTIVE_DPO, 0.3)
    assert message.preference_loss == pb.Recipe.PREFERENCE_LOSS_IPO
    assert not message.HasField("good_weight")
    requested.objective, requested.good_weight, requested.bad_weight = pb.Recipe.OBJECTIVE_KTO, 0.0, 2.0
    requested.ClearField("preference_loss")
    spec = mapping.run_spec(pb.TrainingRun(recipe=requested)).recipe
    message = returned(recipe_of(spec, BaseModel(Architecture())))
    assert (message.good_weight, message.bad_weight, message.preference_loss) == (0.0, 2.0, 0)
    assert returned(recipe()).objective == pb.Recipe.OBJECTIVE_SFT


@pytest.mark.parametrize("parts", [-1, 4097])
def test_accumulation_has_bounds(parts):
    with pytest.raises(BadRecipe, match=r"recipe\.gradient_accumulation"):
        recipe(gradient_accumulation=parts)
