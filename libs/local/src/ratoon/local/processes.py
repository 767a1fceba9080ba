"""Processes of an installation: the services of each process, identified by pid and start time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ratoon.process.files import write_json
from ratoon.process.identity import ProcessIdentity
from ratoon.runtime.log_files import OWN_FILE
from ratoon.runtime.services import service_names

CONSOLE = "console"
"""The web console: a process, but not a service."""
PRIVATE = 0o077
"""Umask of all files in a state directory: access only for the owner."""
EDGE = (CONSOLE, "gateway")
"""Processes that users connect to; they stop first and start last."""


@dataclass(frozen=True)
class Process:
    """A process of the platform: its name and its services."""

    name: str
    services: tuple[str, ...]

    def command(self) -> list[str]:
        """Return the command that starts the process."""
        if len(self.services) == 1:
            return [sys.executable, "-m", f"ratoon_{self.services[0]}"]
        return [sys.executable, "-m", "ratoon.service.host", *self.services]


def control_services() -> tuple[str, ...]:
    """Return the services that share the process `control`: all but the gateway."""
    return tuple(service for service in service_names() if service != "gateway")


def layout(isolated: bool) -> list[Process]:
    """Return the processes: seven services in one process and the gateway, or one per service; and the console."""
    processes = [Process(service, (service,)) for service in service_names()]
    if not isolated:
        processes = [Process("control", control_services()), Process("gateway", ("gateway",))]
    return [*processes, Process(CONSOLE, (CONSOLE,))]


@dataclass(frozen=True)
class Running:
    """A running process: name, identity, memory in bytes."""

    name: str
    mark: ProcessIdentity
    resident_bytes: int


class Processes:
    """Start, find and stop the processes of one state directory."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._marks = state / "run" / "processes"
        self._logs = state / "logs"

    def start(self, process: Process, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a process in a new session, with a log file."""
        self._logs.mkdir(parents=True, exist_ok=True)
        folder = self._marks / process.name
        folder.mkdir(parents=True, exist_ok=True)
        own = {OWN_FILE: str(self.log(process.name))}
        with self.log(process.name).open("ab") as log:
            child = subprocess.Popen(
                process.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=PRIVATE,
                env={**os.environ, **environment, **own},
            )
        write_json(folder / "process.json", asdict(ProcessIdentity.of(child.pid)))
        return child

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self._logs / f"{name}.log"

    def names(self) -> list[str]:
        """Return the names of all processes that were ever started here, in layout order."""
        known = sorted(path.name for path in self._marks.glob("*")) if self._marks.exists() else []
        return sorted(known, key=lambda name: (name == CONSOLE, name == "gateway", name))

    def running(self) -> list[Running]:
        """Return the platform processes that are running."""
        marked = ((name, ProcessIdentity.read(self._marks / name)) for name in self.names())
        return [Running(name, mark, resident([mark.pid])) for name, mark in marked if mark and mark.alive()]

    def desired(self) -> list[str]:
        """Return the platform processes that were started and not stopped, running or not."""
        return [name for name in self.names() if ProcessIdentity.read(self._marks / name)]

    def lost(self) -> list[str]:
        """Return the started processes that are not running."""
        running = {each.name for each in self.running()}
        return [name for name in self.desired() if name not in running]

    def forget(self, name: str) -> None:
        """Record that a process was stopped."""
        (self._marks / name / "process.json").unlink(missing_ok=True)

    def workers(self) -> list[Running]:
        """Return the other processes of this installation: engines, training drivers, jobs, warm workers."""
        marks = {path.parent: ProcessIdentity.read(path.parent) for path in self._worker_marks()}
        alive = {folder: mark for folder, mark in marks.items() if mark and mark.alive()}
        roots = {mark.pid for mark in alive.values()}
        return [
            Running(str(folder.relative_to(self.state)), mark, resident(_tree(mark.pid, roots - {mark.pid})))
            for folder, mark in alive.items()
        ]

    def end(self, chosen: Sequence[Running], grace_s: float) -> Iterator[str]:
        """Terminate processes, kill those that remain after the grace period, and yield each name as it ends."""
        for each in chosen:
            _signal(each.mark.pid, signal.SIGTERM)
        left, until = list(chosen), time.monotonic() + grace_s
        while left and time.monotonic() < until:
            for each in [e for e in left if not e.mark.alive()]:
                left.remove(each)
                yield each.name
            time.sleep(0.05)
        for each in left:
            _signal(each.mark.pid, signal.SIGKILL)
            yield f"{each.name} (killed: it did not exit within {grace_s:.0f} s)"

    def _worker_marks(self) -> Iterator[Path]:
        for path in self.state.rglob("process.json"):
            if self._marks not in path.parents:
                yield path


def resident(pids: Sequence[int]) -> int:
    """Return the memory of these processes in bytes; shared pages count in proportion (PSS)."""
    return sum(_held(pid) for pid in pids)


def _tree(pid: int, others: Collection[int]) -> list[int]:
    """Return a process and its descendants, without the trees of `others`."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (parent := _parent(folder)):
            children.setdefault(parent, []).append(int(folder.name))
    pids, queue = [], [pid]
    while queue:
        each = queue.pop()
        pids.append(each)
        queue += [child for child in children.get(each, []) if child not in others]
    return pids


def _parent(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _held(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    line = next((line for line in rollup.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return int(line.split()[1]) << 10


def _signal(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
