"""The processes of an installation: which rooms each runs, started once, found again by pid and start time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ratoon.chassis.jobs import ProcessMark, write_json
from ratoon.chassis.log_files import OWN_FILE
from ratoon.chassis.settings import SERVICES

CONTROL = tuple(service for service in SERVICES if service != "gateway")
CONSOLE = "console"
"""The web page: no room, but a process beside them."""
PRIVATE = 0o077
"""The file mode mask of everything below a state folder: its owner's alone."""
EDGE = (CONSOLE, "gateway")
"""What callers and people reach; it goes first and comes last."""


@dataclass(frozen=True)
class Process:
    """A process of the platform: its name and the rooms in it."""

    name: str
    services: tuple[str, ...]

    def command(self) -> list[str]:
        """What starts it."""
        if len(self.services) == 1:
            return [sys.executable, "-m", f"ratoon_{self.services[0]}"]
        return [sys.executable, "-m", "ratoon.chassis.host", *self.services]


def layout(isolated: bool) -> list[Process]:
    """Seven rooms together and the gateway beside them, or each room in its own process; and the console."""
    rooms = [Process(service, (service,)) for service in SERVICES]
    if not isolated:
        rooms = [Process("control", CONTROL), Process("gateway", ("gateway",))]
    return [*rooms, Process(CONSOLE, (CONSOLE,))]


@dataclass(frozen=True)
class Running:
    """A process that runs: its name, its mark, the memory it holds in bytes."""

    name: str
    mark: ProcessMark
    resident_bytes: int


class Processes:
    """Starts, finds and ends the processes of one state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._marks = state / "run" / "processes"
        self._logs = state / "logs"

    def start(self, process: Process, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, with a log file."""
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
        write_json(folder / "process.json", asdict(ProcessMark.of(child.pid)))
        return child

    def log(self, name: str) -> Path:
        """A process's log file."""
        return self._logs / f"{name}.log"

    def names(self) -> list[str]:
        """Every process that was ever started here, in the order of the layout."""
        known = sorted(path.name for path in self._marks.glob("*")) if self._marks.exists() else []
        return sorted(known, key=lambda name: (name == CONSOLE, name == "gateway", name))

    def running(self) -> list[Running]:
        """The platform's processes that run now."""
        marked = ((name, ProcessMark.read(self._marks / name)) for name in self.names())
        return [Running(name, mark, resident([mark.pid])) for name, mark in marked if mark and mark.alive()]

    def wanted(self) -> list[str]:
        """The platform's processes that were started and not taken down, whether they run or not."""
        return [name for name in self.names() if ProcessMark.read(self._marks / name)]

    def lost(self) -> list[str]:
        """Those of them that do not run."""
        running = {each.name for each in self.running()}
        return [name for name in self.wanted() if name not in running]

    def forget(self, name: str) -> None:
        """It was taken down."""
        (self._marks / name / "process.json").unlink(missing_ok=True)

    def workers(self) -> list[Running]:
        """Everything else that runs for this installation: engines, training drivers, jobs, warm workers."""
        marks = {path.parent: ProcessMark.read(path.parent) for path in self._worker_marks()}
        alive = {folder: mark for folder, mark in marks.items() if mark and mark.alive()}
        roots = {mark.pid for mark in alive.values()}
        return [
            Running(str(folder.relative_to(self.state)), mark, resident(_tree(mark.pid, roots - {mark.pid})))
            for folder, mark in alive.items()
        ]

    def end(self, chosen: Sequence[Running], grace_s: float) -> Iterator[str]:
        """Ask these to end, kill those that have not after the grace; yields each name as it ends."""
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
            yield f"{each.name} (killed: it did not end within {grace_s:.0f} s)"

    def _worker_marks(self) -> Iterator[Path]:
        for path in self.state.rglob("process.json"):
            if self._marks not in path.parents:
                yield path


def resident(pids: Sequence[int]) -> int:
    """Memory that these processes hold, in bytes; pages they share with others count in part (PSS)."""
    return sum(_held(pid) for pid in pids)


def _tree(pid: int, others: Collection[int]) -> list[int]:
    """A process and everything below it, without the trees of the others."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (parent := _parent(folder)):
            children.setdefault(parent, []).append(int(folder.name))
    found, queue = [], [pid]
    while queue:
        each = queue.pop()
        found.append(each)
        queue += [child for child in children.get(each, []) if child not in others]
    return found


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
