"""A worker group that stays: one `fit()` of Ray Train whose workers take order after order.

Ray Train starts the group again when a worker dies; the order in hand then resumes from its last checkpoint.
"""

import shutil
import threading
import traceback
import uuid
from pathlib import Path

from ratoon_training.domain.recipes import Accelerator, Resources
from ratoon_training.worker import cluster
from ratoon_training.worker.task_channel import Desk, FolderDesk, far_desk
from ratoon_training.worker.task_loop import serve
from ratoon_training.worker.task_queue import Order, Orders

_CLOSING_S = 15.0


class Group:
    """Workers of one size and kind, between their start and their end."""

    def __init__(self, folder: Path, resources: Resources, pods: str = "") -> None:
        self._folder = folder / f"group-{uuid.uuid4().hex[:8]}"
        (self._folder / "orders").mkdir(parents=True)
        self.workers, self.accelerator, self.pods = resources.workers, resources.accelerator, pods
        self.orders = Orders(self._folder / "orders")
        self._desk = self._open_desk()
        self.number = 0
        self.error = ""
        self._thread = threading.Thread(target=self._fit, name="ray-train", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether Ray Train still runs the group."""
        return self._thread.is_alive()

    def fits(self, resources: Resources, pods: str) -> bool:
        """Whether the group is what these resources ask for, in these pods."""
        asked = (resources.workers, resources.accelerator, pods)
        return self.alive and (self.workers, self.accelerator, self.pods) == asked

    def submit(self, order: Order) -> int:
        """Queue an order; its number."""
        self.number += 1
        self.orders.put(self.number, order)
        return self.number

    def close(self) -> None:
        """Let the workers end, and forget the folder."""
        self.orders.close()
        self._thread.join(_CLOSING_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _open_desk(self) -> Desk:
        """Where the workers find their orders: by way of an actor where they share no folder with this process."""
        folder = self._folder / "orders"
        return far_desk(folder, cluster.node_id()) if cluster.given() else FolderDesk(folder)

    def _fit(self) -> None:
        from ray.train import FailureConfig, RunConfig, ScalingConfig

        from ratoon_training.worker.trainer import ProcessGroupConfig, Trainer

        cuda = self.accelerator is Accelerator.CUDA
        try:
            Trainer(
                serve,
                train_loop_config={"desk": self._desk},
                scaling_config=ScalingConfig(
                    num_workers=self.workers,
                    use_gpu=cuda,
                    resources_per_worker=cluster.asked_by_worker(self.pods, cuda),
                ),
                run_config=RunConfig(
                    name="ratoon",
                    storage_path=str(self._folder),
                    failure_config=FailureConfig(max_failures=-1),
                ),
                backend_config=ProcessGroupConfig(backend="nccl" if cuda else "gloo"),
            ).fit()
        except Exception as error:
            traceback.print_exc()
            self.error = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
