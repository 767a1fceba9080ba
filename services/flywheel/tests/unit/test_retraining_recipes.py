"""Choice of a retraining's recipe by the feedback that there is."""

from datetime import UTC, datetime

import pytest

from ratoon.tasks.generate import Generate
from ratoon_flywheel.application.recipes import chosen_recipe, fed_recipes, learned_forms
from ratoon_flywheel.domain.errors import BadProject, BadRecipe
from ratoon_flywheel.domain.pipelines.support import chain_of, recipe_of
from ratoon_flywheel.domain.project_settings import Distillation, TuningDefaults, check_recipes, check_teacher
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
        (("sft", "dpo"), {*RIGHT_ANSWERS, Form.PREFERENCE}),
        (("reward_model", "grpo"), {*RIGHT_ANSWERS, Form.PREFERENCE}),
    ],
)
def test_policies_count_the_feedback_that_a_retraining_learns_from(recipes, forms):
    project = Project("projects/p", NOW, NOW, Generate(), retraining_recipes=recipes)
    assert learned_forms(project) == forms


@pytest.mark.parametrize(
    ("recipes", "counts", "fed"),
    [
        (("sft", "dpo"), {"answers": 2, "preferences": 3}, ("sft", "dpo")),
        (("sft", "dpo"), {"preferences": 3}, ("dpo",)),
        (("reward_model", "grpo"), {"preferences": 3}, ()),
        (("reward_model", "grpo"), {"answers": 3}, ("grpo",)),
        (("sft", "reward_model", "dpo"), {"answers": 3, "preferences": 1}, ("sft", "reward_model", "dpo")),
        (("distillation", "kto"), {"unpaired_preferences": 1}, ("kto",)),
    ],
)
def test_a_chain_leaves_out_recipes_without_feedback(recipes, counts, fed):
    """A reward model that no recipe follows would give no version."""
    assert fed_recipes(recipes, counts) == fed


KNOWN = ("sft", "dpo", "grpo", "reward_model", "distillation", "auto")


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        (("auto", "sft"), "names it alone"),
        (("grpo", "reward_model"), "writes no text: let dpo or grpo follow it"),
        (("reward_model", "sft"), "writes no text: let dpo or grpo follow it"),
        (("sft", "sft"), "twice"),
    ],
)
def test_chains_that_give_no_version_are_refused(recipes, message):
    with pytest.raises(BadProject, match=message):
        check_recipes(KNOWN, "retraining_recipes", recipes)
    check_recipes(KNOWN, "retraining_recipes", ("sft", "reward_model", "dpo"))


def test_distillation_needs_a_teacher():
    with pytest.raises(BadProject, match=r"has no teacher: give tuning\.distillation"):
        check_teacher(("sft", "distillation"), TuningDefaults(), "recipes")
    for teacher in (Distillation("a" * 64), Distillation(base_url="http://127.0.0.1/v1", model="m")):
        check_teacher(("distillation",), TuningDefaults(distillation=teacher), "recipes")


def test_a_run_that_names_its_recipe_has_no_others():
    project = Project("projects/p", NOW, NOW, Generate(), retraining_recipes=("sft", "dpo"))
    assert (recipe_of(project, retrains=True), chain_of(project, retrains=True)) == ("sft", ("dpo",))
    assert chain_of(project, retrains=True, requested="kto") == ()
    with pytest.raises(BadRecipe, match="alone gives no version"):
        recipe_of(project, retrains=True, requested="reward_model")
