"""Recipes of requests and of responses: what a caller states comes back, and what is left out has its default."""

from datetime import UTC, datetime

import pytest

from ratoon.training.v1 import training_run_pb2 as pb
from ratoon_training import mapping
from ratoon_training.application.commands import recipe_of
from ratoon_training.domain.errors import BadRecipe
from ratoon_training.domain.recipes import Dtype, Recipe
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


@pytest.mark.parametrize("parts", [-1, 4097])
def test_accumulation_has_bounds(parts):
    with pytest.raises(BadRecipe, match=r"recipe\.gradient_accumulation"):
        recipe(gradient_accumulation=parts)
