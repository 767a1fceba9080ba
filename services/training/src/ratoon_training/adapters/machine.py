"""This machine's memory, and the file of machine families."""

from pathlib import Path

from ratoon_training.domain.machines import MachineFamily, parse_families

FAMILIES_FILE = Path(__file__).with_name("machine_families.json")
"""The families that come with Ratoon."""


class ThisMachine:
    """Where runs start when there is no cluster. `memory_bytes` of 0 means what is free."""

    def __init__(self, memory_bytes: int, families_file: Path | None) -> None:
        self._memory_bytes = memory_bytes
        self._families = parse_families((families_file or FAMILIES_FILE).read_text())

    def available_bytes(self) -> int:
        """Memory that a run may take now."""
        return self._memory_bytes or _free_bytes(Path("/proc/meminfo").read_text())

    def families(self) -> tuple[MachineFamily, ...]:
        """The families that operators can choose from."""
        return self._families


def _free_bytes(meminfo: str) -> int:
    line = next(line for line in meminfo.splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024
