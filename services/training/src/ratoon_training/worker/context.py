"""Context of one worker in its group: rank, device, and sums over all workers. It also works without a group."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from ratoon_training.domain.recipes import Accelerator, Dtype, Resources
from ratoon_training.worker import mesh, xla
from ratoon_training.worker.mesh import Mesh


@dataclass(frozen=True)
class WorkerContext:
    """Rank, number of workers and device of this worker."""

    rank: int = 0
    world_size: int = 1
    device: torch.device = torch.device("cpu")
    mesh: Mesh | None = None
    """Place in a group whose workers divide the model among them; None: each of them holds all of it."""
    devices: int = 1
    """Number of devices of this process: of several, `device` stands for all."""

    @property
    def leads(self) -> bool:
        """True if this worker writes checkpoints and reports."""
        return self.rank == 0

    @property
    def data_rank(self) -> int:
        """Number of this worker's share of the data."""
        return self.rank if self.mesh is None else self.mesh.share

    @property
    def data_size(self) -> int:
        """Number of shares of the data."""
        return self.world_size if self.mesh is None else self.mesh.layout.data

    def share(self, indices: list[int]) -> list[int]:
        """Return this worker's part of a batch; batches are sorted by length, so the parts are alike."""
        return indices[self.data_rank :: self.data_size]

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over all shares of the data, in place."""
        if self.mesh is not None:
            return self.mesh.sum(tensor, "data")
        return self.sum_of_workers(tensor)

    def sum_of_workers(self, tensor: Tensor) -> Tensor:
        """Return the sum over all workers, in place."""
        if self.world_size > 1:
            dist.all_reduce(tensor)
        return tensor

    def wait_for_workers(self) -> None:
        """Wait until every worker has come to this place."""
        self.sum_of_workers(torch.zeros(1, device=self.device)).tolist()

    def seed(self, number: int) -> None:
        """Seed torch on the device of this worker alone: all kinds of devices cost more than a step of a tiny model."""
        torch.random.default_generator.manual_seed(number)
        if self.device.type == "cuda":
            torch.cuda.manual_seed_all(number)
        if self.device.type == "xla":
            xla.seed(number, self.device)

    def precision(self, dtype: Dtype) -> torch.autocast:
        """Return a context in which a forward pass computes in this number format; weights stay as they are."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=dtype is Dtype.BFLOAT16)


def set_up_worker(resources: Resources, rank: int, world_size: int) -> WorkerContext:
    """Set the threads and the device of a worker and return its context."""
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(resources.threads or max(1, cores // world_size))
    device = torch.device("cpu")
    if resources.accelerator is Accelerator.NEURON:
        return WorkerContext(rank, world_size, xla.device(resources.devices), None, resources.devices)
    if resources.accelerator is not Accelerator.CPU:
        _use_deterministic_algorithms()
        device = torch.device("cuda", torch.cuda.current_device())
    layout = resources.parallelism.layout(world_size)
    return WorkerContext(rank, world_size, device, mesh.of(layout, rank, device) if layout.divides else None)


def _use_deterministic_algorithms() -> None:
    """Make a GPU's sums a function of what is summed: a run that resumes ends with the bits of one that did not.

    An operation that has no such form raises, and torch names it.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(mode=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # it only looks for faults
