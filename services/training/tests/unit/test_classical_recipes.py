"""Recipes of classical models: from requests to workers and back, and what is refused."""

import pytest

from ratoon.process.errors import InvalidArgument
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.regress import Regress
from ratoon.training.v1 import training_run_pb2 as pb
from ratoon_training import mapping
from ratoon_training.adapters.drivers import recipe_message
from ratoon_training.application.commands import RecipeSpec, recipe_of
from ratoon_training.application.handlers import plan_run
from ratoon_training.domain.classical import Classical, Estimator, Expression, Features, Missing, Table
from ratoon_training.domain.errors import BadRecipe
from ratoon_training.domain.plan import CLASSICAL_BYTES, plan
from ratoon_training.domain.recipes import Method, Recipe, Resources
from ratoon_training.worker.task_queue import _recipe as read_recipe

LABELS = ("ham", "spam")
TABLE = Classical(
    (Features.TABLE,),
    (Estimator.FOREST,),
    Table(("a", "b"), Missing.KNN, -7.0, expressions=(Expression("c", "a / b"),), select=3, components=2),
)


@pytest.mark.parametrize("task", [Classify(LABELS), Classify(LABELS, multi_label=True), Regress(min=0)])
@pytest.mark.parametrize("classical", [Classical(), TABLE])
def test_a_recipe_survives_requests_storage_and_the_job(task, classical):
    spec = RecipeSpec(method=Method.CLASSICAL, task=task, seed=7, classical=classical)
    recipe = recipe_of(spec, None)
    assert (recipe.spec, recipe.classical, recipe.seed) == (task, classical, 7)
    assert Recipe.parse(recipe.as_json()) == recipe
    assert read_recipe(recipe_message(recipe)) == recipe
    message = mapping._recipe(recipe)
    assert message.learning_rate == 0, "settings of language models have no meaning for it"
    read = mapping.run_spec(pb.TrainingRun(recipe=message)).recipe
    assert recipe_of(read, None) == recipe


def test_other_recipes_have_the_bytes_that_they_had():
    assert "classical" not in Recipe(labels=LABELS).as_json()


@pytest.mark.parametrize(
    ("task", "classical", "sentence"),
    [
        (Generate(), Classical(), "CLASSICAL needs a task with labels or numbers"),
        (
            Classify(LABELS),
            Classical((Features.TABLE, Features.WORDS)),
            "TABLE does not go with other features",
        ),
        (Classify(LABELS), Classical(table=Table()), "needs the features TABLE"),
        (Classify(LABELS), Classical((Features.TABLE,), table=Table(select=-1)), "must be 0 to 1,000"),
        (
            Classify(LABELS),
            Classical(
                (Features.TABLE,), table=Table(expressions=(Expression("c", "a"), Expression("c", "b")))
            ),
            "names of their own",
        ),
    ],
)
def test_a_recipe_that_makes_no_model_is_refused(task, classical, sentence):
    with pytest.raises(BadRecipe, match=sentence):
        recipe_of(RecipeSpec(method=Method.CLASSICAL, task=task, classical=classical), None)


def test_a_base_model_is_refused():
    recipe = pb.Recipe(method=pb.Recipe.METHOD_CLASSICAL, labels=LABELS)
    spec = mapping.run_spec(pb.TrainingRun(base_artifact_digest="0" * 64, recipe=recipe))
    with pytest.raises(InvalidArgument, match="has no base"):
        plan_run("projects/p", spec, None, None, None)


def test_it_is_planned_as_one_process_without_a_model():
    recipe = recipe_of(RecipeSpec(method=Method.CLASSICAL, task=Classify(LABELS)), None)
    assert plan(recipe, Resources(), CLASSICAL_BYTES, ()).admitted
    refused = plan(recipe, Resources(), CLASSICAL_BYTES - 1, ())
    assert not refused.admitted and "free memory" in refused.reason
