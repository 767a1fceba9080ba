"""Grid of a group's workers, and the process groups of its rows: of data shares, tensor parts and pipeline stages.

Process groups are created once a worker process and layout: a warm group takes many runs.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ratoon_training.domain.parallelism import Layout

_AXES = ("pipeline", "data", "tensor")


@dataclass(frozen=True)
class Mesh:
    """Place of this worker in the grid."""

    layout: Layout
    stage: int
    share: int
    part: int
    axes: Any
    """Device mesh of torch with the axes `pipeline`, `data` and `tensor`."""
    ends: Any
    """Process group of the first and the last stage of this worker's pipeline; None between them, or without one."""

    @property
    def is_first(self) -> bool:
        """True if this worker has the embeddings."""
        return self.stage == 0

    @property
    def is_last(self) -> bool:
        """True if this worker has the output layer."""
        return self.stage == self.layout.pipeline - 1

    def axis(self, name: str) -> Any:
        """Return one axis of the grid as a device mesh."""
        return self.axes[name]

    def sum(self, tensor: Tensor, axis: str) -> Tensor:
        """Return the sum over the workers of one axis, in place."""
        if getattr(self.layout, axis) > 1:
            dist.all_reduce(tensor, group=self.axes.get_group(axis))
        return tensor


def join(backend: str, address: str, rank: int, world_size: int) -> None:
    """Join the process group of all workers at an address that they share.

    Ray lets a worker see its own GPU alone. NCCL is bound to it: it connects now, and names what fails at once.
    """
    device = torch.device("cuda", torch.cuda.current_device()) if backend == "nccl" else None
    dist.init_process_group(backend, init_method=address, rank=rank, world_size=world_size, device_id=device)


def of(layout: Layout, rank: int, device: torch.device) -> Mesh:
    """Return the grid of a layout; every worker of the group calls this at the same time."""
    axes, ends = _groups((layout.pipeline, layout.data, layout.tensor), device.type, dist.get_world_size())
    stage, share, part = layout.place(rank)
    is_end = stage in (0, layout.pipeline - 1)
    return Mesh(layout, stage, share, part, axes, ends[share, part] if ends and is_end else None)


@functools.cache
def _groups(shape: tuple[int, int, int], kind: str, _world: int) -> tuple[Any, dict[tuple[int, int], Any]]:
    from torch.distributed.device_mesh import init_device_mesh

    axes = init_device_mesh(kind, shape, mesh_dim_names=_AXES)
    stages, shares, parts = shape
    if stages == 1:
        return axes, {}
    places = [(share, part) for share in range(shares) for part in range(parts)]
    return axes, {place: dist.new_group(_ends(place, shape)) for place in places}


def _ends(place: tuple[int, int], shape: tuple[int, int, int]) -> Sequence[int]:
    stages, shares, parts = shape
    share, part = place
    return [(stage * shares + share) * parts + part for stage in (0, stages - 1)]
