"""A Ray cluster on loopback for tests: a head that takes no workers, and nodes that come and go."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ratoon.testkit.ports import free_ports

START_S = 200
"""Seconds that a node may take to start on a loaded machine."""
_NODE = """
import json, sys, time
from ratoon.operations.ray.internals import start_node
print("ready", start_node(**json.loads(sys.argv[1]), head=bool(sys.argv[2])), flush=True)
while True:
    time.sleep(1)
"""
"""The same as `ray start --block`, but on loopback for workers too."""
_STORE_BYTES = 80_000_000


class RayCluster:
    """Ray's own processes on loopback, with a token that all of them know."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        """`folder` has a short path: a socket's has at most 107 bytes. Nodes have this environment too."""
        self._folder, self.port = folder, free_ports()[0]
        self._extra = dict(environment or {})
        self._nodes: list[subprocess.Popen[bytes]] = []
        self._token = secrets.token_hex(32)

    @property
    def address(self) -> str:
        """Return `host:port` of the head."""
        return f"127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of processes of the cluster."""
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self._token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's switch for staying on loopback
            **self._extra,
        }

    @property
    def driver_environment(self) -> dict[str, str]:
        """Return the environment of drivers, which join the cluster."""
        return {**self.environment, "RATOON_RAY_ADDRESS": self.address}

    @property
    def pids(self) -> list[int]:
        """Return the processes from which the nodes descend, the head first."""
        return [node.pid for node in self._nodes]

    def start_head(self) -> None:
        """Start the head, without CPUs."""
        self._start(
            head=True, gcs_server_port=self.port, num_cpus=0, include_dashboard=False, no_monitor=True
        )

    def start_workers(self, cpus: int, **resources: float) -> None:
        """Start a node with `cpus` CPUs and these additional resources."""
        self._start(head=False, gcs_address=self.address, num_cpus=cpus, resources=resources)

    def kill_workers(self) -> None:
        """Kill the newest node."""
        self._end(self._nodes.pop())

    def close(self) -> None:
        """Kill all."""
        while self._nodes:
            self._end(self._nodes.pop())

    def _start(self, *, head: bool, **parameters: object) -> None:
        log = self._folder / f"node-{time.monotonic_ns()}.log"
        options = {
            "temp_dir": str(self._folder / str(len(self._nodes))),
            "object_store_memory": _STORE_BYTES,
            "include_log_monitor": False,
            "dashboard_agent_listen_port": None,
            **parameters,
        }
        with log.open("wb") as sink:
            node = subprocess.Popen(
                [sys.executable, "-c", _NODE, json.dumps(options), "head" if head else ""],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                env=os.environ | self.environment,
            )
        self._nodes.append(node)
        deadline = time.monotonic() + START_S
        while "ready" not in log.read_text():
            assert node.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)

    def _end(self, node: "subprocess.Popen[bytes]") -> None:
        """Kill a node. Ray's processes form groups of their own, but stay in the session."""
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and _session(folder) == node.pid:
                os.kill(int(folder.name), signal.SIGKILL)
        node.wait(30)


@contextmanager
def ray_cluster(environment: Mapping[str, str] | None = None) -> Iterator[RayCluster]:
    """Run a cluster of one head; its files are removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ratoon-ray-test-"))
    cluster = RayCluster(folder, environment)
    try:
        cluster.start_head()
        yield cluster
    finally:
        cluster.close()
        shutil.rmtree(folder, ignore_errors=True)


def _session(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[3])
    except OSError:
        return 0
