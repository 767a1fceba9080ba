"""Identity of a process: a pid alone may be reused by another one."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

_FILE = "process.json"
"""Name of the file in which a directory records its process."""


@dataclass(frozen=True)
class ProcessIdentity:
    """Pid and kernel start time, in clock ticks since boot; 0 ticks: the process had ended when it was read."""

    pid: int
    start_ticks: int

    @staticmethod
    def of(pid: int) -> "ProcessIdentity":
        """Return the identity of the process that has this pid now."""
        return ProcessIdentity(pid, _start_ticks(pid) or 0)

    @staticmethod
    def current() -> "ProcessIdentity":
        """Return the identity of this process."""
        return ProcessIdentity.of(os.getpid())

    @staticmethod
    def read(folder: Path) -> "ProcessIdentity | None":
        """Return the identity recorded in this directory, or None."""
        path = folder / _FILE
        return ProcessIdentity(**json.loads(path.read_text())) if path.exists() else None

    def alive(self) -> bool:
        """Return whether this very process still runs; a zombie does not."""
        return _start_ticks(self.pid) == self.start_ticks

    def signal_group(self, number: int) -> None:
        """Signal the process group that this process leads or led; do nothing if another process has its pid now.

        Members of the group may outlive its leader.
        """
        if _start_ticks(self.pid) not in (None, self.start_ticks):
            return
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return


def _start_ticks(pid: int) -> int | None:
    """Return when a process started; None for one that has ended or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
