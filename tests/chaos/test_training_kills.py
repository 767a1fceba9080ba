"""A training run that is killed in a step, in a checkpoint or in between ends with the weights of one never killed.

The digests compared name the artifact's tree, in which each file stands with its own sha256.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ratoon.testkit.models import tiny_llama
from ratoon.testkit.waiting import until
from ratoon_training.domain.recipes import Method
from services.training.tests.integration.conftest import Task
from services.training.tests.integration.test_driver import LONG, Driver

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]
Condition = Callable[[Driver, str, set[str]], bool]
"""Condition on a run's checkpoints; `before` are those published when the wait began."""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    driver = Driver(Task(tmp_path_factory.mktemp("training")))
    yield driver
    for pid in driver.pids("operations.warm"):
        os.kill(pid, signal.SIGKILL)


def in_a_checkpoint(driver: Driver, name: str, before: set[str]) -> bool:
    """One is being written."""
    return bool(driver.checkpoints(name, ".step-*"))


def in_a_step(driver: Driver, name: str, before: set[str]) -> bool:
    """None is being written."""
    return not driver.checkpoints(name, ".step-*")


def in_between(driver: Driver, name: str, before: set[str]) -> bool:
    """One has been published since `before`, and the next is not begun."""
    published = driver.checkpoints(name, "step-*") - before
    return len(published) == 1 and not driver.checkpoints(name, ".step-*")


def kill_workers(driver: Driver, name: str, condition: Condition) -> None:
    """kill -9 the workers of a run that is under way, once they were stopped under this condition."""
    driver.steps(name, 40)
    pids = driver.pids("ray::RayTrainWorker")
    assert pids
    deadline = time.monotonic() + 30
    while not stopped(driver, name, condition, pids):
        assert time.monotonic() < deadline, f"the run was never {condition.__name__}"
    signal_all(pids, signal.SIGKILL)


def stopped(driver: Driver, name: str, condition: Condition, pids: list[int]) -> bool:
    """Stop the workers under a condition; return True if it still holds, else let them continue."""
    before = driver.checkpoints(name, "step-*")
    deadline = time.monotonic() + 1
    while not condition(driver, name, before):
        if time.monotonic() > deadline:
            return False
    signal_all(pids, signal.SIGSTOP)
    until(lambda: all(map(is_stopped, pids)), 10, interval_s=0.001)
    if condition(driver, name, before):
        return True
    signal_all(pids, signal.SIGCONT)
    return False


def is_stopped(pid: int) -> bool:
    """Return whether every thread of a process is stopped."""
    try:
        stats = [stat.read_text() for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:  # a thread has just ended
        return False
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


@pytest.mark.parametrize(
    ("condition", "workers"),
    [
        pytest.param(in_a_step, 1, marks=pytest.mark.thorough),
        (in_a_step, 2),
        pytest.param(in_a_checkpoint, 1, marks=pytest.mark.thorough),
        (in_a_checkpoint, 2),
        (in_between, 1),
        pytest.param(in_between, 2, marks=pytest.mark.thorough),
    ],
)
def test_workers_killed_at_any_time_end_with_the_same_weights(driver, condition, workers):
    driver.start(f"whole-{workers}", workers=workers)
    whole = driver.digest(f"whole-{workers}")
    name = f"killed-{condition.__name__}-{workers}"
    driver.start(name, workers=workers, checkpoint_every_s=0.5 if condition is in_a_step else 0.0)
    kill_workers(driver, name, condition)
    assert driver.digest(name) == whole


def packed(driver: Driver, folder: Path) -> dict[str, Any]:
    """Samples that share a row without padding."""
    return {"recipe": replace(LONG, packed=True)}


def lora(driver: Driver, folder: Path) -> dict[str, Any]:
    """An adapter of a base model that does not change."""
    base = driver.task.store.put_tree(tiny_llama(folder / "base", seed=3))
    return {"recipe": replace(LONG, method=Method.LORA, lora_rank=4), "base": base}


@pytest.mark.parametrize("how", [pytest.param(packed, marks=pytest.mark.thorough), lora])
def test_adapters_and_packed_runs_that_are_killed_end_with_the_same_weights_too(driver, tmp_path, how):
    options = how(driver, tmp_path)
    driver.start(f"whole-{how.__name__}", **options)
    whole = driver.digest(f"whole-{how.__name__}")
    name = f"killed-{how.__name__}"
    driver.start(name, **options)
    kill_workers(driver, name, in_a_checkpoint)
    assert driver.digest(name) == whole
