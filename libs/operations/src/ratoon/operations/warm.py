"""Job processes that stay warm: imports that take seconds are paid once, not once a job. It knows no job.

`main` is the whole of a worker's `__main__`. Where the spec names a directory as `warm`, the job's own process
stays small: it hands the job to a warm process that listens on a Unix socket in that directory (and starts one
when there is none), and waits for the end. It dies with the warm process, and takes it along: a client that
goes away ends it. Without `warm` the job runs here. Jobs of one warm process run one after another, in the fair
order of `lanes`; it exits after an idle time, and a new release starts its own. A job beyond its limits
(`job_limits`) is ended.
"""

import fcntl
import gc
import importlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from ratoon.operations import lanes
from ratoon.operations.job_limits import POLL_S, Watch, keep_within
from ratoon.operations.jobs import JobFolder
from ratoon.process.errors import own_reason, storage_fault
from ratoon.process.files import write_json
from ratoon.process.identity import ProcessIdentity

JSON = dict[str, Any]
Run = Callable[[JSON, JobFolder], JSON]

_RELEASE = version("ratoon-contracts")
"""Part of a warm process's directory, so that after an upgrade no job is handed to the code of the release before."""
_TAKEN = b"\x02"
"""Byte that a warm process sends when it begins a job."""
IDLE_S = 120.0
"""Seconds that a warm process waits for the next job."""
WAITING_REPORT_S = 1.0
"""A job that waits longer than this says so."""
STARTING_S = 30.0
"""Seconds that a client waits for a warm process to listen."""


def main(entry: str, arguments: list[str]) -> int:
    """Run the job of the directory in `arguments[0]` by `entry` (`package.module:function`); the exit status.

    The function is called with the spec and the job directory and returns the result. What it raises becomes the
    job's error: the exception's `reason` attribute if it has one, and its sentence. The fields of the spec's
    `JobEnvironment` are read as plain JSON: the job's own process starts sooner without protobuf.
    """
    job, began_ns = JobFolder(Path(arguments[0]).resolve()), time.time_ns()
    status = _run(entry, job)
    if os.environ.get("RATOON_JOB_TRACE"):
        from ratoon.operations import job_trace

        job_trace.send_span(entry, job.path.name, began_ns, job.failure())
    return status


def _run(entry: str, job: JobFolder) -> int:
    spec = job.spec()
    if not spec.get("warm"):
        keep_within(spec, job)
        return execute(entry, job)
    folder = Path(spec["warm"])
    tenant, count = str(spec.get("tenant") or ""), int(spec.get("lanes") or 1)
    max_wait_s = float(spec.get("lane_max_wait_s", lanes.MAX_WAIT_S))
    with lanes.lane(folder, tenant, count, _Waiting(job), max_wait_s) as lane:
        return _hand_over(folder / f"{_RELEASE}-lane-{lane}", entry, job, spec)


class _Waiting:
    """Reports as a job's progress that it waits, once it has waited for a while."""

    def __init__(self, job: JobFolder) -> None:
        self._job, self._reported = job, 0
        self._from = time.monotonic() + WAITING_REPORT_S

    def __call__(self, others: int) -> None:
        """Report the number of jobs that wait or run before it."""
        if others != self._reported and time.monotonic() > self._from:
            self._reported = others
            self._job.progress(0.0, f"Waiting: {others} other {'job' if others == 1 else 'jobs'} run or wait")


def execute(entry: str, job: JobFolder) -> int:
    """Run one job in this process: 0 with a result, 1 with an error in its directory."""
    module, _, name = entry.partition(":")
    try:
        run: Run = getattr(importlib.import_module(module), name)
        job.succeed(run(job.spec(), job))
        return 0
    except Exception as error:
        traceback.print_exc()
        if (fault := storage_fault(error)) is not None:
            job.fail(fault.reason, fault.message)
        elif reason := own_reason(error):
            job.fail(reason, str(error) or type(error).__name__, getattr(error, "result", None))
        else:
            job.fail(
                "WORKER_FAILED", f"The job ended in an internal error ({type(error).__name__}); see its log."
            )
        return 1


def stop(folder: Path) -> None:
    """End the warm processes that listen in this directory, if there are any, after the jobs that they run."""
    for place in folder.glob("**/warm.sock"):
        with suppress(OSError), _dial(place.parent) as connection:
            connection.sendall(b"\n\n")


@contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """Let optional packages look absent while others are imported, which then do not pull them in.

    Packages that are imported already stay.
    """
    absent = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None means: cannot be imported
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def listen(folder: Path, idle_s: float = IDLE_S) -> None:
    """Take jobs from this directory's socket until none has come for `idle_s`; one process a directory does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "warm.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        with _bound(folder) as server:
            write_json(folder / "process.json", asdict(ProcessIdentity.current()), durable=False)
            server.settimeout(idle_s)
            _take(server)


def _take(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except TimeoutError:
            return
        with connection, suppress(OSError), connection.makefile() as lines:
            connection.settimeout(None)
            entry, path = lines.readline().strip(), lines.readline().strip()
            if not entry:
                return
            if _waits(connection):
                _serve(connection, entry, JobFolder(Path(path)))


def _waits(connection: socket.socket) -> bool:
    """Return whether the client is still there; one that was stopped while it queued is not."""
    try:
        return bool(connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK))
    except BlockingIOError:
        return True


def _serve(connection: socket.socket, entry: str, job: JobFolder) -> None:
    connection.sendall(_TAKEN)
    ended = threading.Event()
    threading.Thread(target=_leave_with, args=(connection, ended), daemon=True).start()
    with _logging_to(job.path / "log.txt"):
        status = execute(entry, job)
    ended.set()
    connection.sendall(bytes([status]))
    gc.collect()


def _leave_with(connection: socket.socket, ended: threading.Event) -> None:
    """End this process when the client goes away before its job has ended."""
    with suppress(OSError):
        connection.recv(1)
    if not ended.is_set():
        os._exit(1)


def _hand_over(folder: Path, entry: str, job: JobFolder, spec: JSON) -> int:
    """Let the directory's warm process, started when there is none, do the job; the job's exit status."""
    folder.mkdir(parents=True, exist_ok=True)
    idle_s = float(spec.get("warm_idle_s") or IDLE_S)
    deadline = time.monotonic() + STARTING_S
    child: subprocess.Popen[bytes] | None = None
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError, ConnectionError), _dial(folder) as connection:
            connection.sendall(f"{entry}\n{job.path}\n".encode())
            if connection.recv(1) == _TAKEN:
                return _ended(connection, job, spec)
            deadline = time.monotonic() + STARTING_S  # it ended while this job queued: start another
        if child is None or child.poll() is not None:
            child = _start(folder, idle_s)
        time.sleep(0.02)
    raise TimeoutError(f"No warm process listens in {folder}; its log is warm.log there.")


def _ended(connection: socket.socket, job: JobFolder, spec: JSON) -> int:
    """Wait for the end of a job that a warm process does; beyond a limit, end that process and the job."""
    pid = _peer(connection)
    watch = Watch(spec, pid)
    connection.settimeout(POLL_S if watch.needed else None)
    while True:
        try:
            return int.from_bytes(connection.recv(1) or b"\x01")
        except TimeoutError:
            beyond = watch.exceeded()
        if beyond is not None:
            job.fail(beyond.reason, beyond.message)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # it may be deep in a library and ignore other signals
            return 1


def _peer(connection: socket.socket) -> int:
    """The process that listens at the other end."""
    pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid)


def _start(folder: Path, idle_s: float) -> "subprocess.Popen[bytes]":
    with (folder / "warm.log").open("ab") as log:
        command = [sys.executable, "-m", "ratoon.operations.warm", str(folder), str(idle_s)]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _dial(folder: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        with _short(folder) as address:
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


@contextmanager
def _bound(folder: Path) -> Iterator[socket.socket]:
    path = folder / "warm.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        with _short(folder) as address:
            server.bind(address)
        ours = path.stat().st_ino
        server.listen(16)
        try:
            yield server
        finally:
            with suppress(FileNotFoundError):
                if (
                    path.stat().st_ino == ours
                ):  # the directory may have been created again, with another's socket in it
                    path.unlink()


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """The socket's address by way of an open directory: a socket's path has only 107 bytes."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/warm.sock"
    finally:
        os.close(descriptor)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Send what this process prints to the file meanwhile."""
    streams: list[TextIO] = [sys.stdout, sys.stderr]
    saved = [os.dup(stream.fileno()) for stream in streams]
    with path.open("ab") as log:
        for stream in streams:
            os.dup2(log.fileno(), stream.fileno())
    try:
        yield
    finally:
        for stream, descriptor in zip(streams, saved, strict=True):
            stream.flush()
            os.dup2(descriptor, stream.fileno())
            os.close(descriptor)


if __name__ == "__main__":
    listen(Path(sys.argv[1]), float(sys.argv[2]))
