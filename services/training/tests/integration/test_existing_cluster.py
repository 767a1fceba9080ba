"""Runs on an existing Ray cluster: a head that trains nothing, and a node of workers."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ratoon.operations.jobs import JobState, JobStatus, LocalJobs
from ratoon.storage.scratch import ScratchStore
from ratoon.testkit.ports import free_ports
from ratoon.testkit.ray_cluster import RayCluster, ray_cluster
from ratoon.testkit.waiting import until
from ratoon_training.domain.places import scratch_name

from .conftest import RECIPE, Task
from .test_training import train

pytestmark = pytest.mark.ray
LONG = replace(RECIPE, epochs=6.0)
TIMEOUT_S = 200


class Runs:
    """Jobs whose driver joins the cluster."""

    def __init__(self, task: Task, cluster: RayCluster) -> None:
        self.task = task
        self.jobs = LocalJobs(task.folder / "cluster-jobs", cluster.driver_environment)
        self.warm = task.folder / "cluster-warm"

    def start(self, name: str, **options: Any) -> None:
        spec = self.task.spec(name, options.pop("recipe", LONG), checkpoint_every_s=0.0, **options)
        spec |= {"warm": "" if "pods" in spec else str(self.warm), "warm_idle_s": 60}
        self.jobs.start(name, "ratoon_training.worker", spec)

    def until(self, name: str, enough: Callable[[JobStatus], bool]) -> JobStatus:
        deadline = time.monotonic() + TIMEOUT_S
        while not enough(status := self.jobs.observe(name)):
            assert time.monotonic() < deadline and status.state is JobState.RUNNING, (status, self.log(name))
            time.sleep(0.05)
        return status

    def log(self, name: str) -> str:
        return (self.jobs.folder(name) / "log.txt").read_text()[-3000:]

    def end(self, name: str) -> JobStatus:
        return self.until(name, lambda status: status.state is not JobState.RUNNING)

    def digest(self, name: str) -> str:
        status = self.end(name)
        assert status.state is JobState.SUCCEEDED, (status.reason, status.message, self.log(name))
        return str(status.result["artifact_digest"])

    def scratch(self, name: str) -> ScratchStore:
        return ScratchStore(self.task.store.url, scratch_name(name))


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster({"RAY_health_check_period_ms": "300"}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def runs(task, cluster) -> Iterator[Runs]:
    runs = Runs(task, cluster)
    yield runs
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and str(runs.warm) in _line(folder):
            os.kill(int(folder.name), signal.SIGKILL)


def _line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture(scope="module")
def alone(task) -> str:
    """The digest of the run without Ray."""
    return str(train(task, "alone", LONG)["result"]["artifact_digest"])


@pytest.mark.timeout(600)
def test_a_run_waits_for_capacity_and_says_so_then_gives_the_bytes_of_a_run_alone(runs, cluster, alone, task):
    runs.start("waits")
    waiting = runs.until("waits", lambda status: "Waiting for" in status.progress.message)
    assert (
        waiting.progress.message
        == "Waiting for a free processor for the training worker: the Ray cluster has 0 CPUs and 0 GPUs."
    )
    cluster.start_workers(2)
    runs.until("waits", lambda status: status.progress.done > 5)
    assert any(name.startswith("step-") for name in runs.scratch("waits").names())
    assert runs.digest("waits") == alone
    assert not (task.folder / "work/waits/checkpoints").exists()


@pytest.mark.timeout(600)
def test_a_node_that_vanishes_in_the_middle_does_not_change_a_bit(runs, cluster, alone):
    runs.start("vanishes")
    runs.until("vanishes", lambda status: status.progress.done >= 40)
    cluster.kill_workers()
    cluster.start_workers(2)
    assert runs.digest("vanishes") == alone


def test_a_cancelled_run_ends_within_a_step(runs, alone):
    runs.start("cancelled", recipe=replace(RECIPE, epochs=500))
    runs.until("cancelled", lambda status: status.progress.done >= 5)
    runs.jobs.stop("cancelled", grace_s=60)
    status = runs.end("cancelled")
    assert (status.state, status.reason) == (JobState.FAILED, "STOPPED")


@pytest.mark.thorough  # the rights and placement of these pods are in the cluster tier
@pytest.mark.timeout(600)
def test_a_run_with_dedicated_pods_takes_no_others_and_no_other_run_takes_them(runs, cluster, alone):
    """A dedicated pod is a node that offers no processors but one place under the run's name."""
    pods = "run-own-0a1b2c3d4e5f"
    runs.start("own", pods=pods)
    waiting = runs.until("own", lambda status: "Waiting for" in status.progress.message)
    text = "Waiting for a free processor for the training worker: 0 pods of the run's own have joined the Ray cluster."
    assert waiting.progress.message == text  # though the node of before has processors that nobody uses
    cluster.kill_workers()
    cluster.start_workers(0, **{pods: 1.0})
    runs.until("own", lambda status: status.progress.done > 0)
    runs.start("other")
    runs.until("other", lambda status: "the Ray cluster has 0 CPUs" in status.progress.message)
    assert runs.digest("own") == alone
    runs.jobs.stop("other", grace_s=60)
    assert runs.end("other").reason == "STOPPED"


def test_a_cluster_that_is_not_there_is_named(task, cluster, tmp_path):
    address = f"127.0.0.1:{free_ports()[0]}"
    gone = {**cluster.driver_environment, "RATOON_RAY_ADDRESS": address, "RATOON_RAY_JOIN_S": "0"}
    jobs = LocalJobs(tmp_path / "jobs", gone)
    jobs.start("nowhere", "ratoon_training.worker", task.spec("nowhere"))
    until(lambda: jobs.observe("nowhere").state is not JobState.RUNNING, TIMEOUT_S)
    status = jobs.observe("nowhere")
    assert (status.state, status.reason) == (JobState.FAILED, "WORKERS_LOST"), status
    assert "cannot be joined" in status.message


@pytest.mark.thorough  # three nodes start one after the other
@pytest.mark.timeout(900)
def test_a_group_with_a_minimum_goes_on_without_a_node_and_takes_a_new_one_in(runs, cluster):
    for _ in range(2):
        cluster.start_workers(1, elastic=1)
    endless = replace(RECIPE, epochs=1000)
    spec = {"pods": "elastic", "recipe": endless, "workers": 2, "parallelism": {"min_workers": 1}}
    runs.start("shrinks", **spec)
    runs.until("shrinks", lambda status: status.progress.done >= 20 and _workers(status) == 2)
    cluster.kill_workers()
    alone = runs.until("shrinks", lambda status: _workers(status) == 1)
    assert alone.progress.message.endswith(", 1 of 2 workers")
    assert alone.progress.done >= 10, "it goes on from its last checkpoint"
    cluster.start_workers(1, elastic=1)
    again = runs.until("shrinks", lambda status: _workers(status) == 2)
    assert again.progress.done >= alone.progress.done - 5
    assert "of 2 workers" not in again.progress.message
    runs.jobs.stop("shrinks", grace_s=60)
    assert runs.end("shrinks").reason == "STOPPED"


def _workers(status: JobStatus) -> int:
    return int((status.progress.metrics or {}).get("workers", 0))
