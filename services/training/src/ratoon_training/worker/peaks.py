"""Peak memory of a worker and the energy of its machine, from the start of a run.

A warm worker trains one run after another: the kernel's mark of the highest resident memory is lowered at the start of
each run, so that a run does not inherit the peak of the one before.
"""

import resource
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

WATTS_PER_CORE = 15.0
"""Power of a busy core with its share of memory and power supply; a guess where nothing measures."""
_IDLE_WATTS = 5.0
"""Power of an idle machine that a run is charged with, in the estimate alone."""
_LOWER_THE_PEAK = "5"


class EnergySource(IntEnum):
    """Origin of the energy of a run. Stored with runs: numbers keep their meaning."""

    ESTIMATED = 0
    """Processor time times a constant."""
    RAPL = 1
    """Counters of the processor packages; what else runs on the machine counts as well."""
    NVML = 2
    """Counter of the GPU, and an estimate of the processors."""


class PeakMemory:
    """Highest memory since the start: resident memory of this process, of a GPU what torch reserved."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self._is_lowered = lower_peak()

    def read(self) -> int:
        """Return the peak in bytes."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_reserved(self._device))
        return peak_bytes() if self._is_lowered else process_peak_bytes()


class Energy:
    """Energy of this machine since the start, in watt-hours."""

    def __init__(self, device: torch.device, powercap: Path = Path("/sys/class/powercap")) -> None:
        self._device, self._zones = device, _Zones.below(powercap)
        self._began = time.monotonic(), time.process_time()
        self._packages, self._gpu = self._zones.joules(), _gpu_joules(device)

    def read(self) -> tuple[float, EnergySource]:
        """Return the watt-hours and their origin."""
        wall, busy = time.monotonic() - self._began[0], time.process_time() - self._began[1]
        packages = self._zones.since(self._packages)
        processors = packages if packages is not None else WATTS_PER_CORE * busy + _IDLE_WATTS * wall
        gpu = _gpu_joules(self._device)
        if gpu is not None and self._gpu is not None:
            return (processors + gpu - self._gpu) / 3600, EnergySource.NVML
        source = EnergySource.ESTIMATED if packages is None else EnergySource.RAPL
        return processors / 3600, source


@dataclass(frozen=True)
class _Zones:
    """Counters of the processor packages, each with the number at which it begins again."""

    counters: tuple[tuple[Path, int], ...]

    @staticmethod
    def below(powercap: Path) -> "_Zones":
        return _Zones(tuple(_readable(powercap)))

    def joules(self) -> tuple[int, ...]:
        """Return the counters, in microjoules."""
        return tuple(int(path.read_text()) for path, _ in self.counters)

    def since(self, earlier: tuple[int, ...]) -> float | None:
        """Return the joules since then; None: nothing measures."""
        if not self.counters:
            return None
        pairs = zip(self.counters, self.joules(), earlier, strict=True)
        # A counter that is lower than before began again once.
        return sum((now - before) % limit for (_, limit), now, before in pairs) / 1e6


def _readable(powercap: Path) -> Iterator[tuple[Path, int]]:
    for zone in sorted(powercap.glob("intel-rapl:*")):
        if zone.name.count(":") > 1:
            continue  # part of a package
        try:
            int((zone / "energy_uj").read_text())
            yield zone / "energy_uj", int((zone / "max_energy_range_uj").read_text()) + 1
        except (OSError, ValueError):
            continue


def _gpu_joules(device: torch.device) -> float | None:
    """Return the energy counter of the GPU; None: this device has none."""
    if device.type != "cuda":
        return None
    try:
        pynvml = import_module("pynvml")  # part of GPU images; not of the environment that Ratoon installs
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(device.index or 0)
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
    except Exception:  # a driver or a GPU without the counter
        return None


def lower_peak() -> bool:
    """Lower the kernel's mark of the highest resident memory to the current one; False if it does not let us."""
    try:
        Path("/proc/self/clear_refs").write_text(_LOWER_THE_PEAK)
    except OSError:
        return False
    return True


def peak_bytes() -> int:
    """Return the kernel's mark of the highest resident memory of this process."""
    return _status("VmHWM") or process_peak_bytes()


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    return _status("VmRSS")


def process_peak_bytes() -> int:
    """Return the highest resident memory since the start of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def distinct_bytes(tensors: Iterable[Tensor]) -> int:
    """Return the bytes of tensors, each storage once: a head that is tied to the embeddings shares theirs."""
    storages = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors}
    return sum(storages.values())


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    stated = next((line for line in lines if line.startswith(f"{name}:")), "")
    return int(stated.split()[1]) * 1024 if stated else 0
