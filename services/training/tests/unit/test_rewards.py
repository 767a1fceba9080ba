"""Rewards and advantages of GRPO, and the settings that are refused."""

import json
import math

import pytest

from ratoon.tasks.generate import Generate, Sampling
from ratoon_training.application.commands import BaseModel, RecipeSpec, recipe_of
from ratoon_training.domain.errors import BadRecipe
from ratoon_training.domain.recipes import Architecture, Method, Objective, Recipe
from ratoon_training.domain.rewards import Grpo, PolicyLoss, Reward, RewardKind, advantages, total

TASK = Generate(defaults=Sampling(max_tokens=12))
FUNCTION = "def reward(messages, completion, references):\n    return 1.0\n"


def recipe(grpo: Grpo | None = None, **settings: object) -> Recipe:
    spec = RecipeSpec(**{"task": TASK, "objective": Objective.GRPO, "grpo": grpo, **settings})
    return recipe_of(spec, BaseModel(Architecture()))


def test_equal_rewards_give_no_advantage_to_the_bit():
    """T20 (a) and (c): no rounding of a mean is divided by a spread of nothing; groups are compared on their own."""
    assert advantages([0.4] * 8) == [0.0] * 8
    assert advantages([0.1 + 0.2] * 7 + [0.1 + 0.2]) == [0.0] * 8
    assert advantages([0.0, 0.0]) == advantages([1.0, 1.0]) == [0.0, 0.0]


def test_a_single_worse_answer_has_a_bounded_advantage():
    """T20 (b)."""
    values = advantages([0.35] * 7 + [0.0])
    assert values[-1] == pytest.approx(-2.4749, abs=3e-3)
    assert all(abs(value) <= math.sqrt(7) for value in values)
    assert sum(values) == pytest.approx(0, abs=1e-9)


def test_an_answer_without_a_reward_does_not_move_the_mean():
    """T21: the two that are scored get the advantages of their own group; a group without any gets nothing."""
    first, second, *others = advantages([1.0, 0.0, None, None])
    assert [first, second] == advantages([1.0, 0.0])
    assert others == [None, None]
    assert advantages([None] * 4) == [None] * 4
    assert total([1.0, 2.0], [1.0, None]) == 1.0, "a partly scored answer has the reward of the others"
    assert total([1.0, 2.0], [None, None]) is None


def test_unscaled_advantages_are_differences_from_the_mean():
    assert advantages([1.0, 0.0, 0.5, 0.5], unscaled=True) == [0.5, -0.5, 0.0, 0.0]


def test_the_settings_survive_their_way_to_the_worker():
    rewards = (
        Reward(weight=2.0),
        Reward(RewardKind.FUNCTION, FUNCTION),
        Reward(RewardKind.PATTERN, "^[0-9]+$"),
    )
    stated = recipe(Grpo(rewards, group_size=4, loss=PolicyLoss.ANSWER, kl_weight=0.1))
    assert Recipe.parse(json.loads(json.dumps(stated.as_json()))) == stated
    assert recipe().grpo.max_new_tokens == 12, "the maximum of the task"
    assert "grpo" not in recipe_of(RecipeSpec(task=TASK), None).as_json()


@pytest.mark.parametrize(
    ("grpo", "field", "says"),
    [
        (Grpo(rewards=()), "grpo.rewards", "1 to 8 rewards"),
        (Grpo((Reward(weight=0.0),)), "grpo.rewards", "none of 0"),
        (Grpo((Reward(weight=math.nan),)), "grpo.rewards", "none of 0"),
        (Grpo((Reward(RewardKind.PATTERN, "(["),)), "grpo.rewards", "no regular expression"),
        (Grpo((Reward(RewardKind.JSON_SCHEMA, "[]"),)), "grpo.rewards", "no JSON schema"),
        (Grpo((Reward(RewardKind.FUNCTION, "def reward(:"),)), "grpo.rewards", "no Python"),
        (Grpo((Reward(RewardKind.FUNCTION, "def score(text): return 1"),)), "grpo.rewards", "def reward"),
        (Grpo((Reward(RewardKind.REWARD_MODEL),)), "grpo.rewards", "name the artifact"),
        (Grpo(group_size=1), "grpo.group_size", "compared with one another"),
        (Grpo(temperature=0.0), "grpo.temperature", "above 0"),
        (Grpo(max_new_tokens=1020), "grpo.max_new_tokens", "leave 8 of the 1,024"),
        (Grpo(iterations=65), "grpo.iterations", "1 to 64"),
        (Grpo(kl_weight=-1.0), "grpo.kl_weight", "0 to 100"),
        (Grpo(max_correction=0.5), "grpo.max_correction", "1 to 1,000"),
    ],
)
def test_a_bad_setting_is_refused_by_name_before_the_run_exists(grpo, field, says):
    with pytest.raises(BadRecipe, match=says) as refused:
        recipe(grpo)
    assert refused.value.field == f"recipe.{field}"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"packed": True}, "packed"),
        ({"sweep": "lr-procedure"}, "sweep"),
        ({"label_smoothing": 0.1}, "label_smoothing"),
        ({"objective": Objective.DPO, "grpo": Grpo()}, None),
        ({"objective": Objective.DPO, "grpo": Grpo(group_size=4)}, "grpo"),
        ({"method": Method.FROM_SCRATCH}, "objective"),
    ],
)
def test_a_setting_that_does_not_go_with_the_objective_is_refused(settings, field):
    if field is None:
        assert recipe(**settings).objective is Objective.DPO
        return
    with pytest.raises(BadRecipe) as refused:
        recipe(**settings)
    assert refused.value.field == f"recipe.{field}"
