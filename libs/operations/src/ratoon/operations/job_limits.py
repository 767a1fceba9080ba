"""Limits of the time and memory of a job; a job that exceeds one is ended with a sentence that says so.

A spec's `time_limit_s` bounds the running (waiting does not count), `memory_share` the memory of the job's processes
as a share of what the machine or the container has; 0 or nothing: no bound.
"""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ratoon.operations.jobs import JSON, JobFolder

POLL_S = 0.5
"""Seconds between two checks of a job's time and memory."""
_CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Exceeded:
    """A limit that a job went beyond: reason and sentence."""

    reason: str
    message: str


class Watch:
    """Observes one running job; its processes are `pid` and all that descend from it."""

    def __init__(self, spec: JSON, pid: int) -> None:
        self._pid, self._since = pid, time.monotonic()
        self._time_s = float(spec.get("time_limit_s") or 0)
        share = float(spec.get("memory_share") or 0)
        self._bytes = int(share * machine_bytes()) if share else 0

    @property
    def needed(self) -> bool:
        """Return whether there is any limit."""
        return bool(self._time_s or self._bytes)

    def exceeded(self) -> Exceeded | None:
        """The limit that the job is beyond; None: it is within all."""
        if self._time_s and time.monotonic() - self._since > self._time_s:
            return Exceeded(
                "JOB_TIME_LIMIT",
                f"The job ran longer than {_duration(self._time_s)} and was ended, so that other jobs can run. "
                "Give it less data at a time, or raise the service's job time limit.",
            )
        if self._bytes and (used := memory_of(self._pid)) > self._bytes:
            return Exceeded(
                "JOB_MEMORY_LIMIT",
                f"The job took {used >> 20:,} MiB of memory, more than the {self._bytes >> 20:,} MiB that one job may "
                "take, and was ended. Give it less data at a time, or raise the service's job memory share.",
            )
        return None


def keep_within(spec: JSON, job: JobFolder) -> None:
    """Watch this very process from a thread, and end it with the job's error when it goes beyond a limit."""
    watch = Watch(spec, os.getpid())
    if watch.needed:
        threading.Thread(target=_end_beyond, args=(watch, job), name="job limits", daemon=True).start()


def machine_bytes() -> int:
    """The memory of the machine, or of the container if that has less."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(whole, int(_CGROUP.read_text()))
    except (OSError, ValueError):
        return whole


def memory_of(pid: int) -> int:
    """The memory that a process and its descendants hold for themselves, in bytes."""
    return sum(_anonymous_bytes(each) for each in _family(pid))


def _end_beyond(watch: Watch, job: JobFolder) -> None:
    while True:
        time.sleep(POLL_S)
        if (beyond := watch.exceeded()) is not None:
            job.fail(beyond.reason, beyond.message)
            os._exit(1)


def _family(pid: int) -> Iterator[int]:
    yield pid
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = tasks.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _family(int(child))


def _anonymous_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("RssAnon:")), "")
    return int(line.split()[1]) << 10 if line else 0


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
