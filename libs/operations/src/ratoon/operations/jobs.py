"""Heavy work in child processes that outlive the platform. It knows no domain: a job is a module and a spec.

A job is a directory: `spec.json` (written by the platform), `process.json` (pid and start time), `progress.json`,
`stop` (a stop request), `log.txt`, and at the end `result.json` or `error.json`. The directory is the truth: a
restarted platform reads it and takes the process over if it still is the one that was started.
"""

import json
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ratoon.operations import wakeups
from ratoon.operations.job_watch import JobWatch
from ratoon.process.errors import Unavailable
from ratoon.process.files import write_json
from ratoon.process.identity import ProcessIdentity

_LOG = logging.getLogger(__name__)
JSON = dict[str, Any]


_WAY_OUT_S = 5.0
"""Seconds that a process which reported its end may take to exit, before it is killed."""

_PASSING = frozenset({"DISK_FULL", "DISK_READ_ONLY", "DISK_FAILS", "STORE_AWAY"})
"""Reasons of failed jobs that do not concern the job itself: it is started again once the machine has recovered."""


class JobState(StrEnum):
    """State of a job."""

    ABSENT = "ABSENT"
    """Never started, or forgotten."""
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    """The job reported the reason."""
    LOST = "LOST"
    """The process is gone and left neither result nor error."""


@dataclass(frozen=True)
class JobProgress:
    """Progress of a job: fraction 0..1, a sentence, done of total units, seconds left, latest metrics."""

    fraction: float = 0.0
    message: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    remaining_s: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Leave out what is no number: it could not be stored, and a passing one is no reason to fail a job."""
        finite = {name: value for name, value in self.metrics.items() if math.isfinite(value)}
        object.__setattr__(self, "metrics", finite)
        if not math.isfinite(self.fraction):
            object.__setattr__(self, "fraction", 0.0)
        if self.remaining_s is not None and not math.isfinite(self.remaining_s):
            object.__setattr__(self, "remaining_s", None)


@dataclass(frozen=True)
class JobStatus:
    """Status of a job as observed from outside."""

    state: JobState
    progress: JobProgress = JobProgress()
    result: JSON = field(default_factory=dict)
    reason: str = ""
    message: str = ""


class JobFolder:
    """The worker's side of a job: read the spec, report progress, end with a result or an error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def spec(self) -> JSON:
        """Return the specification of the job."""
        return _read(self.path / "spec.json")

    def progress(
        self,
        fraction: float,
        message: str,
        *,
        done: int = 0,
        total: int = 0,
        unit: str = "",
        remaining_s: float | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Report the progress of the work."""
        self.report(JobProgress(fraction, message, done, total, unit, remaining_s, dict(metrics or {})))

    def report(self, progress: JobProgress) -> None:
        """Report the progress of the work; the file is replaced whole."""
        write_json(self.path / "progress.json", asdict(progress), durable=False)

    def succeed(self, result: JSON) -> None:
        """End well."""
        write_json(self.path / "result.json", result)

    def fail(self, reason: str, message: str, result: JSON | None = None) -> None:
        """End badly: a stable UPPER_SNAKE reason and a sentence that says what to do.

        `result` is the part of the result that the job retained.
        """
        retained = {"result": result} if result else {}
        write_json(self.path / "error.json", {"reason": reason, "message": message, **retained})

    def failure(self) -> str:
        """The reason why it ended badly; empty when it did not."""
        file = self.path / "error.json"
        return str(_read(file)["reason"]) if file.exists() else ""

    def stop_requested(self) -> bool:
        """Return whether the platform requested this job to stop."""
        return (self.path / "stop").exists()


class Jobs(Protocol):
    """Jobs of a service, on any machine. Unavailable when what runs them is away."""

    def start(self, job_id: str, module: str, spec: JSON) -> None:
        """Begin a job, unless it runs or has ended; `module` is run as `python -m module <job folder>`.

        A spec holds the fields of a `ratoon.jobs.v1.JobEnvironment` and those of its kind (`job_messages.spec_json`);
        directories are paths as they would lie on this machine.
        """
        ...

    def observe(self, job_id: str) -> JobStatus:
        """Return the status of the job."""
        ...

    def stop(self, job_id: str, grace_s: float = 10.0) -> None:
        """Ask the job to stop; kill it when it still runs `grace_s` after the first asking."""
        ...

    def forget(self, job_id: str) -> None:
        """Let a job that is not running be started again."""
        ...

    def clear(self, work: Path) -> None:
        """Remove what jobs kept in this directory for their next attempt."""
        ...


class LocalJobs:
    """Jobs as subprocesses of this machine, one directory each below `root`."""

    def __init__(
        self,
        root: Path,
        environment: Mapping[str, str] | None = None,
        trace: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Jobs have our environment and this one; `trace` returns further variables at each start, in its trace."""
        self._root, self._trace = root, trace
        self._environment = dict(environment or {})
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._watch = JobWatch()

    def folder(self, job_id: str) -> Path:
        """The job's directory."""
        return self._root / job_id

    def start(self, job_id: str, module: str, spec: JSON) -> None:
        """Start `python -m module <folder>` unless this job already runs or has ended."""
        folder = self.folder(job_id)
        if self.observe(job_id).state is not JobState.ABSENT:
            return
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "spec.json", spec)
        with (folder / "log.txt").open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", module, str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self._environment, **self._trace()},
            )
        self._children[job_id] = child
        write_json(folder / "process.json", asdict(ProcessIdentity.of(child.pid)))

    def observe(self, job_id: str) -> JobStatus:
        """Return the status of the job. Unavailable once each time the disk failed it: then it counts as ABSENT.

        An operation that observes a running job is woken by the job's progress and end.
        """
        folder = self.folder(job_id)
        if not (folder / "process.json").exists() and not _adopted(folder):
            return JobStatus(JobState.ABSENT)
        alive = self._alive(job_id, folder)
        if alive and not any((folder / name).exists() for name in ("result.json", "error.json")):
            self._subscribe(job_id, folder)
            return JobStatus(JobState.RUNNING, _progress(folder))
        if (folder / "result.json").exists():
            return JobStatus(JobState.SUCCEEDED, _progress(folder), _read(folder / "result.json"))
        if (folder / "error.json").exists():
            error = _read(folder / "error.json")
            if error["reason"] in _PASSING:
                self.forget(job_id)
                raise Unavailable(str(error["message"]), reason=str(error["reason"]))
            reason, message = str(error["reason"]), str(error["message"])
            return JobStatus(JobState.FAILED, _progress(folder), error.get("result", {}), reason, message)
        return JobStatus(JobState.LOST, _progress(folder), {}, "WORKER_LOST", _last_words(folder))

    def stop(self, job_id: str, grace_s: float = 10.0) -> None:
        """Ask the job to stop; kill its process group when it still runs `grace_s` after the first asking."""
        folder = self.folder(job_id)
        if not folder.exists():
            return
        request, now = folder / "stop", time.clock_gettime(time.CLOCK_BOOTTIME)
        if not request.exists():
            request.write_text(str(now))
        mark = ProcessIdentity.read(folder)
        if mark is None or not mark.alive():
            return
        if now - float(request.read_text() or 0) > grace_s:
            mark.signal_group(signal.SIGKILL)

    def forget(self, job_id: str) -> None:
        """Let a job that has ended be started again: its process, end and stop request are forgotten, its files stay.

        A process that reported its end and has not exited yet is waited for, or the next start would take it for
        the requested job.
        """
        mark = ProcessIdentity.read(self.folder(job_id))
        if mark is not None:
            _see_out(mark)
        for name in ("process.json", "result.json", "error.json", "stop", "progress.json"):
            (self.folder(job_id) / name).unlink(missing_ok=True)

    def clear(self, work: Path) -> None:
        """Remove what jobs kept in this directory for their next attempt."""
        shutil.rmtree(work, ignore_errors=True)

    def _subscribe(self, job_id: str, folder: Path) -> None:
        process = ProcessIdentity.read(folder)
        if process is None:
            return
        try:
            wakeups.subscribe(partial(self._watch.watch, job_id, folder, process))
        except OSError as error:
            _LOG.warning("job %s is polled, because it cannot be watched: %s", job_id, error)

    def _alive(self, job_id: str, folder: Path) -> bool:
        child = self._children.get(job_id)
        if child is not None and child.poll() is not None:
            del self._children[job_id]
        mark = ProcessIdentity.read(folder)
        return mark is not None and mark.alive()


