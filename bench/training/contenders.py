"""Contenders: Ratoon's driver, torchrun, and a stock Ray TorchTrainer; each records when its steps ended."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratoon.operations.jobs import JobState, LocalJobs
from ratoon.process.identity import ProcessIdentity
from ratoon_training.domain.recipes import Accelerator, Recipe

_LOOP = Path(__file__).with_name("loop.py")
_BIN = Path(sys.executable).parent
_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "passive",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_OFFLINE": "1",
}
"""For all alike: threads that wait for each other sleep, as in Ratoon's workers."""
_POLL_S = 0.01
_WITHIN_S = 300.0
SKIPPED = 5
"""First steps, in which memory is taken: they are not steady."""


class BenchError(Exception):
    """A contender failed; the message names its log."""


@dataclass(frozen=True)
class Run:
    """Seconds from the submission to the end of the first step, and of each steady step."""

    first_step_s: float
    steady_s: list[float]

    @property
    def step_s(self) -> float:
        """Seconds of a steady step, on average."""
        return sum(self.steady_s) / len(self.steady_s)


@dataclass(frozen=True)
class Task:
    """Training of all contenders: a stored split, a recipe, a number of steps."""

    folder: Path
    artifacts: str
    train: str
    validation: str
    recipe: Recipe
    steps: int
    accelerator: Accelerator


class Ratoon:
    """Runs as the training service starts them; the driver stays warm between them."""

    name = "ratoon"

    def __init__(self, task: Task) -> None:
        self._task, self._jobs = task, LocalJobs(task.folder / "jobs", _ENVIRONMENT)
        self._warm = task.folder / "warm"
        self.prepared = Path()
        """The tokens of the latest run."""

    def run(self) -> Run:
        """Submit a run and follow its live curve to its end."""
        job_id = uuid.uuid4().hex
        work = self._task.folder / "work" / job_id
        curve = self._jobs.folder(job_id) / "curve.jsonl"
        submitted = time.time()
        self._jobs.start(job_id, "ratoon_training.worker", self._spec(work))
        first = self._first_line(curve, job_id)
        while (status := self._jobs.observe(job_id)).state is JobState.RUNNING:
            time.sleep(_POLL_S)
        if status.state is not JobState.SUCCEEDED:
            raise BenchError(f"Ratoon's run ended as {status.state}: {status.message}")
        self.prepared = work / "prepared"
        rows = [json.loads(line) for line in curve.read_text().splitlines()]
        return Run(first - submitted, _steady([row["seconds"] for row in rows if "seconds" in row]))

    def close(self) -> None:
        """End the warm driver."""
        if (mark := ProcessIdentity.read(self._warm)) is not None and mark.alive():
            os.kill(mark.pid, signal.SIGTERM)

    def _spec(self, work: Path) -> dict[str, Any]:
        task = self._task
        return {
            "warm": str(self._warm),
            "warm_idle_s": 120.0,
            "artifacts": task.artifacts,
            "work": str(work),
            "fence": 1,
            "train": task.train,
            "validation": task.validation,
            "recipe": task.recipe.as_json(),
            "resources": {"accelerator": task.accelerator, "workers": 1, "threads": 0},
        }

    def _first_line(self, curve: Path, job_id: str) -> float:
        until = time.time() + _WITHIN_S
        while not (curve.exists() and curve.stat().st_size):
            if time.time() > until or self._jobs.observe(job_id).state is JobState.FAILED:
                raise BenchError(f"Ratoon took no step; see {curve.parent}.")
            time.sleep(_POLL_S)
        return time.time()


class Plain:
    """The plain loop, in a process of its own each time."""

    def __init__(self, name: str, task: Task, command: list[str], *options: str) -> None:
        self.name, self._task, self._command, self._options = name, task, command, options

    def run(self, prepared: Path) -> Run:
        """Train on tokens that are prepared already."""
        times = self._task.folder / f"{self.name}-{uuid.uuid4().hex}.json"
        config = times.with_suffix(".config")
        task = self._task
        values = {"prepared": str(prepared), "times": str(times), "steps": task.steps}
        values |= {"device": task.accelerator.lower(), "recipe": task.recipe.as_json()}
        config.write_text(json.dumps(values))
        log = times.with_suffix(".log")
        submitted = time.time()
        with log.open("w") as sink:
            command = [*self._command, str(_LOOP), str(config), *self._options]
            done = subprocess.run(command, stdout=sink, stderr=sink, env=os.environ | _ENVIRONMENT)
        if done.returncode:
            raise BenchError(f"{self.name} failed:\n{log.read_text()[-2000:]}")
        ends: list[float] = json.loads(times.read_text())
        return Run(ends[0] - submitted, _steady(ends))


def torchrun(task: Task) -> Plain:
    """The plain loop under torchrun."""
    return Plain("torchrun", task, [str(_BIN / "torchrun"), "--nproc-per-node", "1"])


def ray_train(task: Task) -> Plain:
    """The plain loop under a stock Ray TorchTrainer."""
    return Plain("ray train", task, [sys.executable], "--ray")


def _steady(ends: list[float]) -> list[float]:
    return [after - before for before, after in zip(ends[SKIPPED:], ends[SKIPPED + 1 :], strict=False)]
