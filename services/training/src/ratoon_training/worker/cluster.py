"""The driver's Ray: one of its own, or a node of its own in a cluster that is given.

Its own is a head node on loopback with token authentication, no dashboard, no monitors. `RATOON_RAY_ADDRESS` names the
head of a given cluster (`host:port`); the driver joins it with a node that takes no workers, so that it needs nothing
but the network to reach it. `RAY_AUTH_MODE` and `RAY_AUTH_TOKEN` are the cluster's then, and
`RATOON_RAY_NODE_ADDRESS` is where the cluster reaches this node, if Ray is not to find out by itself; a head that does
not answer is tried for `RATOON_RAY_JOIN_S` seconds (60).

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
"""How many workers a group may have."""
_PAUSE_S = 2.0
"""How often a given cluster that does not answer is tried."""
_STARTS = 3
"""How often Ray may try to start."""
_guards: list["subprocess.Popen[bytes]"] = []
"""Kept, so that its pipe stays open as long as this process lives."""
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
"""Nothing reports, watches or counts."""


def start(folder: Path) -> None:
    """Start Ray, with its token in `folder`, and connect to it. WorkersLost when it does not come up."""
    folder.mkdir(parents=True, exist_ok=True)
    session = _session_folder(folder)
    _guard(folder, session.parent)
    os.environ.update(_QUIET)
    if given():
        _join(session)
        return
    os.environ.update(_private(folder))
    ray_internals.connect(_head_address(session))


def given() -> bool:
    """Whether there is a cluster to be joined."""
    return bool(os.environ.get(_ADDRESS))


def asked_by_worker(pods: str, cuda: bool) -> dict[str, float]:
    """What a worker asks of Ray: one of the run's own pods, or else processors, and a GPU where it computes on one.

    Processors are whole ones of others, and next to nothing of our own (threads are the recipe's). A run's own pods
    offer none, so that nobody else comes to them.
    """
    seat = {pods: 1.0} if pods else {"CPU": 1.0 if given() else 1 / _WORKERS}
    return seat | ({"GPU": 1.0} if cuda else {})


def node_id() -> str:
    """The driver's own node."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def room(pods: str) -> str:
    """What the cluster has, in words: of the pods of this name, or altogether."""
    import ray

    there = ray.cluster_resources()
    if pods:
        return f"{there.get(pods, 0):g} pods of the run's own have joined the Ray cluster"
    counted = [_units(there.get(unit, 0), unit) for unit in ("CPU", "GPU")]
    return f"the Ray cluster has {' and '.join(counted)}"


def _units(count: float, unit: str) -> str:
    return f"{count:g} {unit}" if count == 1 else f"{count:g} {unit}s"


def _join(session: Path) -> None:
    """Start a node of the given cluster that takes no workers, and connect by it; its head may be about to start."""
    address, until = os.environ[_ADDRESS], time.monotonic() + float(os.environ.get(_JOIN_S, "60"))
    while True:
        try:
            _start_member(address, session)
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


def _start_member(address: str, session: Path) -> None:
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
    """Where a new head node listens. Ray gives itself 30 s to start, too few on a busy machine: it gets more tries."""
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
    """Kill what a start that failed left in this driver's session."""
    if os.getsid(0) != os.getpid():
        return
    for pid in guard.members(os.getpid()):
        if pid != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def started() -> bool:
    """Whether this process has its Ray already."""
    if "ray" not in sys.modules:
        return False
    import ray

    return bool(ray.is_initialized())


def _private(folder: Path) -> dict[str, str]:
    """Token authentication, and loopback."""
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(_token_file(folder)),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's switch for staying on loopback
    }


@functools.cache
def _token() -> str:
    """One token a process: Ray reads it once, so a second start with another one would be refused by itself."""
    return secrets.token_hex(32)


def _token_file(folder: Path) -> Path:
    """The token of this driver's Ray, readable by this user alone."""
    path = folder / "ray-token"
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as sink:
        sink.write(_token())
    return path


def _guard(folder: Path, session: Path) -> None:
    """Sweep away what an earlier driver of this folder left, and have a guard do so when this one is gone."""
    if os.getsid(0) != os.getpid():
        return  # not a driver process of its own: a session that others share is not ours to sweep
    note = folder / "driver-session"
    if note.exists() and int(note.read_text()) != os.getpid():
        guard.sweep(int(note.read_text()))
    note.write_text(str(os.getpid()))
    _guards.append(guard.watch_over(os.getpid(), session))


def _session_folder(folder: Path) -> Path:
    """A new directory for Ray's sockets and logs, inside one that only this user enters; a former one is removed now.

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
