"""Channel between driver and workers, without Ray: what workers call through the actor exists on the driver's side."""

import json
from pathlib import Path
from typing import Any

import pytest

from ratoon.operations.jobs import JobFolder, JobProgress
from ratoon.storage.artifacts import ArtifactStore
from ratoon_training.domain.recipes import Accelerator, Recipe, Resources
from ratoon_training.worker.task_channel import FolderChannel, RayChannel
from ratoon_training.worker.task_queue import TaskQueue, TrainingTask, read_outcome, write_outcome


class DirectChannel(RayChannel):
    """A channel whose actor is an object of this process."""

    def _call(self, method: str, *arguments: Any) -> Any:
        return getattr(self._actor, method)(*arguments)


@pytest.fixture
def queue(tmp_path: Path) -> TaskQueue:
    (tmp_path / "tasks").mkdir()
    return TaskQueue(tmp_path / "tasks")


@pytest.fixture
def task(tmp_path: Path) -> TrainingTask:
    store = ArtifactStore(str(tmp_path / "artifacts"))
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "train.npz").write_bytes(b"tokens")
    (tmp_path / "job").mkdir()
    return TrainingTask(
        job=str(tmp_path / "job"),
        work=str(tmp_path / "work"),
        artifacts=store.url,
        fence=3,
        recipe=Recipe(labels=("ham", "spam")),
        resources=Resources(Accelerator.CUDA, workers=2),
        pods="run-x",
        scratch="training/w",
        prepared_digest=store.put_tree(tmp_path / "prepared"),
    )


def test_a_task_survives_its_way_through_the_queue(queue, task):
    queue.put(1, task)
    assert queue.get(1) == task
    assert queue.get(2) is None


def test_a_worker_on_another_node_reports_and_ends_through_the_channel(tmp_path, queue, task):
    queue.put(1, task)
    channel = DirectChannel(FolderChannel(tmp_path / "tasks"))
    number = channel.next()
    received = channel.get(number)
    assert received == task
    channel.begin(number, 1)
    local, job = channel.localize(received)
    assert (local.prepared / "train.npz").read_bytes() == b"tokens"
    job.report(JobProgress(fraction=0.5, message="step 1"))
    assert json.loads((Path(task.job) / "progress.json").read_text())["message"] == "step 1"
    assert not job.stop_requested()
    (Path(task.job) / "stop").touch()
    assert job.stop_requested()
    write_outcome(Path(local.job), {"result": {"artifact_digest": "a"}})
    channel.settle(number, received, job)
    assert read_outcome(Path(task.job)) == {"result": {"artifact_digest": "a"}}
    assert (queue.tries(1), queue.done(1), Path(local.job).exists()) == (1, True, False)
    assert not channel.closed()
    queue.close()
    assert channel.closed()


def test_workers_on_the_drivers_machine_share_its_directories(tmp_path, queue, task):
    channel = FolderChannel(tmp_path / "tasks")
    local, job = channel.localize(task)
    assert (local, job.path) == (task, JobFolder(Path(task.job)).path)
    channel.settle(1, task, job)
    assert not queue.done(1)
    write_outcome(Path(task.job), {"reason": "STOPPED", "message": "m"})
    channel.settle(1, task, job)
    assert queue.done(1)
