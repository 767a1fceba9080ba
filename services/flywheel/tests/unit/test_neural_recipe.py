"""Training of small neural models in the loop."""

from datetime import UTC, datetime

import pytest

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.regress import Regress
from ratoon.training.v1 import training_run_pb2
from ratoon_flywheel.adapters.training import _neural
from ratoon_flywheel.application.recipes import chosen_recipe, learned_forms
from ratoon_flywheel.domain.errors import BadRecipe, SettingNotSupported
from ratoon_flywheel.domain.pipelines.actions import Train
from ratoon_flywheel.domain.pipelines.support import check_supported, recipe_of
from ratoon_flywheel.domain.projects import Project, TrainingDefaults
from ratoon_flywheel.domain.signals.records import RIGHT_ANSWERS

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TASK = Classify(("ham", "spam"))


def project(task=TASK, **settings):
    return Project("projects/mail", NOW, NOW, task, **settings)


@pytest.mark.parametrize("task", [TASK, Regress()])
def test_projects_with_labels_or_numbers_train_neural_models(task):
    own = project(task, recipes=("neural",), retraining_recipes=("neural",))
    check_supported(own)
    assert recipe_of(own, retrains=False) == recipe_of(own, retrains=True) == "neural"
    assert chosen_recipe("neural", {}) == "neural"
    assert learned_forms(own) == frozenset(RIGHT_ANSWERS)


def test_a_project_that_generates_has_none_and_no_other_recipe_stands_next_to_it():
    with pytest.raises(BadRecipe, match="'neural' is not one of the recipes"):
        recipe_of(project(Generate()), retrains=True, requested="neural")
    with pytest.raises(SettingNotSupported, match="recipes"):
        check_supported(project(recipes=("neural", "sft")))


def test_the_recipe_of_a_run_selects_by_the_metric_of_the_project_and_takes_any_version_as_base():
    own = TrainingDefaults(
        seed=3,
        neural='{"network": "NETWORK_GRU", "hidden_size": 64}',
        optimization='{"optimizer": "OPTIMIZER_SGD", "patience": 5}',
    )
    spec = Train(
        *("projects/mail", "a", "b", "c" * 64, TASK, own, 2.0),
        recipe="neural",
        metric="accuracy",
    )
    recipe = _neural(spec)
    assert recipe.method == training_run_pb2.Recipe.METHOD_NEURAL
    assert (recipe.seed, list(recipe.labels), recipe.selection_metric) == (3, ["ham", "spam"], "accuracy")
    assert recipe.epochs == 2.0
    assert recipe.neural.any_base and recipe.neural.hidden_size == 64
    assert recipe.neural.network == recipe.neural.NETWORK_GRU
    assert recipe.optimization.optimizer == recipe.optimization.OPTIMIZER_SGD
    assert recipe.optimization.patience == 5
