"""Devices and number formats: as protobuf and back, and whether this machine has them."""

from collections.abc import Iterable
from pathlib import Path

from ratoon.common.v1 import compute_pb2
from ratoon.process.errors import FailedPrecondition
from ratoon.tasks.compute import Accelerator, Compute, Dtype

_GPU_FILES = ("dev/nvidia[0-9]*", "proc/driver/nvidia/gpus/*", "dev/dxg")
"""Files of NVIDIA's driver, the last one in the Windows Subsystem for Linux."""


_MAX_RATE = 1_000_000


def device_rates(separated: str) -> dict[Accelerator, float]:
    """Return the rates of a setting such as `cpu=0.2,cuda=2.9` by device.

    ValueError for unknown devices and for what is not a number from 0.
    """
    rates = {}
    for part in filter(str.strip, separated.split(",")):
        device, _, number = part.partition("=")
        if device.strip().upper() not in (*Accelerator,):
            raise ValueError(f"must name the devices {', '.join(Accelerator).lower()}, as in cpu=0.2")
        rate = float(number)
        if not 0 <= rate < _MAX_RATE:
            raise ValueError(f"must have numbers from 0 to {_MAX_RATE}")
        rates[Accelerator(device.strip().upper())] = rate
    return rates


def message_of(compute: Compute) -> compute_pb2.Compute:
    """Return the message of a stage's devices."""
    return compute_pb2.Compute(
        accelerator=compute_pb2.Compute.Accelerator.Value(f"ACCELERATOR_{compute.accelerator}"),
        dtype=dtype_message(compute.dtype),
        devices=compute.devices,
    )


def compute_of(message: compute_pb2.Compute) -> Compute:
    """Return the devices of a message; what is not set has its default."""
    accelerator = compute_pb2.Compute.Accelerator.Name(message.accelerator).removeprefix("ACCELERATOR_")
    dtype = compute_pb2.Compute.Dtype.Name(message.dtype).removeprefix("DTYPE_")
    return Compute(
        Accelerator(accelerator) if message.accelerator else Accelerator.CPU,
        Dtype(dtype) if message.dtype else Dtype.FLOAT32,
        message.devices,
    )


def dtype_message(dtype: Dtype) -> compute_pb2.Compute.Dtype.ValueType:
    """Return the enum value of a number format."""
    return compute_pb2.Compute.Dtype.Value(f"DTYPE_{dtype}")


def dtypes_of(values: Iterable[compute_pb2.Compute.Dtype.ValueType]) -> tuple[Dtype, ...]:
    """Return the number formats that are named, each once."""
    names = (compute_pb2.Compute.Dtype.Name(value).removeprefix("DTYPE_") for value in values if value)
    return tuple(dict.fromkeys(map(Dtype, names)))


def has_nvidia_gpu(root: Path = Path("/")) -> bool:
    """Return whether NVIDIA's driver has a device on this machine."""
    return any(next(root.glob(pattern), None) is not None for pattern in _GPU_FILES)


class JobDevices:
    """Devices of the machine that runs a service's jobs; those of remote job workers are not known before a job."""

    def __init__(self, *, is_local: bool, root: Path = Path("/")) -> None:
        self._is_local, self._root = is_local, root

    def check(self, compute: Compute) -> None:
        """Raise FailedPrecondition if jobs run here and the accelerator is missing."""
        if self._is_local and compute.accelerator is Accelerator.CUDA and not has_nvidia_gpu(self._root):
            raise FailedPrecondition(
                "This machine has no NVIDIA GPU (no device of its driver was found): use the accelerator cpu, or "
                "install the driver.",
                reason="ACCELERATOR_UNAVAILABLE",
            )
