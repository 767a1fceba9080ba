"""Runs of each objective that are killed (SIGKILL) at named points, and resume to the bytes of one that was not.

The resumed attempt is trained by the test itself.
"""

from dataclasses import replace
from typing import Any

import pytest

from ratoon_training.domain.distillation import Distillation, Level
from ratoon_training.domain.recipes import Method, Objective, Recipe
from ratoon_training.domain.rewards import Grpo

from .children import Call
from .conftest import TINY, Row, Task, train, train_once
from .test_grpo import TASK, rows_of
from .test_preferences import SFT, preferences, sums, thumbs_up_and_down

SIGKILL = -9
POINTS: dict[str, Call] = {
    "before the first step": ("ratoon_training.worker.reporting", "ProgressReporter.begin", 1),
    "after a step": ("ratoon_training.worker.reporting", "ProgressReporter.step", 4),
    "while a checkpoint is written": ("os", "fsync", 7),
    "after the last step": ("ratoon_training.worker.running", "publish", 1),
}
"""The call that is the last one of the process."""
QUICK = ("after a step",)
RECIPE = replace(
    SFT,
    task=TASK,
    architecture=replace(TINY, vocab_size=SFT.architecture.vocab_size),
    epochs=2.0,
    batch_size=4,
)
ALIGNED = replace(RECIPE, method=Method.CONTINUE, learning_rate=1e-3)
OBJECTIVES: dict[Objective, dict[str, Any]] = {
    Objective.DPO: {},
    Objective.KTO: {},
    Objective.REWARD_MODEL: {},
    Objective.GRPO: {"grpo": Grpo(group_size=4, max_new_tokens=4)},
    Objective.DISTILLATION: {},
}
CASES = [
    pytest.param(
        objective,
        id=objective.lower(),
        marks=() if objective in (Objective.DPO, Objective.GRPO) else pytest.mark.thorough,
    )
    for objective in OBJECTIVES
]


class Learners:
    """A base that knows some sums, and the parts of each objective."""

    def __init__(self, task: Task) -> None:
        self.task, drawn = task, sums()[:20]
        answered = rows_of([(question, right) for question, right, _ in drawn])
        self._parts = {
            Objective.DPO: self._part("pairs", preferences(drawn)),
            Objective.KTO: self._part("thumbs", thumbs_up_and_down(drawn)),
            Objective.GRPO: self._part("answered", answered),
        }
        base = train(task, "kills-base", RECIPE, **self.parts(Objective.GRPO))
        self.base: str = base["result"]["artifact_digest"]

    def _part(self, name: str, rows: list[Row]) -> str:
        return self.task.part(f"kills-{name}", rows)

    def parts(self, objective: Objective) -> dict[str, str]:
        """Return the options of a run with its two parts."""
        same = {Objective.REWARD_MODEL: Objective.DPO, Objective.DISTILLATION: Objective.GRPO}
        part = self._parts[same.get(objective, objective)]
        return {"train": part, "validation": part}

    def recipe(self, objective: Objective) -> Recipe:
        """Return a recipe of 10 steps."""
        settings = dict(OBJECTIVES[objective])
        if objective is Objective.DISTILLATION:
            settings["distillation"] = Distillation(self.base, Level.SEQUENCE, 1.0, max_new_tokens=4)
        return replace(ALIGNED, objective=objective, **settings)


@pytest.fixture(scope="module")
def learners(task: Task) -> Learners:
    return Learners(task)


@pytest.mark.parametrize("objective", CASES)
@pytest.mark.parametrize(
    "point", [pytest.param(each, marks=() if each in QUICK else pytest.mark.thorough) for each in POINTS]
)
def test_a_run_that_is_killed_resumes_to_the_same_bytes(task, learners, children, objective, point):
    recipe, parts = learners.recipe(objective), learners.parts(objective)
    options = {"base": learners.base, **parts}
    whole = train_once(task, f"whole-{objective}", recipe, **options)["result"]
    work = f"killed-{objective}-{point}".replace(" ", "-")
    spec = task.spec(work, recipe, checkpoint_every_s=0.0, **options)
    assert children.run(task.job(f"{work}-a", spec), POINTS[point]) == SIGKILL
    resumed = train(task, f"{work}-b", recipe, work=work, fence=2, **options)["result"]
    assert resumed["artifact_digest"] == whole["artifact_digest"]
    assert resumed["metrics"]["steps"] == whole["metrics"]["steps"]
