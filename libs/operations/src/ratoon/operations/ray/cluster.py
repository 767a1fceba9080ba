"""The Ray of a driver, which is the process of a job that computes on Ray: its own, or a node in an existing cluster.

Its own is a head node on loopback with token authentication, no dashboard, no monitors. `RATOON_RAY_ADDRESS` names the
head of an existing cluster (`host:port`); the driver joins it with a node that takes no workers, so that it needs
nothing but the network to reach it. `RAY_AUTH_MODE` and `RAY_AUTH_TOKEN` are the cluster's then, and
`RATOON_RAY_NODE_ADDRESS` is where the cluster reaches this node, if Ray cannot detect it; a head that does not answer
is tried again for `RATOON_RAY_JOIN_S` seconds (60).

It must be started from the driver's main thread: Ray's processes die with the thread that started them, and so
never outlive the driver, however that ends. Ray reads its settings from the environment when it is first imported.
"""

import contextlib
import functools
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ratoon.operations.ray import guard, internals

_LOG = logging.getLogger(__name__)
_STORE_BYTES = 80 * 1024 * 1024
_PAUSE_S = 2.0
"""Seconds between two attempts to join an existing cluster."""
_STARTS = 3
"""Maximum number of attempts to start Ray."""
_guards: list["subprocess.Popen[bytes]"] = []
"""References that keep the pipes of the guards open as long as this process lives."""
_ADDRESS, _NODE_ADDRESS = "RATOON_RAY_ADDRESS", "RATOON_RAY_NODE_ADDRESS"
_JOIN_S = "RATOON_RAY_JOIN_S"
_QUIET = {
    "OMP_WAIT_POLICY": "passive",  # threads that wait for each other sleep: spinning costs 4 x on a busy machine
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment that turns off reports, monitors and metrics."""


class RayUnavailable(Exception):
    """Ray could not be started, or the existing cluster could not be joined."""

    code, reason = "INTERNAL", "WORKERS_LOST"


@dataclass(frozen=True)
class NodeSize:
    """Size of a driver's node: CPUs that it offers as a head of its own, and bytes of its object store."""

    cpus: int = 1
    store_bytes: int = _STORE_BYTES


def start(folder: Path | None = None, size: NodeSize = NodeSize()) -> None:
    """Start Ray, with its token in `folder`, and connect to it. RayUnavailable if it does not start.

    A driver that has a directory kills what an earlier driver of it left. Without one, the token lies in a temporary
    directory that is removed when the driver ends.
    """
    private = Path(tempfile.mkdtemp(prefix="ratoon-ray-"))
    folder = folder or private
    folder.mkdir(parents=True, exist_ok=True)
    session = _session_folder(folder, private)
    _guard(folder, private)
    os.environ.update(_QUIET)
    if joins_existing():
        _join(session, size)
        return
    os.environ.update(_private(folder))
    internals.connect(_head_address(session, size))


def joins_existing() -> bool:
    """Return True if the driver joins an existing cluster."""
    return bool(os.environ.get(_ADDRESS))


def _join(session: Path, size: NodeSize) -> None:
    """Join the existing cluster with a node that takes no workers; retry, because its head may be about to start."""
    address, until = os.environ[_ADDRESS], time.monotonic() + float(os.environ.get(_JOIN_S, "60"))
    while True:
        try:
            _start_node(address, session, size)
            return
        except Exception as error:
            if time.monotonic() > until:
                raise RayUnavailable(
                    f"The Ray cluster at {address} cannot be joined ({error}): check that its head runs "
                    "and that the token is the one of this cluster."
                ) from error
            _LOG.warning("the Ray cluster at %s cannot be joined (%s); trying again", address, error)
            _end_half_started()
            time.sleep(_PAUSE_S)


def _start_node(address: str, session: Path, size: NodeSize) -> None:
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=_PAUSE_S).close()  # Ray itself gives up after minutes
    internals.start_node(
        gcs_address=address,
        node_ip_address=os.environ.get(_NODE_ADDRESS) or None,
        num_cpus=0,
        num_gpus=0,
        include_log_monitor=False,
        object_store_memory=size.store_bytes,
        dashboard_agent_listen_port=None,  # any: the head may be of the same address
        temp_dir=str(session),
    )
    internals.connect(address, session)


def _head_address(session: Path, size: NodeSize) -> str:
    """Start a head node and return its address. Ray allows itself 30 s, too few on a loaded machine: it is retried."""
    for _ in range(_STARTS - 1):
        try:
            return _start_head(session, size)
        except Exception:
            _LOG.warning("Ray did not start; trying again", exc_info=True)
            _end_half_started()
    try:
        return _start_head(session, size)
    except Exception as error:
        raise RayUnavailable(
            f"Ray did not start ({error}): check the load and the free disk space of the machine."
        ) from error


def _start_head(session: Path, size: NodeSize) -> str:
    return internals.start_own_head(
        node_ip_address="127.0.0.1",
        num_cpus=size.cpus,
        include_dashboard=False,
        include_log_monitor=False,
        no_monitor=True,
        object_store_memory=size.store_bytes,
        temp_dir=str(session),
    )


def _end_half_started() -> None:
    """Kill the processes that a failed start left in this driver's session."""
    if os.getsid(0) != os.getpid():
        return
    for pid in guard.processes(os.getpid()):
        if pid != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def started() -> bool:
    """Return True if this process has started its Ray."""
    if "ray" not in sys.modules:
        return False
    import ray

    return bool(ray.is_initialized())


def _private(folder: Path) -> dict[str, str]:
    """Return the environment of token authentication on loopback."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(_token_file(folder)),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's switch for staying on loopback
    }


@functools.cache
def _token() -> str:
    """Return the token of this process: Ray reads it once, and would refuse a second start with another one."""
    return secrets.token_hex(32)


def _token_file(folder: Path) -> Path:
    """Write the token of this driver's Ray, readable only by this user; return its file."""
    path = folder / "ray-token"
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as sink:
        sink.write(_token())
    return path


def _guard(folder: Path, session: Path) -> None:
    """Kill what an earlier driver of this directory left, and start a guard that does so when this one ends."""
    if os.getsid(0) != os.getpid():
        return  # not a driver process of its own: others share this session
    note = folder / "driver-session"
    if note.exists() and int(note.read_text()) != os.getpid():
        guard.kill_session(int(note.read_text()))
    note.write_text(str(os.getpid()))
    _guards.append(guard.watch_over(os.getpid(), session))


def _session_folder(folder: Path, private: Path) -> Path:
    """Create a directory for Ray's sockets and logs in one that only this user can enter; remove a former one.

    Ray opens its own directory to every user of the machine. The guard removes the outer one. Both lie in the system's
    temporary directory: a socket's path has at most 107 bytes, and Ray spends most of them.
    """
    note = folder / "ray-session"
    if note.exists():
        shutil.rmtree(note.read_text(), ignore_errors=True)
    note.write_text(str(private))
    session = private / "s"
    session.mkdir()
    return session
