"""One worker's place among the others: rank, device, and sums over all of them. It works alone as well."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from ratoon_training.domain.recipes import Accelerator, Resources


@dataclass(frozen=True)
class Member:
    """Who this worker is."""

    rank: int = 0
    world: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def leads(self) -> bool:
        """Whether this is the worker that writes and tells."""
        return self.rank == 0

    def share(self, indices: list[int]) -> list[int]:
        """This worker's part of a batch; batches are sorted by length, so the parts are alike."""
        return indices[self.rank :: self.world]

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all workers, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor


def settle(resources: Resources, rank: int, world: int) -> Member:
    """Take the threads and the device that these resources give a worker."""
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(resources.threads or max(1, cores // world))
    if resources.accelerator is Accelerator.CPU:
        return Member(rank, world)
    _settle_bits()
    return Member(rank, world, torch.device("cuda", torch.cuda.current_device()))


def _settle_bits() -> None:
    """Make a GPU's sums a function of what is summed: a run that resumes ends with the bits of one that did not.

    An operation that has no such form raises, and torch names it.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(mode=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # it only looks for faults
