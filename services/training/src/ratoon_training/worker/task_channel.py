"""Channel between a driver and its workers: tasks, requests to stop, progress and outcomes.

On one machine they share directories. On an existing Ray cluster the workers run on other nodes: an actor on the
driver's own node reads and writes those directories for them, tokens and artifacts go through the artifact store, and
checkpoints are in a scratch store next to it.
"""

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ratoon.operations.jobs import JobFolder, JobProgress
from ratoon.storage.artifacts import ArtifactStore
from ratoon_training.worker.task_queue import TaskQueue, TrainingTask, read_outcome, write_outcome

JSON = dict[str, Any]


class TaskChannel(Protocol):
    """Source of tasks for the workers of a group, and sink of their outcomes."""

    def next(self) -> int:
        """Return the first number that is not done."""
        ...

    def get(self, number: int) -> TrainingTask | None:
        """Return the task of this number; None if it does not exist yet."""
        ...

    def closed(self) -> bool:
        """Return True if no more tasks follow."""
        ...

    def begin(self, number: int, workers: int) -> None:
        """Record that the group starts a task with this number of workers."""
        ...

    def localize(self, task: TrainingTask) -> tuple[TrainingTask, JobFolder]:
        """Return the task with its inputs on this machine, and the job to which its worker reports."""
        ...

    def settle(self, number: int, task: TrainingTask, job: JobFolder) -> None:
        """Publish the task's outcome, if it has ended, and remove its files from this machine."""
        ...


class FolderChannel:
    """Directories that driver and workers share."""

    def __init__(self, folder: Path) -> None:
        self._queue = TaskQueue(folder)

    def next(self) -> int:
        """Return the first number that is not done."""
        return self._queue.next()

    def get(self, number: int) -> TrainingTask | None:
        """Return the task of this number; None if it does not exist yet."""
        return self._queue.get(number)

    def closed(self) -> bool:
        """Return True if no more tasks follow."""
        return self._queue.closed

    def begin(self, number: int, workers: int) -> None:
        """Record that the group starts a task with this number of workers."""
        self._queue.begin(number, workers)

    def localize(self, task: TrainingTask) -> tuple[TrainingTask, JobFolder]:
        """Return the task as it is: its inputs are on this machine."""
        return task, JobFolder(Path(task.job))

    def settle(self, number: int, task: TrainingTask, job: JobFolder) -> None:
        """Mark the task as done if its outcome is in its job directory."""
        if read_outcome(Path(task.job)) is not None:
            self._queue.finish(number)

    def stop_requested(self, job: str) -> bool:
        """Return True if the platform asked this job to stop."""
        return JobFolder(Path(job)).stop_requested()

    def report(self, job: str, progress: JobProgress) -> None:
        """Report the progress of a job."""
        JobFolder(Path(job)).report(progress)

    def end(self, number: int, job: str, outcome: JSON) -> None:
        """Write the outcome of a job."""
        write_outcome(Path(job), outcome)
        self._queue.finish(number)


class RayChannel:
    """The driver's channel through an actor on its node; a task's inputs are fetched to a directory of this process."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def next(self) -> int:
        """Return the first number that is not done."""
        return int(self._call("next"))

    def get(self, number: int) -> TrainingTask | None:
        """Return the task of this number; None if it does not exist yet."""
        task: TrainingTask | None = self._call("get", number)
        return task

    def closed(self) -> bool:
        """Return True if no more tasks follow."""
        return bool(self._call("closed"))

    def begin(self, number: int, workers: int) -> None:
        """Record that the group starts a task with this number of workers."""
        self._call("begin", number, workers)

    def localize(self, task: TrainingTask) -> tuple[TrainingTask, JobFolder]:
        """Return the task with job and work directories of this process; fetch its tokens and base model."""
        scratch = _scratch()
        shutil.rmtree(scratch, ignore_errors=True)
        (scratch / "job").mkdir(parents=True)
        local = replace(task, job=str(scratch / "job"), work=str(scratch / "work"))
        ArtifactStore(task.artifacts).fetch_tree(task.prepared_digest, local.prepared)
        return local, _RemoteJob(scratch / "job", task.job, self._call)

    def settle(self, number: int, task: TrainingTask, job: JobFolder) -> None:
        """Send the task's outcome, if it has ended, and remove its directory."""
        outcome = read_outcome(job.path)
        if outcome is not None:
            self._call("end", number, task.job, outcome)
        shutil.rmtree(_scratch(), ignore_errors=True)

    def _call(self, method: str, *arguments: Any) -> Any:
        import ray

        return ray.get(getattr(self._actor, method).remote(*arguments))


class _RemoteJob(JobFolder):
    """A job whose directory is on the driver's machine; other files are in a directory of this process."""

    def __init__(self, path: Path, name: str, call: Any) -> None:
        super().__init__(path)
        self._name, self._call = name, call

    def report(self, progress: JobProgress) -> None:
        """Report the progress of the job."""
        self._call("report", self._name, progress)

    def stop_requested(self) -> bool:
        """Return True if the platform asked this job to stop."""
        return bool(self._call("stop_requested", self._name))


def ray_channel(folder: Path, node_id: str) -> RayChannel:
    """Return a channel over this directory for workers on other nodes, by an actor on the node that has it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    affinity = NodeAffinitySchedulingStrategy(node_id, soft=False)
    actor = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=affinity)(FolderChannel)
    return RayChannel(actor.remote(folder))


def _scratch() -> Path:
    """Return this process's directory for one task."""
    return Path(tempfile.gettempdir()) / f"ratoon-training-{os.getpid()}"
