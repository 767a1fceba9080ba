"""Persistent worker group: one `fit()` of Ray Train whose workers take task after task.

Ray Train restarts the group when a worker dies; the current task then resumes from its last checkpoint.
"""

import shutil
import threading
import traceback
import uuid
from pathlib import Path

from ratoon_training.domain.parallelism import GroupSize
from ratoon_training.domain.recipes import Accelerator, Resources
from ratoon_training.worker import cluster
from ratoon_training.worker.task_channel import FolderChannel, TaskChannel, ray_channel
from ratoon_training.worker.task_loop import run_tasks
from ratoon_training.worker.task_queue import TaskQueue, TrainingTask

_CLOSING_S = 15.0


class WorkerGroup:
    """Workers of one number and device kind, from their start to their end."""

    def __init__(self, folder: Path, resources: Resources, pods: str = "") -> None:
        self._folder = folder / f"group-{uuid.uuid4().hex[:8]}"
        (self._folder / "tasks").mkdir(parents=True)
        self.workers, self.accelerator, self.pods = resources.processes, resources.accelerator, pods
        self.devices = resources.devices
        self._size = _size(resources)
        self.queue = TaskQueue(self._folder / "tasks")
        self._channel = self._open_channel()
        self.number = 0
        self.error = ""
        self._thread = threading.Thread(target=self._fit, name="ray-train", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """True if Ray Train still runs the group."""
        return self._thread.is_alive()

    def fits(self, resources: Resources, pods: str) -> bool:
        """Return True if the group has these resources, in these pods."""
        requested = (_size(resources), resources.devices, resources.accelerator, pods)
        return self.alive and (self._size, self.devices, self.accelerator, self.pods) == requested

    def submit(self, task: TrainingTask) -> int:
        """Queue a task and return its number."""
        self.number += 1
        self.queue.put(self.number, task)
        return self.number

    def close(self) -> None:
        """Let the workers end, and remove the directory."""
        self.queue.close()
        self._thread.join(_CLOSING_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _open_channel(self) -> TaskChannel:
        """Return the source of the workers' tasks: an actor if they share no directory with this process."""
        folder = self._folder / "tasks"
        return ray_channel(folder, cluster.node_id()) if cluster.joins_existing() else FolderChannel(folder)

    def _fit(self) -> None:
        from ray.train import FailureConfig, RunConfig, ScalingConfig

        from ratoon_training.worker.trainer import ProcessGroupConfig, Trainer

        cuda = self.accelerator is Accelerator.CUDA
        try:
            Trainer(
                run_tasks,
                train_loop_config={"channel": self._channel},
                scaling_config=ScalingConfig(
                    num_workers=self.workers,
                    use_gpu=cuda,
                    resources_per_worker=cluster.worker_resources(self.pods, self.accelerator, self.devices),
                ),
                run_config=RunConfig(
                    name="ratoon",
                    storage_path=str(self._folder),
                    failure_config=FailureConfig(max_failures=-1),
                ),
                backend_config=ProcessGroupConfig(backend="nccl" if cuda else "gloo"),
                size=self._size,
            ).fit()
        except Exception as error:
            traceback.print_exc()
            self.error = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__


def _size(resources: Resources) -> GroupSize:
    layout = resources.layout
    return GroupSize(resources.processes, resources.parallelism.min_workers, layout.tensor * layout.pipeline)
