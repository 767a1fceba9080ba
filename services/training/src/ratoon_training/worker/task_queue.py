"""Training tasks from a driver to its workers: JSON files in a queue directory. It knows neither Ray nor torch.

Every worker of the group takes each task. Files of task N: `N.json` (the task), `N.tries` (one byte for each start
by the group: its number of workers) and `N.done`. A restarted group continues with the first task that is not done.
"""

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.training_jobs_pb2 import TrainingRecipe, TrainingSpec
from ratoon.operations.job_messages import from_json, to_json
from ratoon.process.files import write_json
from ratoon.service.tasks import task_of
from ratoon_training.domain.parallelism import Parallelism
from ratoon_training.domain.recipes import Accelerator, Recipe, Resources

CHECKPOINT_EVERY_S = 5.0
"""Seconds between two checkpoints of a spec that does not state them."""


@dataclass(frozen=True)
class TrainingTask:
    """One run for a worker group: its job and work directories, recipe and resources."""

    job: str
    work: str
    artifacts: str
    fence: int
    recipe: Recipe
    resources: Resources
    base: str = ""
    checkpoint_every_s: float = CHECKPOINT_EVERY_S
    memory_limit_bytes: int = 0
    pods: str = ""
    """Ray resource of the dedicated pods of its workers; empty: any node with capacity."""
    scratch: str = ""
    """Name of the scratch store that holds checkpoints; empty: they are in the work directory."""
    prepared_digest: str = ""
    """Digest of the prepared tree, for workers that do not share the work directory."""
    record_scores: bool = False
    """True if the answers to each validation record are stored."""

    @staticmethod
    def of_spec(raw_spec: dict[str, Any], job: Path) -> "TrainingTask":
        """Return the task of a job's spec, the JSON of a `JobEnvironment` and a `TrainingSpec`."""
        environment, spec = from_json(JobEnvironment, raw_spec), from_json(TrainingSpec, raw_spec)
        stated = spec.HasField("checkpoint_every_s")
        return TrainingTask(
            job=str(job),
            work=environment.work,
            artifacts=environment.artifacts,
            fence=spec.fence,
            recipe=_recipe(spec.recipe),
            resources=_resources(to_json(spec.resources)),
            base=spec.base,
            checkpoint_every_s=spec.checkpoint_every_s if stated else CHECKPOINT_EVERY_S,
            memory_limit_bytes=spec.memory_limit_bytes,
            pods=spec.pods,
            record_scores=spec.record_scores,
        )

    @property
    def prepared(self) -> Path:
        """Directory of the prepared tokens."""
        return Path(self.work) / "prepared"


def _recipe(message: TrainingRecipe) -> Recipe:
    """Return a recipe; what an earlier release did not state has its default."""
    stated = {name: value for name, value in to_json(message).items() if value is not None}
    shape = {name: value for name, value in (stated.get("architecture") or {}).items() if value is not None}
    task = asdict(task_of(message.task)) if message.HasField("task") else None
    return Recipe.parse({**stated, "architecture": shape, "task": task})


def _resources(value: dict[str, Any]) -> Resources:
    return Resources(
        Accelerator(value["accelerator"]),
        int(value["workers"]),
        int(value["threads"]),
        Parallelism.parse(value.get("parallelism")),
    )


class TaskQueue:
    """Queue of tasks between a driver and one worker group: a directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, number: int, task: TrainingTask) -> None:
        """Add a task."""
        value = {**asdict(task), "recipe": task.recipe.as_json(), "resources": _plain(task.resources)}
        write_json(self._folder / f"{number:06d}.json", value, durable=False)

    def get(self, number: int) -> TrainingTask | None:
        """Return the task of this number; None if it does not exist yet."""
        path = self._folder / f"{number:06d}.json"
        if not path.exists():
            return None
        value = json.loads(path.read_text())
        recipe, resources = Recipe.parse(value.pop("recipe")), _resources(value.pop("resources"))
        return TrainingTask(**value, recipe=recipe, resources=resources)

    def next(self) -> int:
        """Return the first number that is not done."""
        number = 1
        while self.done(number):
            number += 1
        return number

    def begin(self, number: int, workers: int = 1) -> None:
        """Record that the group starts a task with this number of workers."""
        with (self._folder / f"{number:06d}.tries").open("ab") as tries:
            tries.write(bytes([workers]))

    def tries(self, number: int) -> int:
        """Return how often the group started this task, without the starts that changed its number of workers."""
        path = self._folder / f"{number:06d}.tries"
        starts = path.read_bytes() if path.exists() else b""
        return len(starts) - sum(before != after for before, after in pairwise(starts))

    def finish(self, number: int) -> None:
        """Record that the task is done, with or without success."""
        (self._folder / f"{number:06d}.done").touch()

    def done(self, number: int) -> bool:
        """Return True if the task is done."""
        return (self._folder / f"{number:06d}.done").exists()

    def close(self) -> None:
        """Record that no more tasks follow: the group may end."""
        (self._folder / "closed").touch()

    @property
    def closed(self) -> bool:
        """True if no more tasks follow."""
        return (self._folder / "closed").exists()


def _plain(resources: Resources) -> dict[str, Any]:
    return {**asdict(resources), "accelerator": resources.accelerator.value}


def write_outcome(job: Path, outcome: dict[str, Any]) -> None:
    """Write a run's outcome for the driver: `{"result": …}` or `{"reason": …, "message": …}`."""
    write_json(job / "outcome.json", outcome)


def read_outcome(job: Path) -> dict[str, Any] | None:
    """Return a run's outcome; None until it has ended."""
    path = job / "outcome.json"
    if not path.exists():
        return None
    value: dict[str, Any] = json.loads(path.read_text())
    return value
