"""Guard of a driver: no process of its Ray outlives the driver, however that ends. Standard library only.

`python -S guard.py <session> <folder>` waits until its standard input ends, which is when the driver is gone, then
kills whatever is left of the driver's session and removes Ray's folder. Ray's processes form groups of their own, but
never leave the session.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_TRIES = 50
_PAUSE_S = 0.1


def watch_over(session: int, folder: Path) -> "subprocess.Popen[bytes]":
    """Start a guard of this session and directory, in its own session; it ends after the caller."""
    return subprocess.Popen(
        [sys.executable, "-S", "-E", __file__, str(session), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_session(session: int) -> None:
    """Kill every process of a session, and those that these start meanwhile."""
    for _ in range(_TRIES):
        left = processes(session)
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(_PAUSE_S)


def processes(session: int) -> list[int]:
    """Return the running processes of a session, without zombies."""
    return [
        int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and _belongs(path, session)
    ]


def _belongs(process: Path, session: int) -> bool:
    try:
        state, _, _, sid = (process / "stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return False
    return int(sid) == session and state not in "ZX"


if __name__ == "__main__":
    sys.stdin.buffer.read()
    kill_session(int(sys.argv[1]))
    shutil.rmtree(sys.argv[2], ignore_errors=True)
