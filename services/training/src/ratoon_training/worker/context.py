"""Context of one worker in its group: rank, device, and sums over all workers. It also works without a group."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from ratoon_training.domain.recipes import Accelerator, Dtype, Resources


@dataclass(frozen=True)
class WorkerContext:
    """Rank, number of workers and device of this worker."""

    rank: int = 0
    world_size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def leads(self) -> bool:
        """True if this worker writes checkpoints and reports."""
        return self.rank == 0

    def share(self, indices: list[int]) -> list[int]:
        """Return this worker's part of a batch; batches are sorted by length, so the parts are alike."""
        return indices[self.rank :: self.world_size]

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over all workers, in place."""
        if self.world_size > 1:
            dist.all_reduce(tensor)
        return tensor

    def seed(self, number: int) -> None:
        """Seed torch on the device of this worker alone: all kinds of devices cost more than a step of a tiny model."""
        torch.random.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed_all(number)

    def precision(self, dtype: Dtype) -> torch.autocast:
        """Return a context in which a forward pass computes in this number format; weights stay as they are."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=dtype is Dtype.BFLOAT16)


def set_up_worker(resources: Resources, rank: int, world_size: int) -> WorkerContext:
    """Set the threads and the device of a worker and return its context."""
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(resources.threads or max(1, cores // world_size))
    if resources.accelerator is Accelerator.CPU:
        return WorkerContext(rank, world_size)
    _use_deterministic_algorithms()
    return WorkerContext(rank, world_size, torch.device("cuda", torch.cuda.current_device()))


def _use_deterministic_algorithms() -> None:
    """Make a GPU's sums a function of what is summed: a run that resumes ends with the bits of one that did not.

    An operation that has no such form raises, and torch names it.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(mode=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # it only looks for faults
