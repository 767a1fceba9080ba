"""The processes of an installation, by what they are for: to kill some, and to see that none is left over.

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
    """What is killed."""

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
class Seen:
    """A process at one moment."""

    mark: ProcessIdentity
    parent: int
    line: str
    ours: bool
    """It names the state folder."""


class Census:
    """Counts the processes of one state folder, and remembers those that it ever saw."""

    def __init__(self, state: Path) -> None:
        self._folder, self._state = state, str(state)
        self._ever: dict[ProcessIdentity, str] = {}

    def take(self) -> dict[int, Seen]:
        """The processes that run now, by pid."""
        everybody = {seen.mark.pid: seen for seen in _everybody(self._state)}
        found = {pid: seen for pid, seen in everybody.items() if seen.ours or seen.mark in self._ever}
        while more := {p: s for p, s in everybody.items() if s.parent in found and p not in found}:
            found |= more
        self._ever |= {seen.mark: seen.line for seen in found.values()}
        return found

    def of(self, victim: Victim) -> list[int]:
        """The pids of a kind."""
        found = self.take()
        if victim is Victim.ALL:
            return list(found)
        if victim is Victim.ENGINE:
            return self._engines()
        return [pid for pid, seen in found.items() if _is(victim, seen)]

    def kill(self, victim: Victim) -> list[str]:
        """kill -9 all of a kind, and wait until they are gone, which takes a moment; what they were."""
        pids = self.of(victim)
        lines = [self.line(pid) for pid in pids]
        marks = [mark for mark in self._ever if mark.pid in pids]
        _kill(pids)
        until = time.monotonic() + _GONE_S
        while any(mark.alive() for mark in marks) and time.monotonic() < until:
            time.sleep(0.02)
        return lines

    def _engines(self) -> list[int]:
        """The servers; by their marks, since all are forks of one process and look alike."""
        marks = [
            ProcessIdentity.read(path.parent) for path in self._folder.glob("serving/engines/*/process.json")
        ]
        return [mark.pid for mark in marks if mark is not None and mark.alive()]

    def line(self, pid: int) -> str:
        """The command line of a process that was seen."""
        return next((line for mark, line in reversed(self._ever.items()) if mark.pid == pid), "")

    def left(self) -> list[str]:
        """Command lines of the processes ever seen that still run."""
        self.take()
        return [f"{mark.pid} {line[:120]}" for mark, line in self._ever.items() if mark.alive()]

    def sweep(self) -> None:
        """Kill all that is left: a test that failed leaves nothing behind."""
        _kill(pid for pid, _ in self.take().items())


def _is(victim: Victim, seen: Seen) -> bool:
    line = seen.line
    match victim:
        case Victim.CONTROL:
            return "ratoon.chassis.host" in line
        case Victim.GATEWAY:
            return "-m ratoon_gateway" in line
        case Victim.DRIVER:
            return "ratoon.chassis.warm" in line and "training-warm" in line
        case Victim.WORKER:
            return "ray::RayTrainWorker" in line
        case _:
            return False


def _everybody(state: str) -> Iterable[Seen]:
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
            mark = ProcessIdentity.of(int(folder.name))
            yield Seen(mark, parent, line, state in line or state in environment)


def _kill(pids: Iterable[int]) -> None:
    for pid in set(pids) - {0, 1, os.getpid(), os.getppid()}:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
