"""The processes of an installation, by purpose: to kill some, and to check that none is left.

A process belongs to an installation when its environment or its command line names the state folder, or when it
descends from one that does. It is known by pid and start time, so that a reused pid is never taken for it.
"""

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ratoon.process.identity import ProcessIdentity

_GONE_S = 30.0


class Victim(StrEnum):
    """Kind of process to kill."""

    CONTROL = "control"
    GATEWAY = "gateway"
    DRIVER = "driver"
    """The training driver, which owns a Ray."""
    WORKER = "worker"
    """A Ray Train worker of the driver."""
    ENGINE = "engine"
    """A vLLM server; its computing core is another process."""
    ALL = "all"
    """Everything of the installation, at once."""


@dataclass(frozen=True)
class Process:
    """Snapshot of a process."""

    identity: ProcessIdentity
    parent: int
    line: str
    ours: bool
    """It names the state folder."""


class Census:
    """Counts the processes of one state directory, and remembers all of them."""

    def __init__(self, state: Path) -> None:
        self._folder, self._state = state, str(state)
        self._ever: dict[ProcessIdentity, str] = {}

    def take(self) -> dict[int, Process]:
        """The processes that run now, by pid."""
        processes = {process.identity.pid: process for process in _all_processes(self._state)}
        tree = {
            pid: process
            for pid, process in processes.items()
            if process.ours or process.identity in self._ever
        }
        while more := {p: s for p, s in processes.items() if s.parent in tree and p not in tree}:
            tree |= more
        self._ever |= {process.identity: process.line for process in tree.values()}
        return tree

    def of(self, victim: Victim) -> list[int]:
        """The pids of a kind."""
        tree = self.take()
        if victim is Victim.ALL:
            return list(tree)
        if victim is Victim.ENGINE:
            return self._engines()
        return [pid for pid, process in tree.items() if _is(victim, process)]

    def kill(self, victim: Victim) -> list[str]:
        """kill -9 all of a kind, and wait until they are gone; return their command lines."""
        pids = self.of(victim)
        lines = [self.line(pid) for pid in pids]
        identities = [identity for identity in self._ever if identity.pid in pids]
        _kill(pids)
        until = time.monotonic() + _GONE_S
        while any(identity.alive() for identity in identities) and time.monotonic() < until:
            time.sleep(0.02)
        return lines

    def _engines(self) -> list[int]:
        """Return the servers by their identities, since all are forks of one process with the same command line."""
        identities = [
            ProcessIdentity.read(path.parent) for path in self._folder.glob("serving/engines/*/process.json")
        ]
        return [identity.pid for identity in identities if identity is not None and identity.alive()]

    def line(self, pid: int) -> str:
        """Return the command line of a process that was counted."""
        return next((line for identity, line in reversed(self._ever.items()) if identity.pid == pid), "")

    def left(self) -> list[str]:
        """Command lines of the processes ever seen that still run."""
        self.take()
        return [f"{identity.pid} {line[:120]}" for identity, line in self._ever.items() if identity.alive()]

    def kill_all(self) -> None:
        """Kill all remaining processes."""
        _kill(pid for pid, _ in self.take().items())


def _is(victim: Victim, process: Process) -> bool:
    line = process.line
    match victim:
        case Victim.CONTROL:
            return "ratoon.service.host" in line
        case Victim.GATEWAY:
            return "-m ratoon_gateway" in line
        case Victim.DRIVER:
            return "ratoon.operations.warm" in line and "training-warm" in line
        case Victim.WORKER:
            return "ray::RayTrainWorker" in line
        case _:
            return False


def _all_processes(state: str) -> Iterable[Process]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            environment = (folder / "environ").read_bytes().decode(errors="replace")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if line:
            identity = ProcessIdentity.of(int(folder.name))
            yield Process(identity, parent, line, state in line or state in environment)


def _kill(pids: Iterable[int]) -> None:
    for pid in set(pids) - {0, 1, os.getpid(), os.getppid()}:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
