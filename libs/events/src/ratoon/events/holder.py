"""Holder of a lease: a name from which any process of the machine can see that the holder's process has ended.

So a killed process is followed at once instead of after its lease; fencing keeps that safe in any case.
"""

import os
import uuid
from pathlib import Path

from ratoon.process.identity import ProcessIdentity


def holder() -> str:
    """Return a new name of a holder in this process: `<machine>:<process id>:<start>:<random>`."""
    process = ProcessIdentity.current()
    return f"{_machine()}:{process.pid}:{process.start_ticks}:{uuid.uuid4().hex[:12]}"


def is_gone(name: str) -> bool:
    """Return whether the holder's process has certainly ended; False for holders on other machines."""
    machine, pid, start = (*name.split(":"), "", "", "")[:3]
    if machine != _machine() or not pid.isdigit() or not start.isdigit() or start == "0":
        return False
    return not ProcessIdentity(int(pid), int(start)).alive()


def _machine() -> str:
    """One boot of one machine, as seen from one process namespace."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot_id}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return "unknown"
