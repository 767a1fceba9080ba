"""The training driver: a process that owns its Ray and a worker group, trains one run after another, and stays warm.

`ratoon.operations.warm` gives it its life: it takes jobs from a socket in its folder, ends with the job's own process,
and when it was idle for a while. It prepares a run's tokens while Ray and the workers start.
"""

import atexit
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.training_jobs_pb2 import TrainingResult
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon_training.domain.errors import Stopped, TrainingError, WorkersLost
from ratoon_training.domain.places import scratch_name
from ratoon_training.worker import cluster
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.reporting import PREPARED
from ratoon_training.worker.task_queue import TrainingTask, read_outcome
from ratoon_training.worker.unread import unread_attachments
from ratoon_training.worker.worker_group import WorkerGroup

_POLL_S = 0.05
_WAIT_REPORT_S = 20.0
"""Seconds between two reports of what a run waits for whose workers do not start."""
_CAPACITY_S = 1.0
"""Seconds between two looks at the cluster: what it does not have is reported at once."""
_TRIES = 4
"""Maximum starts of one task by a group, after which its workers count as lost."""

_groups: list[WorkerGroup] = []
"""The current group: none before the first run, then one."""


class Ended(TrainingError):
    """Failure of a run that a worker reported; `result` is that of its last good checkpoint, if it has one."""

    def __init__(self, reason: str, message: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.reason, self.result = reason, result


def run(spec: dict[str, Any], job: JobFolder) -> dict[str, Any]:
    """Train one run; the result, or an error with its reason."""
    begun = time.monotonic()
    task = TrainingTask.of_spec(spec, job.path)
    (job.path / "outcome.json").unlink(missing_ok=True)
    with ThreadPoolExecutor(1) as pool:
        prepared = pool.submit(
            prepare, spec, task.recipe, task.prepared, lambda message: _report(job, message)
        )
        group = _group(Path(from_json(JobEnvironment, spec).warm or job.path / "driver"), task)
        prepared.result()
    if cluster.joins_existing():
        task = _remote_task(task)
    preparing = time.monotonic() - begun
    _report(job, "Starting the workers.")
    number = group.submit(task)
    result = _wait(job, group, number)
    seconds = time.monotonic() - begun
    unread = unread_attachments(ArtifactStore(task.artifacts), str(spec["train"]))
    metrics = {**result["metrics"], **unread, "seconds": seconds, "preparing_seconds": preparing}
    return to_json(from_json(TrainingResult, {**result, "metrics": metrics}))


def _remote_task(task: TrainingTask) -> TrainingTask:
    """Return the task for workers on other nodes: prepared tokens as an artifact, checkpoints in a scratch store."""
    digest = ArtifactStore(task.artifacts).put_tree(task.prepared)
    return replace(task, prepared_digest=digest, scratch=scratch_name(Path(task.work).name))


def _counted(workers: int) -> str:
    return (
        "a free processor for the training worker"
        if workers == 1
        else f"capacity for {workers} training workers"
    )


class _Waiting:
    """Reports what a run waits for whose workers do not start: at once if the cluster lacks it, else after a while."""

    def __init__(self, job: JobFolder, group: WorkerGroup) -> None:
        self._job, self._group = job, group
        self._slow_at, self._look_at = time.monotonic() + _WAIT_REPORT_S, time.monotonic() + _CAPACITY_S

    def __call__(self) -> None:
        """Look whether it is time for a report."""
        now, group = time.monotonic(), self._group
        if now < self._look_at:
            return
        self._look_at = now + _CAPACITY_S
        if now < self._slow_at and not cluster.lacks(
            group.workers, group.pods, group.accelerator, group.devices
        ):
            return
        self._look_at = now + _WAIT_REPORT_S
        _report(self._job, f"Waiting for {_counted(group.workers)}: {cluster.capacity(group.pods)}.")


def _wait(job: JobFolder, group: WorkerGroup, number: int) -> dict[str, Any]:
    """Wait for the outcome of a task and return its result."""
    waiting = _Waiting(job, group)
    while (outcome := read_outcome(job.path)) is None:
        if not group.queue.tries(number):
            waiting()
        if job.stop_requested() and not group.queue.tries(number):
            group.queue.finish(number)
            _discard(group)
            raise Stopped("Stopped on request before the first step.")
        if not group.alive:
            _discard(group)
            raise WorkersLost(f"Ray Train could not keep the workers running: {group.error or 'it ended'}.")
        if group.queue.tries(number) > _TRIES:
            _discard(group)
            raise WorkersLost(f"The workers died {_TRIES} times in this run (out of memory? see the log).")
        time.sleep(_POLL_S)
    if "reason" not in outcome:
        result: dict[str, Any] = outcome["result"]
        return result
    raise Ended(outcome["reason"], outcome["message"], outcome.get("result"))


def _group(folder: Path, task: TrainingTask) -> WorkerGroup:
    """Return the current group if it fits the task, else a new one; start Ray for the first."""
    if _groups and _groups[0].fits(task.resources, task.pods):
        return _groups[0]
    for other in list(_groups):
        _discard(other)
    if not cluster.started():
        cluster.start(folder)
        atexit.register(_close)
    _groups.append(WorkerGroup(folder, task.resources, task.pods))
    return _groups[0]


def _discard(group: WorkerGroup) -> None:
    group.close()
    _groups.remove(group)


def _close() -> None:
    """End the workers before Ray, at the driver's end."""
    for group in list(_groups):
        _discard(group)


def _report(job: JobFolder, message: str) -> None:
    job.progress(PREPARED / 2, message)
