"""Preferences, reward models, distillation and GRPO with the model divided among workers: the losses of one worker."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ratoon_training.domain.distillation import Distillation
from ratoon_training.domain.recipes import Method, Objective, Recipe
from ratoon_training.domain.rewards import Grpo, Reward, RewardKind

from .architectures import tiny
from .conftest import Task
from .test_parallelism import FSDP, LOSS, TENSOR, Layouts, Result
from .test_preferences import SFT, preferences, sums, thumbs_up_and_down

RECIPE = replace(
    SFT,
    method=Method.CONTINUE,
    objective=Objective.DPO,
    batch_size=6,
    gradient_accumulation=2,
    epochs=2.0,
    learning_rate=1e-3,
    averaging=0.9,
    max_tokens=128,
)
"""Batches of six pairs of twenty: those of the last step, two, leave one part to each of two workers."""
GRPO = replace(
    RECIPE,
    objective=Objective.GRPO,
    averaging=0.0,
    grpo=Grpo(
        group_size=4,
        iterations=2,
        kl_weight=0.05,
        max_new_tokens=4,
        rewards=(Reward(RewardKind.PATTERN, "^[^e]*$"),),
    ),
)
RECIPES: dict[str, Recipe] = {
    "kto": replace(RECIPE, objective=Objective.KTO),
    "reward": replace(RECIPE, objective=Objective.REWARD_MODEL, averaging=0.0),
    "adapter": replace(RECIPE, method=Method.LORA, lora_rank=2, averaging=0.0, packed=True),
}
KILLED_AT = 5


class Objectives(Layouts):
    """Runs of preferences from a base model with random weights."""

    def __init__(self, task: Task, folder: Any) -> None:
        super().__init__(task, folder)
        digest = task.store.put_tree(tiny(folder / "base", "qwen3"))
        drawn = sums()
        pairs = {"train": task.part("twenty-pairs", preferences(drawn[:20]))}
        pairs["validation"] = task.part("five-pairs", preferences(drawn[20:25]))
        self.thumbs = {"train": task.part("twenty-thumbs", thumbs_up_and_down(drawn[:20]))}
        self.thumbs["validation"] = task.part("five-thumbs", thumbs_up_and_down(drawn[20:25]))
        self.base, self.parts = digest, {**pairs, "base": digest}

    def options(self, name: str) -> dict[str, str]:
        """Return the parts of a recipe that reads others."""
        return self.thumbs if name == "kto" else {}


@pytest.fixture(scope="module")
def dpo(task, tmp_path_factory) -> Objectives:
    runs = Objectives(task, tmp_path_factory.mktemp("dpo"))
    runs.add("dpo-fsdp", 2, FSDP, RECIPE)
    runs.add("dpo-lost", 2, FSDP, RECIPE, checkpoint_every_s=0.0, killed_at=KILLED_AT)
    runs.add("dpo-resumed", 2, FSDP, RECIPE, work="dpo-lost")
    runs.group.run()
    return runs


def test_preferences_are_learned_by_two_workers_as_by_one(dpo):
    dpo.result("dpo-fsdp").same(dpo.alone("dpo-alone", RECIPE))
    assert dpo.result("dpo-resumed").digest == dpo.result("dpo-fsdp").digest


@pytest.fixture(scope="module")
def others(task, tmp_path_factory) -> Objectives:
    runs = Objectives(task, tmp_path_factory.mktemp("others"))
    for name, recipe in RECIPES.items():
        runs.add(f"{name}-fsdp", 2, FSDP, recipe, **runs.options(name))
    runs.add("dpo-tensor", 2, TENSOR, RECIPE)
    runs.add("dpo-fsdp-tensor", 4, {**FSDP, **TENSOR}, RECIPE)
    runs.add("dpo-copies", 2, {}, RECIPE)
    taught = replace(RECIPE, objective=Objective.DISTILLATION, distillation=Distillation(teacher=runs.base))
    RECIPES["taught"] = taught
    runs.add("taught-fsdp", 2, FSDP, taught)
    runs.group.run()
    return runs


@pytest.fixture(scope="module")
def grpo(task, tmp_path_factory) -> Objectives:
    runs = Objectives(task, tmp_path_factory.mktemp("grpo"))
    for name, layout in (("grpo-copies", {}), ("grpo-fsdp", FSDP)):
        runs.add(name, 2, layout, GRPO)
        runs.add(f"{name}-lost", 2, layout, GRPO, checkpoint_every_s=0.0, killed_at=KILLED_AT + 1)
        runs.add(f"{name}-resumed", 2, layout, GRPO, work=f"{name}-lost")
    runs.group.run()
    return runs


@pytest.mark.thorough
@pytest.mark.parametrize("name", [*RECIPES, "taught"])
def test_each_objective_has_the_losses_of_one_worker(others, name):
    whole = others.alone(f"{name}-alone", RECIPES[name], **others.options(name))
    others.result(f"{name}-fsdp").same(whole)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["dpo-tensor", "dpo-fsdp-tensor", "dpo-copies"])
def test_preferences_have_the_losses_of_one_worker_in_each_layout(others, name):
    others.result(name).same(others.alone(f"{name}-alone", RECIPE))


@pytest.mark.thorough
def test_grpo_has_the_losses_of_as_many_copies_of_the_model(grpo):
    """Workers draw answers of their own, so that one worker has others."""
    divided, copies = (grpo.result(f"grpo-{name}") for name in ("fsdp", "copies"))
    rows = [np.array(each.curves["steps"]["rows"]) for each in (divided, copies)]
    columns = divided.curves["steps"]["columns"]
    compared = [columns.index(name) for name in ("loss", "reward", "kl", "answer_tokens", "entropy")]
    assert np.abs(rows[0] - rows[1])[:, compared].max() <= LOSS
    assert rows[0][:, columns.index("kl")].max() > 0
    assert np.ptp(rows[0][:, columns.index("reward")]) > 0


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["grpo-fsdp", "grpo-copies"])
def test_grpo_resumes_to_the_same_bits_within_steps_that_share_answers(grpo, name):
    resumed: Result = grpo.result(f"{name}-resumed")
    assert resumed.digest == grpo.result(name).digest
