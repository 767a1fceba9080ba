"""Choice of the next waiting job and its lane: a fair order between tenants over a few warm processes.

A directory has one queue for all the job processes that wait for its warm processes; they share it under a lock.
A tenant (a project) holds one lane at a time, and the one that was served longest ago is next. The first lane is always
open; a further one opens for a job that has waited for a while, so that one tenant's long job does not hold the others.
"""

import fcntl
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ratoon.process.files import write_json
from ratoon.process.identity import ProcessIdentity

MAX_WAIT_S = 5.0
"""A job waits this long for the first lane before another one opens for it, in seconds."""
_POLL_S = 0.1
_REMEMBERED = 1_000


@dataclass(frozen=True)
class Ticket:
    """One job that waits or runs: its tenant, when it came (seconds since boot), and its process."""

    id: str
    tenant: str
    since: float
    pid: int
    start_ticks: int

    def alive(self) -> bool:
        """Return whether its process still runs."""
        return ProcessIdentity(self.pid, self.start_ticks).alive()


@dataclass
class Queue:
    """Waiting jobs, running jobs by lane, and the time at which each tenant was served last."""

    waiting: list[Ticket] = field(default_factory=list)
    running: dict[int, Ticket] = field(default_factory=dict)
    served: dict[str, float] = field(default_factory=dict)

    def forget_the_dead(self) -> None:
        """Drop the tickets of processes that are gone."""
        self.waiting = [ticket for ticket in self.waiting if ticket.alive()]
        self.running = {lane: ticket for lane, ticket in self.running.items() if ticket.alive()}

    def lane_for(self, ticket: Ticket, lanes: int, now: float, max_wait_s: float = MAX_WAIT_S) -> int | None:
        """Return the lane that this waiting job may take now; None if it has to wait."""
        lane = next((lane for lane in range(lanes) if lane not in self.running), None)
        if lane is None:
            return None
        holding = {running.tenant for running in self.running.values()}
        eligible = [
            each
            for each in self.waiting
            if each.tenant not in holding and (lane == 0 or now - each.since >= max_wait_s)
        ]
        first = min(eligible, key=lambda each: (self.served.get(each.tenant, 0.0), each.since), default=None)
        return lane if first == ticket else None

    def start(self, ticket: Ticket, lane: int, now: float) -> None:
        """A waiting job begins to run."""
        self.waiting.remove(ticket)
        self.running[lane] = ticket
        self.served[ticket.tenant] = now
        latest = sorted(self.served.items(), key=lambda pair: pair[1])[-_REMEMBERED:]
        self.served = dict(latest)


@contextmanager
def lane(
    folder: Path, tenant: str, lanes: int, waits: Callable[[int], None], max_wait_s: float = MAX_WAIT_S
) -> Iterator[int]:
    """Wait for a lane of the directory and hold it; `waits` gets the number of jobs before this one."""
    mark = ProcessIdentity.current()
    ticket = Ticket(uuid.uuid4().hex, tenant, _now(), mark.pid, mark.start_ticks)
    with _locked(folder) as queue:
        queue.waiting.append(ticket)
    taken = _taken(folder, ticket, max(lanes, 1), waits, max_wait_s)
    try:
        yield taken
    finally:
        with _locked(folder) as queue:
            if queue.running.get(taken) == ticket:
                del queue.running[taken]


def _taken(folder: Path, ticket: Ticket, lanes: int, waits: Callable[[int], None], max_wait_s: float) -> int:
    while True:
        with _locked(folder) as queue:
            queue.forget_the_dead()
            if ticket not in queue.waiting:  # the directory was created again
                queue.waiting.append(ticket)
            chosen = queue.lane_for(ticket, lanes, _now(), max_wait_s)
            if chosen is not None:
                queue.start(ticket, chosen, _now())
                return chosen
            others = len(queue.running) + len(queue.waiting) - 1
        waits(others)
        time.sleep(_POLL_S)


@contextmanager
def _locked(folder: Path) -> Iterator[Queue]:
    """The directory's queue under its lock, written again if it was changed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "queue.json"
    with (folder / "queue.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = _read(path)
        queue = _queue(before)
        yield queue
        after = json.dumps(
            {
                "waiting": [asdict(ticket) for ticket in queue.waiting],
                "running": {str(lane): asdict(ticket) for lane, ticket in queue.running.items()},
                "served": queue.served,
            }
        )
        if after != before:
            write_json(path, json.loads(after), durable=False)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _queue(text: str) -> Queue:
    try:
        value = json.loads(text or "{}")
        return Queue(
            [Ticket(**row) for row in value.get("waiting", [])],
            {int(lane): Ticket(**row) for lane, row in value.get("running", {}).items()},
            dict(value.get("served", {})),
        )
    except (ValueError, TypeError, AttributeError):
        return Queue()  # of another version of this program: its jobs are not waited for


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
