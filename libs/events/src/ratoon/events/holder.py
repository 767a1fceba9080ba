"""Who holds a lease: a name from which everyone on the machine can tell that the holder's process has ended.

So a killed process is followed at once instead of after its lease; fencing keeps that safe in any case.
"""

import os
import uuid
from pathlib import Path


def holder() -> str:
    """A new name of a holder in this process: `<machine>:<process id>:<start>:<random>`."""
    return f"{_machine()}:{os.getpid()}:{_started(os.getpid())}:{uuid.uuid4().hex[:12]}"


def is_gone(name: str) -> bool:
    """Whether the holder's process has certainly ended; False for holders on other machines."""
    machine, _, rest = name.partition(":")
    pid, _, rest = rest.partition(":")
    started = rest.partition(":")[0]
    if not pid.isdigit() or machine != _machine():
        return False
    return _started(int(pid)) != started


def _machine() -> str:
    """One boot of one machine, as seen from one process namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return "unknown"


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty for one that has ended or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