def _read(path: Path) -> JSON:
    value: JSON = json.loads(path.read_text())
    return value


def _progress(folder: Path) -> JobProgress:
    path = folder / "progress.json"
    return JobProgress(**_read(path)) if path.exists() else JobProgress()


def _last_words(folder: Path) -> str:
    """The end of a lost job's log, as a hint."""
    log = folder / "log.txt"
    tail = log.read_bytes()[-600:].decode(errors="replace").strip() if log.exists() else ""
    last = tail.splitlines()[-1] if tail else "nothing was logged"
    return f"The worker process ended without a result (killed, or out of memory?); its log ends: {last}"


def _adopted(folder: Path) -> bool:
    """Mark the process of a job whose platform was killed between starting it and marking it; whether there is one."""
    if not (folder / "spec.json").exists():
        return False
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _words(process)[-1:] == [str(folder)]:
            write_json(folder / "process.json", asdict(ProcessIdentity.of(int(process.name))))
            return True
    return False


def _words(process: Path) -> list[str]:
    """The command line of a process."""
    try:
        return (process / "cmdline").read_text(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []


def _see_out(mark: ProcessIdentity) -> None:
    deadline = time.monotonic() + _WAY_OUT_S
    while mark.alive():
        if time.monotonic() > deadline:
            mark.signal_group(signal.SIGKILL)
        time.sleep(0.01)
