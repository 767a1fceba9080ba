"""Heavy work in child processes that outlive the platform. It knows no domain: a job is a module and a spec.

A job is a folder: `spec.json` (written by the platform), `process.json` (pid and start time), `progress.json`,
`stop` (a wish), `log.txt`, and at the end `result.json` or `error.json`. The folder is the truth: whoever restarts
reads it and takes the process over if it still is the one that was started.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

JSON = dict[str, Any]


class JobState(StrEnum):
    """Where a job stands."""

    ABSENT = "ABSENT"
    """Never started, or forgotten."""
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    """It said why."""
    LOST = "LOST"
    """The process is gone and left neither result nor error."""


@dataclass(frozen=True)
class JobProgress:
    """How far a job is: fraction 0..1, a sentence, done of total units, seconds left, latest metrics."""

    fraction: float = 0.0
    message: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    remaining_s: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class JobStatus:
    """What can be seen of a job from outside."""

    state: JobState
    progress: JobProgress = JobProgress()
    result: JSON = field(default_factory=dict)
    reason: str = ""
    message: str = ""


class JobFolder:
    """The worker's side of a job: read the spec, tell progress, end with a result or an error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def spec(self) -> JSON:
        """What to do."""
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
        """Tell how far the work is; the file is replaced whole."""
        told = JobProgress(fraction, message, done, total, unit, remaining_s, dict(metrics or {}))
        write_json(self.path / "progress.json", asdict(told), durable=False)

    def succeed(self, result: JSON) -> None:
        """End well."""
        write_json(self.path / "result.json", result)

    def fail(self, reason: str, message: str) -> None:
        """End badly: a stable UPPER_SNAKE reason and a sentence that says what to do."""
        write_json(self.path / "error.json", {"reason": reason, "message": message})

    def stop_requested(self) -> bool:
        """Whether the platform asked this job to stop."""
        return (self.path / "stop").exists()


class LocalJobs:
    """Jobs as subprocesses of this machine, one folder each below `root`."""

    def __init__(self, root: Path, environment: Mapping[str, str] | None = None) -> None:
        self._root = root
        self._environment = dict(environment or {})
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def folder(self, job_id: str) -> Path:
        """The job's folder."""
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
                env={**os.environ, **self._environment},
            )
        self._children[job_id] = child
        write_json(folder / "process.json", asdict(ProcessMark.of(child.pid)))

    def observe(self, job_id: str) -> JobStatus:
        """Where the job stands."""
        folder = self.folder(job_id)
        if not (folder / "process.json").exists():
            return JobStatus(JobState.ABSENT)
        alive = self._alive(job_id, folder)
        if alive and not any((folder / name).exists() for name in ("result.json", "error.json")):
            return JobStatus(JobState.RUNNING, _progress(folder))
        if (folder / "result.json").exists():
            return JobStatus(JobState.SUCCEEDED, _progress(folder), _read(folder / "result.json"))
        if (folder / "error.json").exists():
            error = _read(folder / "error.json")
            return JobStatus(
                JobState.FAILED, _progress(folder), {}, str(error["reason"]), str(error["message"])
            )
        return JobStatus(JobState.LOST, _progress(folder), {}, "WORKER_LOST", _last_words(folder))

    def stop(self, job_id: str, grace_s: float = 10.0) -> None:
        """Ask the job to stop; kill its process group when it still runs `grace_s` after the first asking."""
        folder = self.folder(job_id)
        if not folder.exists():
            return
        wish = folder / "stop"
        if not wish.exists():
            wish.touch()
        mark = ProcessMark.read(folder)
        if mark is None or not mark.alive():
            return
        if time.time() - wish.stat().st_mtime > grace_s:
            _kill(mark.pid)

    def forget(self, job_id: str) -> None:
        """Let a job that is not running be started again: its process, end and wish are forgotten, its files stay."""
        for name in ("process.json", "result.json", "error.json", "stop", "progress.json"):
            (self.folder(job_id) / name).unlink(missing_ok=True)

    def _alive(self, job_id: str, folder: Path) -> bool:
        child = self._children.get(job_id)
        if child is not None and child.poll() is not None:
            del self._children[job_id]
        mark = ProcessMark.read(folder)
        return mark is not None and mark.alive()


@dataclass(frozen=True)
class ProcessMark:
    """Which process it was: pid and kernel start time in clock ticks, so that a reused pid is not mistaken for it."""

    pid: int
    start_ticks: int

    @staticmethod
    def of(pid: int) -> "ProcessMark":
        """The mark of a process that runs now."""
        return ProcessMark(pid, _start_ticks(pid) or 0)

    @staticmethod
    def read(folder: Path) -> "ProcessMark | None":
        """The mark in a folder's process.json."""
        path = folder / "process.json"
        return ProcessMark(**_read(path)) if path.exists() else None

    def alive(self) -> bool:
        """Whether that very process still runs (a zombie does not)."""
        return _start_ticks(self.pid) == self.start_ticks


def write_json(path: Path, value: JSON, *, durable: bool = True) -> None:
    """Replace a JSON file whole; durable: it survives a power cut."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with temporary.open("w") as sink:
        json.dump(value, sink)
        if durable:
            sink.flush()
            os.fsync(sink.fileno())
    temporary.replace(path)


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


def _start_ticks(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
