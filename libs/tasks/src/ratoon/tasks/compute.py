"""Devices and number format of a stage of the loop: pure values, stored by several services."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Accelerator(StrEnum):
    """Kind of device."""

    CPU = "CPU"
    CUDA = "CUDA"
    NEURON = "NEURON"


class Dtype(StrEnum):
    """Number format of weights and activations."""

    FLOAT32 = "FLOAT32"
    BFLOAT16 = "BFLOAT16"
    FLOAT16 = "FLOAT16"


@dataclass(frozen=True)
class Compute:
    """Devices and number format of a stage; zero devices leave the number to the stage."""

    accelerator: Accelerator = Accelerator.CPU
    dtype: Dtype = Dtype.FLOAT32
    devices: int = 0


class ComputeNotSupported(ValueError):
    """A stage does not compute on such devices; `field` names the setting."""

    code, reason = "FAILED_PRECONDITION", "COMPUTE_NOT_SUPPORTED"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


SCORING_ACCELERATORS = (Accelerator.CPU, Accelerator.CUDA)
"""Accelerators on which models are evaluated and verified."""


def check_compute(
    compute: Compute, field: str, accelerators: Collection[Accelerator] = tuple(Accelerator)
) -> None:
    """Raise ComputeNotSupported unless the stage has such accelerators and one device is enough."""
    if compute.accelerator not in accelerators:
        known = " or ".join(each.lower() for each in accelerators)
        raise ComputeNotSupported(
            f"This stage does not run on {compute.accelerator.lower()}: set {field}.accelerator to {known}.",
            f"{field}.accelerator",
        )
    if not 0 <= compute.devices <= 1:
        raise ComputeNotSupported(
            f"This stage uses one device, not {compute.devices}: leave {field}.devices out.",
            f"{field}.devices",
        )
