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


INT8, INT4 = "int8", "int4"
"""Weights of 8 bits with activations of 8 bits (W8A8), and weights of 4 bits (W4A16)."""


def cpu_flags(cpuinfo: str) -> frozenset[str]:
    """Return the features of the first processor in the text of `/proc/cpuinfo`; none on other machines."""
    line = next((line for line in cpuinfo.splitlines() if line.startswith(("flags", "Features"))), "")
    return frozenset(line.partition(":")[2].split())


def weights_misfit(weights: str, compute: Compute, flags: Collection[str] | None = None) -> str:
    """Return why an engine with these devices cannot compute such weights, and what can; empty if it can.

    `weights` is INT8 or INT4, empty for floating point. `flags` are the features of the processor; None: not known.
    Measured with vLLM 0.32 on a CPU: the kernel of W4A16 is in the library for AVX-512 alone and takes no 32-bit
    activations, and the kernel of W8A8 for AMX takes none either.
    """
    if weights not in (INT8, INT4):
        return ""
    if compute.accelerator is Accelerator.NEURON:
        return f"engines on neuron do not compute {weights} weights. Serve the version from which this one was made."
    is_cpu = compute.accelerator is Accelerator.CPU
    if is_cpu and weights == INT4 and flags is not None and "avx512f" not in flags:
        return (
            "the kernel of vLLM for int4 weights needs AVX-512, which the processor lacks. Serve the model in int8, or "
            "this version on an NVIDIA GPU."
        )
    without_kernel = not is_cpu or weights == INT4 or (flags is not None and "amx_int8" in flags)
    if without_kernel and compute.dtype is Dtype.FLOAT32:
        return (
            f"the kernels for {weights} weights take activations of 16 bits. Set the number format bfloat16."
        )
    return ""
