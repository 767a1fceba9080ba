"""XLA's device: a NeuronCore of AWS Trainium, or the CPU (`PJRT_DEVICE=CPU`), which stands in for it in tests."""

import torch

from ratoon_training.domain.errors import AcceleratorRefused

_COMPILATIONS = "CompileTime"
"""Name under which torch-xla counts its compilations."""


def device() -> torch.device:
    """Return the XLA device of this process. AcceleratorRefused without torch-xla, or with several processes."""
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
            f"XLA counts {runtime.world_size()} processes: a run on neuron has one worker with one NeuronCore."
        )
    chosen: torch.device = torch_xla.device()
    return chosen


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
