"""Long-lived programs of a test: started with a log each, ended one by one, and never outliving the test.

Knows nothing of what they are.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_STOP_S = 20.0


class Processes:
    """The programs that run in one directory; the last one started is the first one ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[object], **variables: str) -> None:
        """Start a program; what it says goes to `<name>.log`. It is killed when this process dies."""
        whole = ["setpriv", "--pdeathsig", "KILL", *(str(each) for each in command)]
        assigned = ["env", *(f"{key}={value}" for key, value in variables.items())] if variables else []
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*assigned, *whole],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
            )

    def wait(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        """Return once it is ready; RuntimeError with the end of its log when it ends or takes longer."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.alive(name):
            if ready():
                return
            time.sleep(0.1)
        state = "is not ready" if self.alive(name) else "ended"
        raise RuntimeError(f"{name} {state}:\n{self.tail(name)}")

    def alive(self, name: str) -> bool:
        """Return whether it was started and has not ended."""
        process = self._running.get(name)
        return process is not None and process.poll() is None

    def stop(self, name: str, grace_s: float = _STOP_S) -> None:
        """Ask it to end, and kill it after `grace_s` seconds; nothing happens where it does not run."""
        process = self._running.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self, grace_s: float = _STOP_S) -> None:
        """End all of them; each has `grace_s` seconds."""
        for name in reversed(list(self._running)):
            self.stop(name, grace_s)

    def tail(self, name: str, size: int = 3000) -> str:
        """Return the end of its output."""
        return (self._folder / f"{name}.log").read_text(errors="replace")[-size:]
