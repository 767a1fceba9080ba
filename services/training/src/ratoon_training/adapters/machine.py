"""Capacity for new runs, on this machine or in a cluster's pods, and the file of machine families."""

from pathlib import Path

from ratoon_training.adapters.worker_folder import WorkerFolder
from ratoon_training.domain.machines import MachineFamily, parse_families
from ratoon_training.domain.pods import own_bytes, shared_bytes
from ratoon_training.domain.recipes import Accelerator, Resources

FAMILIES_FILE = Path(__file__).with_name("machine_families.json")
"""The families that come with Ratoon."""


class ThisMachine:
    """The machine on which runs start without a cluster. `memory_bytes` of 0 means its free memory."""

    def __init__(self, memory_bytes: int, families_file: Path | None, *, has_gpu: bool = True) -> None:
        """`has_gpu` is False if runs start on this machine alone, and it has no NVIDIA GPU."""
        self._memory_bytes, self._has_gpu = memory_bytes, has_gpu
        self._families = parse_families((families_file or FAMILIES_FILE).read_text())

    def available_bytes(self, resources: Resources) -> int:
        """Memory that a run may take now; 0 if its accelerator is missing."""
        if resources.accelerator is Accelerator.CUDA and not self._has_gpu:
            return 0
        if self._memory_bytes:
            return self._memory_bytes
        free = _free_bytes(Path("/proc/meminfo").read_text())
        return min([free, *headroom(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])

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


def headroom(own: Path, mounted: Path) -> list[int]:
    """Return what the memory control groups of this process leave, in bytes, from its own group to the root.

    `own` is /proc/self/cgroup, `mounted` where the hierarchies are mounted, of version 1 or 2. The page cache that a
    limit can reclaim counts as free.
    """
    left: list[int] = []
    for line in own.read_text().splitlines() if own.exists() else ():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number != "0" and "memory" not in names.split(","):
            continue
        root = mounted if number == "0" else mounted / "memory"
        group = root / path.lstrip("/")
        for each in (group, *group.parents):
            if not each.is_relative_to(root):
                break
            left.extend(_left_in(each))
    return left


_LIMITS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Files of a control group of version 2 and 1: limit, use, and what of the use is reclaimed first."""


def _left_in(group: Path) -> list[int]:
    for limit, use, inactive in _LIMITS:
        stated = _text(group / limit)
        if stated.isdecimal() and (used := _text(group / use)).isdecimal():
            fields = dict(line.split() for line in _text(group / "memory.stat").splitlines())
            return [max(0, int(stated) - int(used) + int(fields.get(inactive, 0)))]
    return []


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _free_bytes(meminfo: str) -> int:
    line = next(line for line in meminfo.splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024
