"""The driver's Ray: its own, or a node in an existing cluster.

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
from pathlib import Path

from ratoon_training.domain.errors import WorkersLost
from ratoon_training.worker import guard, ray_internals

_LOG = logging.getLogger(__name__)
_STORE_BYTES = 80 * 1024 * 1024
_WORKERS = 64
"""Maximum number of workers of a group."""
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
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_ENABLE_WORKER_STRUCTURED_LOGGING": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}
"""Environment that turns off reports, monitors and metrics."""


def start(folder: Path) -> None:
    """Start Ray, with its token in `folder`, and connect to it. WorkersLost if it does not start."""
    folder.mkdir(parents=True, exist_ok=True)
    session = _session_folder(folder)
    _guard(folder, session.parent)
    os.environ.update(_QUIET)
    if joins_existing():
        _join(session)
        return
    os.environ.update(_private(folder))
    ray_internals.connect(_head_address(session))


def joins_existing() -> bool:
    """Return True if the driver joins an existing cluster."""
    return bool(os.environ.get(_ADDRESS))


def worker_resources(pods: str, cuda: bool) -> dict[str, float]:
    """Return the Ray resources of a worker: a dedicated pod of the run or CPUs, and a GPU if it computes on one.

    An existing cluster gives whole CPUs, the driver's own node next to nothing (threads are the recipe's). Dedicated
    pods offer no CPUs, so that no other worker is placed in them.
    """
    placement = {pods: 1.0} if pods else {"CPU": 1.0 if joins_existing() else 1 / _WORKERS}
    return placement | ({"GPU": 1.0} if cuda else {})


def node_id() -> str:
    """The driver's own node."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def capacity(pods: str) -> str:
    """Return the capacity of the cluster as text: of the pods of this name, or all."""
    import ray

    available = ray.cluster_resources()
    if pods:
        return f"{available.get(pods, 0):g} pods of the run's own have joined the Ray cluster"
    counted = [_units(available.get(unit, 0), unit) for unit in ("CPU", "GPU")]
    return f"the Ray cluster has {' and '.join(counted)}"


def _units(count: float, unit: str) -> str:
    return f"{count:g} {unit}" if count == 1 else f"{count:g} {unit}s"


def _join(session: Path) -> None:
    """Join the existing cluster with a node that takes no workers; retry, because its head may be about to start."""
    address, until = os.environ[_ADDRESS], time.monotonic() + float(os.environ.get(_JOIN_S, "60"))
    while True:
        try:
            _start_node(address, session)
            return
        except Exception as error:
            if time.monotonic() > until:
                raise WorkersLost(
                    f"The Ray cluster at {address} cannot be joined ({error}): check that its head runs "
                    "and that the token is the one of this cluster."
                ) from error
            _LOG.warning("the Ray cluster at %s cannot be joined (%s); trying again", address, error)
            _end_half_started()
            time.sleep(_PAUSE_S)


def _start_node(address: str, session: Path) -> None:
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=_PAUSE_S).close()  # Ray itself gives up after minutes
    ray_internals.start_node(
        gcs_address=address,
        node_ip_address=os.environ.get(_NODE_ADDRESS) or None,
        num_cpus=0,
        num_gpus=0,
        include_log_monitor=False,
        object_store_memory=_STORE_BYTES,
        dashboard_agent_listen_port=None,  # any: the head may be of the same address
        temp_dir=str(session),
    )
    ray_internals.connect(address, session)


def _head_address(session: Path) -> str:
    """Start a head node and return its address. Ray allows itself 30 s, too few on a loaded machine: it is retried."""
    for _ in range(_STARTS - 1):
        try:
            return _start_head(session)
        except Exception:
            _LOG.warning("Ray did not start; trying again", exc_info=True)
            _end_half_started()
    try:
        return _start_head(session)
    except Exception as error:
        raise WorkersLost(
            f"Ray did not start ({error}): check the load and the free disk space of the machine."
        ) from error


def _start_head(session: Path) -> str:
    return ray_internals.start_own_head(
        node_ip_address="127.0.0.1",
        num_cpus=1,
        include_dashboard=False,
        include_log_monitor=False,
        no_monitor=True,
        object_store_memory=_STORE_BYTES,
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


def _session_folder(folder: Path) -> Path:
    """Create a directory for Ray's sockets and logs in one that only this user can enter; remove a former one.

    Ray opens its own directory to every user of the machine. The guard removes the outer one. Both lie in the system's
    temporary directory: a socket's path has at most 107 bytes, and Ray spends most of them.
    """
    note = folder / "ray-session"
    if note.exists():
        shutil.rmtree(note.read_text(), ignore_errors=True)
    private = tempfile.mkdtemp(prefix="ratoon-ray-")
    note.write_text(private)
    session = Path(private) / "s"
    session.mkdir()
    return session
