"""The spec and the result of a training job, as this release and the one before write and read them."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ratoon.operations.job_messages import to_json
from ratoon.operations.jobs import JobState, JobStatus
from ratoon.tasks.generate import Form, Generate, Sampling
from ratoon.tasks.regress import Regress
from ratoon_training.adapters.drivers import DriverOptions, JobDrivers, recipe_message
from ratoon_training.domain.diagnosis import Diagnosis
from ratoon_training.domain.lengths import PromptLimit
from ratoon_training.domain.places import Place
from ratoon_training.domain.recipes import (
    Accelerator,
    Architecture,
    Method,
    Recipe,
    Resources,
    TrainOn,
    Truncation,
)
from ratoon_training.domain.runs import Trained, TrainingRun
from ratoon_training.worker.task_queue import CHECKPOINT_EVERY_S, TrainingTask

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RECIPE = Recipe(
    method=Method.LORA,
    labels=("spam", "ham"),
    seed=2**62 + 1,
    learning_rate=2e-4,
    epochs=0.0,
    prompt_tokens=0,
    patience=0,
    architecture=Architecture(vocab_size=300, tied=False),
    packed=True,
)
RUN = TrainingRun(
    "projects/p/trainingRuns/r", NOW, NOW, "1" * 64, "2" * 64, RECIPE, Resources(Accelerator.CUDA, 2, 3), "3" * 64
)  # fmt: skip
OPTIONS = DriverOptions(Path("/work"), Path("/warm"), "file:///a", 120.0, 7.0, 2**40)
RECIPE_OF_0_1 = {
    "method": "LORA",
    "labels": ["spam", "ham"],
    "seed": 2**62 + 1,
    "learning_rate": 2e-4,
    "epochs": 0.0,
    "batch_size": 16,
    "max_chars": 0,
    "prompt_tokens": 0,
    "architecture": {
        "vocab_size": 300,
        "hidden_size": 128,
        "layers": 3,
        "heads": 4,
        "max_positions": 2048,
        "tied": False,
    },
    "language_model_weight": 0.5,
    "label_smoothing": 0.0,
    "language_model_epochs": 1.0,
    "weight_decay": 0.1,
    "clip_norm": 1.0,
    "warmup": 0.05,
    "patience": 0,
    "lora_rank": 8,
    "sweep": "",
    "packed": True,
    "token_dropout": 0.0,
    "averaging": 0.0,
    "label_prior": 0.0,
}
SPEC_OF_0_1 = {
    "warm": "/warm",
    "warm_idle_s": 120.0,
    "artifacts": "file:///a",
    "fence": 4,
    "train": "1" * 64,
    "validation": "2" * 64,
    "base": "3" * 64,
    "recipe": RECIPE_OF_0_1,
    "resources": {"accelerator": "CUDA", "workers": 2, "threads": 3},
    "pods": "",
    "checkpoint_every_s": 7.0,
    "memory_limit_bytes": 2**40,
}
RESULT_OF_0_1 = {
    "artifact_digest": "a" * 64,
    "curves_digest": "b" * 64,
    "parameter_count": 135_000_000,
    "diagnosis": {"verdict": "good", "remedy": ""},
    "metrics": {"train_loss": 0.5, "steps": 10.0},
}


@dataclass
class FakeJobs:
    """The jobs of a worker, all of which have ended with one result."""

    result: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)

    def start(self, job_id: str, module: str, spec: dict[str, Any]) -> None:
        self.spec = json.loads(json.dumps(spec))

    def observe(self, job_id: str) -> JobStatus:
        return JobStatus(JobState.SUCCEEDED, result=self.result)


def started(place: Place) -> dict[str, Any]:
    jobs = FakeJobs()
    JobDrivers(jobs, OPTIONS).start("id", RUN, place, 4)
    return jobs.spec


def test_a_worker_of_the_release_before_reads_the_spec():
    spec = started(Place())
    assert Path(spec.pop("work")).parent == Path("/work")
    assert spec == SPEC_OF_0_1


CHAT = Recipe(
    task=Generate(Form.JSON, '{"type": "object"}', defaults=Sampling(max_tokens=9), stop=("x",)),
    train_on=TrainOn.LAST_ANSWER,
    truncation=Truncation.SEGMENT,
    max_tokens=99,
)


@pytest.mark.parametrize(
    "recipe", [RECIPE, Recipe(labels=("b", "a")), CHAT, Recipe(task=Regress("kg", 0.0, tolerance=0.5))]
)
def test_a_recipe_survives_its_message(recipe, tmp_path):
    values = to_json(recipe_message(recipe))
    written = {name: value for name, value in values.items() if value is not None}
    shape = {name: value for name, value in written["architecture"].items() if value is not None}
    written["architecture"] = shape
    assert recipe.task or written == recipe.as_json()
    assert TrainingTask.of_spec(SPEC_OF_0_1 | {"recipe": written}, tmp_path).recipe == recipe


def test_new_tokens_reach_the_worker(tmp_path):
    recipe = replace(CHAT, method=Method.CONTINUE, new_tokens=("kubelet", "rate limit"))
    values = to_json(recipe_message(recipe))
    assert TrainingTask.of_spec(SPEC_OF_0_1 | {"recipe": values}, tmp_path).recipe == recipe


def test_a_worker_reads_a_spec_of_the_release_before(tmp_path):
    task = TrainingTask.of_spec(SPEC_OF_0_1 | {"work": "/jobs/w"}, tmp_path)
    assert task == TrainingTask(
        str(tmp_path), "/jobs/w", "file:///a", 4, RECIPE, RUN.resources, "3" * 64, 7.0, 2**40
    )


def test_what_an_earlier_spec_does_not_state_has_its_default(tmp_path):
    recipe = {"method": "LORA", "labels": ["spam", "ham"], "architecture": {"layers": 2}}
    older = {name: value for name, value in SPEC_OF_0_1.items() if name != "checkpoint_every_s"}
    task = TrainingTask.of_spec(older | {"recipe": recipe, "work": "w"}, tmp_path)
    expected = Recipe(Method.LORA, ("spam", "ham"), architecture=replace(Architecture(), layers=2))
    assert (task.recipe, task.checkpoint_every_s) == (expected, CHECKPOINT_EVERY_S)


def test_the_result_of_either_release_is_read():
    expected = Trained(
        "a" * 64, "b" * 64, 135_000_000, Diagnosis("good", ""), {"steps": 10.0, "train_loss": 0.5}
    )
    assert JobDrivers(FakeJobs(RESULT_OF_0_1), OPTIONS).observe("id").result == expected
    limit = {"max_tokens": 96, "max_characters": 600, "cut_share": 0.25}
    newer = RESULT_OF_0_1 | {"prompt_limit": limit}
    known = replace(expected, prompt_limit=PromptLimit(96, 600, 0.25))
    assert JobDrivers(FakeJobs(newer), OPTIONS).observe("id").result == known


def test_a_run_in_pods_has_its_own_driver():
    spec = started(Place(pods="run-1", cpus=6))
    assert (spec["warm"], spec["pods"]) == ("", "run-1")
