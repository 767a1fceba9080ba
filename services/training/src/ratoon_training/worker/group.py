"""A worker group that stays: one `fit()` of Ray Train whose workers take order after order.

Ray Train starts the group again when a worker dies; the order in hand then resumes from its last checkpoint.
"""

import shutil
import threading
import traceback
import uuid
from pathlib import Path

from ratoon_training.domain.recipes import Accelerator, Resources
from ratoon_training.worker.cluster import WORKER_CPUS
from ratoon_training.worker.orders import Order, Orders
from ratoon_training.worker.serving_orders import serve

_CLOSING_S = 15.0


class Group:
    """Workers of one size and kind, between their start and their end."""

    def __init__(self, folder: Path, resources: Resources) -> None:
        self._folder = folder / f"group-{uuid.uuid4().hex[:8]}"
        (self._folder / "orders").mkdir(parents=True)
        self.workers, self.accelerator = resources.workers, resources.accelerator
        self.orders = Orders(self._folder / "orders")
        self.number = 0
        self.error = ""
        self._thread = threading.Thread(target=self._fit, name="ray-train", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether Ray Train still runs the group."""
        return self._thread.is_alive()

    def fits(self, resources: Resources) -> bool:
        """Whether the group is what these resources ask for."""
        return self.alive and (self.workers, self.accelerator) == (resources.workers, resources.accelerator)

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

    def _fit(self) -> None:
        from ray.train import FailureConfig, RunConfig, ScalingConfig

        from ratoon_training.worker.trainer import ProcessGroupConfig, Trainer

        cuda = self.accelerator is Accelerator.CUDA
        try:
            Trainer(
                serve,
                train_loop_config={"orders": str(self._folder / "orders")},
                scaling_config=ScalingConfig(
                    num_workers=self.workers,
                    use_gpu=cuda,
                    resources_per_worker={"CPU": WORKER_CPUS, **({"GPU": 1} if cuda else {})},
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
