"""Capacity for new runs, on this machine or in a cluster's pods, and the file of machine families."""

from pathlib import Path

from ratoon_training.adapters.worker_folder import WorkerFolder
from ratoon_training.domain.machines import MachineFamily, parse_families
from ratoon_training.domain.pods import own_bytes, shared_bytes
from ratoon_training.domain.recipes import Resources

FAMILIES_FILE = Path(__file__).with_name("machine_families.json")
"""The families that come with Ratoon."""


class ThisMachine:
    """The machine on which runs start without a cluster. `memory_bytes` of 0 means its free memory."""

    def __init__(self, memory_bytes: int, families_file: Path | None) -> None:
        self._memory_bytes = memory_bytes
        self._families = parse_families((families_file or FAMILIES_FILE).read_text())

    def available_bytes(self, resources: Resources) -> int:
        """Memory that a run may take now."""
        return self._memory_bytes or _free_bytes(Path("/proc/meminfo").read_text())

    def families(self) -> tuple[MachineFamily, ...]:
        """The families that operators can choose from."""
        return self._families


class ClusterPods:
    """Pods of a cluster, dedicated or shared. `memory_bytes` of 0 means the memory of the shared ones."""

    def __init__(self, folder: WorkerFolder, memory_bytes: int, families_file: Path | None) -> None:
        self._folder, self._memory_bytes = folder, memory_bytes
        self._families = parse_families((families_file or FAMILIES_FILE).read_text())

    def available_bytes(self, resources: Resources) -> int:
        """Return the memory that a run may plan with, regardless of other runs: it waits for its pods."""
        max_pod_bytes = self._folder.max_bytes(resources.accelerator)
        if max_pod_bytes is not None:
            return own_bytes(resources, max_pod_bytes)
        return self._memory_bytes or shared_bytes(resources, self._folder.shared_pods())

    def families(self) -> tuple[MachineFamily, ...]:
        """The families that operators can choose from."""
        return self._families


def _free_bytes(meminfo: str) -> int:
    line = next(line for line in meminfo.splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024
