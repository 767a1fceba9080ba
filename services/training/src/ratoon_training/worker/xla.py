"""XLA's device: a NeuronCore of AWS Trainium, or the CPU (`PJRT_DEVICE=CPU`), which stands in for it in tests."""

import functools
from typing import Any

import torch
from torch import Tensor

from ratoon_training.domain.errors import AcceleratorRefused

_ROWS = "rows"
"""Axis of the cores."""
_COMPILATIONS = "CompileTime"
"""Name under which torch-xla counts its compilations."""


def device(cores: int = 1) -> torch.device:
    """Return the XLA device of this process: one core, or several as one, among which `shard` divides rows.

    AcceleratorRefused without torch-xla, with several processes, or with another number of cores. A process that had
    several keeps them.
    """
    try:
        import torch_xla
        from torch_xla import runtime
    except ImportError as error:
        raise AcceleratorRefused(
            "torch-xla is missing here: a run on neuron needs workers of the image `worker` for Neuron, or the "
            "accelerator cpu or cuda."
        ) from error
    if runtime.world_size() != 1:
        raise AcceleratorRefused(
            f"XLA counts {runtime.world_size()} processes: a run on neuron has one, with all of its NeuronCores."
        )
    if cores > 1:
        if not runtime.is_spmd():
            runtime.use_spmd()
        if (known := runtime.global_runtime_device_count()) != cores:
            raise AcceleratorRefused(
                f"XLA has {known} NeuronCores here, and the run requests {cores}: set resources.workers to {known}, or "
                "give its pod as many."
            )
    chosen: torch.device = torch_xla.device()
    return chosen


def shard(tensor: Tensor) -> Tensor:
    """Divide the rows of a tensor of the device among the cores; they must be a multiple of their number."""
    from torch_xla.distributed import spmd

    spmd.mark_sharding(tensor, _mesh(), (_ROWS, *(None for _ in tensor.shape[1:])))
    return tensor


@functools.cache
def _mesh() -> Any:
    import numpy as np
    from torch_xla import runtime
    from torch_xla.distributed import spmd

    count = runtime.global_runtime_device_count()
    return spmd.Mesh(np.arange(count), (count,), (_ROWS,))


def compilations() -> int:
    """Return how many programs this process has compiled."""
    from torch_xla.debug import metrics

    data = metrics.metric_data(_COMPILATIONS)
    return int(data[0]) if data else 0


def seed(number: int, where: torch.device) -> None:
    """Seed the device: what its dropout draws."""
    from torch_xla.core import xla_model

    xla_model.set_rng_state(number, device=str(where))


def compute() -> None:
    """Let the device compute what it was given; values are then read without compiling more."""
    import torch_xla

    torch_xla.sync()
