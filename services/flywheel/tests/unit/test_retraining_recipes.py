"""Choice of a retraining's recipe by the feedback that there is."""

from datetime import UTC, datetime

import pytest

from ratoon.tasks.generate import Generate
from ratoon_flywheel.application.recipes import chosen_recipe, learned_forms
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.records import RIGHT_ANSWERS, Form

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answers", "preferences", "unpaired", "recipe"),
    [
        (3, 1, 1, "sft"),
        (1, 3, 1, "dpo"),
        (1, 1, 3, "kto"),
        (2, 2, 2, "sft"),
        (0, 2, 2, "dpo"),
        (0, 0, 0, "sft"),
    ],
)
def test_auto_is_the_recipe_with_the_most_records(answers, preferences, unpaired, recipe):
    counts = {"answers": answers, "preferences": preferences, "unpaired_preferences": unpaired}
    assert chosen_recipe("auto", counts) == recipe
    assert chosen_recipe("kto", counts) == "kto"
    assert chosen_recipe("", counts) == "sft", "a run of an earlier release"


def test_auto_lets_a_model_of_a_checkable_task_learn_from_its_own_answers():
    """A project with rewards: right answers are references; preferences and thumbs are learned as usual."""
    assert chosen_recipe("auto", {"answers": 3, "preferences": 1}, checkable=True) == "grpo"
    assert chosen_recipe("auto", {"answers": 1, "preferences": 3}, checkable=True) == "dpo"
    assert chosen_recipe("sft", {"answers": 3}, checkable=True) == "sft"


@pytest.mark.parametrize(
    ("recipes", "forms"),
    [
        ((), set(RIGHT_ANSWERS)),
        (("sft",), set(RIGHT_ANSWERS)),
        (("dpo",), {Form.PREFERENCE}),
        (("grpo",), set(RIGHT_ANSWERS)),
        (("kto",), {Form.PREFERENCE, Form.UNPAIRED_PREFERENCE}),
        (("auto",), set(Form)),
    ],
)
def test_policies_count_the_feedback_that_a_retraining_learns_from(recipes, forms):
    project = Project("projects/p", NOW, NOW, Generate(), retraining_recipes=recipes)
    assert learned_forms(project) == forms
