"""Reports changes of job directories: progress that was written, and the end of the process. It knows no operation.

One thread for all jobs sleeps on inotify (files that were renamed into a job's directory) and on a pidfd of each
process. A report may be lost with the process of the platform, so its receiver also polls.
"""

import ctypes
import logging
import math
import os
import select
import struct
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from ratoon.process.identity import ProcessIdentity

_LOG = logging.getLogger(__name__)
_MOVED_TO = 0x80
_HEADER = struct.Struct("iIII")
_READ_BYTES = 65_536
_ENDS = frozenset({"result.json", "error.json"})
_PROGRESS = "progress.json"
MIN_INTERVAL_S = 0.5
"""Seconds between two reports of a job's progress; its end is reported at once."""

Report = Callable[[], None]


@dataclass
class _Watched:
    """Job that is watched, by its inotify watch and its pidfd (-1: the process is gone)."""

    job_id: str
    directory: int
    process: int
    reports: dict[str, Report]
    """Reports by the name of their receiver."""
    ended: bool
    reported: float = 0.0
    due: float = math.inf
    """Time at which progress is to be reported."""


class JobWatch:
    """Calls back when jobs of this machine change; its thread starts with the first job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, _Watched] = {}
        self._poll = select.poll()
        self._inotify = -1
        self._added, self._adding = -1, -1

    def watch(
        self, job_id: str, folder: Path, process: ProcessIdentity, receiver: str, report: Report
    ) -> None:
        """Call `report` when the job writes progress, and once when it has ended; a receiver has one report a job.

        Raise OSError if the kernel has no watch left.
        """
        with self._lock:
            watched = self._jobs.get(job_id)
            if watched is None:
                self._start()
                watched = self._jobs[job_id] = self._opened(job_id, folder, process)
            watched.reports[receiver] = report
        os.write(self._adding, b"!")

    def _start(self) -> None:
        if self._inotify >= 0:
            return
        self._inotify = _checked(_LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._added, self._adding = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for file in (self._added, self._inotify):
            self._poll.register(file, select.POLLIN)
        threading.Thread(target=self._run, name="job-watch", daemon=True).start()

    def _opened(self, job_id: str, folder: Path, process: ProcessIdentity) -> _Watched:
        """Subscribe first and read then, so that no end is missed."""
        directory = _checked(_LIBC.inotify_add_watch(self._inotify, os.fsencode(folder), _MOVED_TO))
        try:
            pidfd = os.pidfd_open(process.pid)
            self._poll.register(pidfd, select.POLLIN)
        except ProcessLookupError:
            pidfd = -1
        ended = not process.alive() or any((folder / name).exists() for name in _ENDS)
        return _Watched(job_id, directory, pidfd, {}, ended)

    def _run(self) -> None:
        while True:
            for report in self._changed(self._poll.poll(self._timeout_ms())):
                try:
                    report()
                except Exception as error:
                    _LOG.info("a change of a job was not reported: %s", error)

    def _timeout_ms(self) -> float | None:
        with self._lock:
            due = min((0.0 if job.ended else job.due for job in self._jobs.values()), default=math.inf)
        return None if due == math.inf else max(0.0, due - time.monotonic()) * 1000

    def _changed(self, ready: list[tuple[int, int]]) -> list[Report]:
        """Return the reports that are due; a job that has ended is no longer watched."""
        files, now = {file for file, _ in ready}, time.monotonic()
        with self._lock:
            if self._added in files:
                os.read(self._added, _READ_BYTES)
            self._note(files, _moved(self._inotify) if self._inotify in files else [], now)
            reported = [job for job in self._jobs.values() if job.ended or job.due <= now]
            for job in reported:
                job.due, job.reported = math.inf, now
                if job.ended:
                    self._close(job)
        return [report for job in reported for report in job.reports.values()]

    def _note(self, files: Collection[int], moved: Collection[tuple[int, str]], now: float) -> None:
        for job in self._jobs.values():
            names = {name for directory, name in moved if directory == job.directory}
            job.ended = job.ended or job.process in files or bool(names & _ENDS)
            if _PROGRESS in names:
                job.due = min(job.due, max(now, job.reported + MIN_INTERVAL_S))

    def _close(self, job: _Watched) -> None:
        del self._jobs[job.job_id]
        _LIBC.inotify_rm_watch(self._inotify, job.directory)
        if job.process >= 0:
            self._poll.unregister(job.process)
            os.close(job.process)


_LIBC = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _moved(inotify: int) -> list[tuple[int, str]]:
    """Return the watch and the name of each file that was renamed into a watched directory."""
    try:
        data = os.read(inotify, _READ_BYTES)
    except BlockingIOError:
        return []
    moved, at = [], 0
    while at < len(data):
        directory, _mask, _cookie, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        moved.append((directory, data[at : at + length].rstrip(b"\0").decode(errors="replace")))
        at += length
    return moved
