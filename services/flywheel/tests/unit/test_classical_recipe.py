"""Training of classical models in the loop."""

from datetime import UTC, datetime

import pytest

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.regress import Regress
from ratoon.training.v1 import training_run_pb2
from ratoon_flywheel.adapters.training import _classical
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
def test_projects_with_labels_or_numbers_train_classical_models(task):
    own = project(task, recipes=("classical",), retraining_recipes=("classical",))
    check_supported(own)
    assert recipe_of(own, retrains=False) == recipe_of(own, retrains=True) == "classical"
    assert recipe_of(project(task), retrains=True, requested="classical") == "classical"
    assert chosen_recipe("classical", {}) == "classical"
    assert learned_forms(own) == frozenset(RIGHT_ANSWERS)


def test_a_project_that_generates_has_none():
    with pytest.raises(BadRecipe, match="'classical' is not one of the recipes"):
        recipe_of(project(Generate()), retrains=True, requested="classical")


def test_no_training_follows_a_classical_model():
    with pytest.raises(SettingNotSupported, match="recipes"):
        check_supported(project(recipes=("classical", "sft")))


def test_the_recipe_of_a_run_names_task_and_seed_alone():
    spec = Train("projects/mail", "a", "b", "c" * 64, TASK, TrainingDefaults(seed=3), 0.0, recipe="classical")
    recipe = _classical(spec)
    assert recipe.method == training_run_pb2.Recipe.METHOD_CLASSICAL
    assert (recipe.seed, list(recipe.labels), recipe.epochs) == (3, ["ham", "spam"], 0)
