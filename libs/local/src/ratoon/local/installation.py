"""Start and stop an installation: keys, databases, processes, readiness. It knows services only by name."""

import errno
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ratoon.local.observing import NOTHING, Observing
from ratoon.local.processes import CONSOLE, EDGE, PRIVATE, Process, Processes, Running, layout
from ratoon.process.errors import FailedPrecondition, RatoonError, Unavailable
from ratoon.runtime.services import service_names
from ratoon.runtime.settings import ServiceSettings, run_folder, settings_class, socket_address
from ratoon.security.identity import make_keys, make_signing_key
from ratoon.storage.migrations import migrate

READY_WITHIN_S = 60.0
_DRAIN_S = 45.0
"""Seconds for a process to exit: longer than the drain time of the gateway (`RATOON_GATEWAY_DRAIN_S`)."""
_WORKERS_END_S = 20.0
USUAL_PORT = 8080
_CONSOLE_AFTER = 10
"""Offset of the console port from the port of the HTTP API."""
_STEP, _TRIES = 20, 200
Say = Callable[[str], None]


@dataclass(frozen=True)
class Listener:
    """A listener: its name and its address."""

    name: str
    address: str


class Installation:
    """The installation in one state directory."""

    def __init__(self, state: Path) -> None:
        self.state = state.absolute()
        self.processes = Processes(self.state)

    def up(
        self, isolated: bool, host: str, port: int, say: Say, observing: Observing = NOTHING
    ) -> list[Listener]:
        """Start the processes that are not running, wait until all are ready, and return the listeners."""
        self._prepare(say)
        running = {each.name for each in self.processes.running()}
        processes = layout(isolated)
        if running - {process.name for process in processes}:
            raise FailedPrecondition(
                "Ratoon is running with another process layout (--isolated or not). Run `ratoon down` first.",
                reason="OTHER_LAYOUT_RUNS",
            )
        missing = [process for process in processes if process.name not in running]
        if any(process.name == "gateway" for process in missing):
            for needed_port in (port, port + 1):
                _check_port(host, needed_port)
            (self.state / "run" / "gateway.url").write_text(f"http://{host}:{port}\n")
            (self.state / "run" / "gateway.grpc").write_text(f"{host}:{port + 1}\n")
        if any(process.name == CONSOLE for process in missing):
            at = _free_port(host, port + _CONSOLE_AFTER)
            (self.state / "run" / "console.url").write_text(f"http://{host}:{at}\n")
        environment = {**self._environment(host, port), **observing.environment(processes)}
        children = {process.name: self.processes.start(process, environment) for process in missing}
        say(f"Starting {', '.join(children)} …" if children else "Ratoon is already running.")
        for process in processes:
            if not self._await(process, children.get(process.name), say):
                say(f"{process.name} exited; restarting …")
                self._await(process, self.processes.start(process, environment), say)
        metrics = {name: at for name, at in observing.addresses(processes).items() if name in children}
        shown = [Listener(f"metrics of {name}", f"http://{at}/metrics") for name, at in metrics.items()]
        return [*self.listeners(), *shown]

    def port(self) -> int:
        """Return the port of the HTTP API: that of the last start, or the default."""
        url = self.state / "run" / "gateway.url"
        stored = url.read_text().strip().rpartition(":")[2] if url.exists() else ""
        return int(stored) if stored.isdigit() else USUAL_PORT

    def down(self, keep_workers: bool, say: Say) -> int:
        """Stop the console, the gateway, the services, then engines and training; return the number of processes."""
        running = sorted(self.processes.running(), key=lambda each: [*EDGE, each.name].index(each.name))
        for name in self.processes.desired():
            self.processes.forget(name)
        ended = 0
        for each in running:
            for name in self.processes.end([each], _DRAIN_S):
                say(f"{name} has ended")
                ended += 1
        if not keep_workers:
            for name in self.processes.end(self.processes.workers(), _WORKERS_END_S):
                say(f"{name} has ended")
                ended += 1
        return ended

    def listeners(self) -> list[Listener]:
        """Return all listeners with their addresses."""
        names = (("HTTP API", "gateway.url"), ("gRPC", "gateway.grpc"), ("console", "console.url"))
        files = [(name, self.state / "run" / file) for name, file in names]
        edge = [Listener(name, file.read_text().strip()) for name, file in files if file.exists()]
        return [
            *edge,
            *(Listener(service, socket_address(self.state, service)) for service in service_names()),
        ]

    def migrate(self, say: Say) -> None:
        """Migrate the databases of all services to this version."""
        for service in service_names():
            settings = self.settings(service)
            at = migrate(service, settings.database_url)
            say(f"{service}: database at revision {at}")

    def settings(self, service: str) -> ServiceSettings:
        """Return the settings of a service in this state directory and environment."""
        return settings_class(service)(state=self.state)

    def ready(self, service: str, timeout_s: float = 1.0) -> bool:
        """Return True if a service, or the console, reports that it serves."""
        if service == CONSOLE:
            return self._console_ready(timeout_s)
        with grpc.insecure_channel(socket_address(self.state, service)) as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined]
                    health_pb2.HealthCheckRequest(), timeout=timeout_s
                )
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def _console_ready(self, timeout_s: float) -> bool:
        url = (self.state / "run" / "console.url").read_text().strip()
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=timeout_s):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def workers(self) -> list[Running]:
        """Return the engines, training drivers and jobs that run for this installation."""
        return self.processes.workers()

    def _prepare(self, say: Say) -> None:
        """Create or update directories, keys and databases; only their owner may access them."""
        os.umask(PRIVATE)
        for folder in (self.state, self.state / "run", run_folder(self.state)):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _check_own(folder)
        if make_keys(self.state / "keys", service_names()):
            say(f"Created service keys in {self.state / 'keys'} (readable only by you).")
        make_signing_key(self.state / "keys")
        self.migrate(lambda _line: None)

    def _environment(self, host: str, port: int) -> dict[str, str]:
        per_service = {f"RATOON_{service.upper()}_STATE": str(self.state) for service in service_names()}
        own = {
            "RATOON_GATEWAY_HOST": host,
            "RATOON_GATEWAY_PORT": str(port),
            "RATOON_GATEWAY_GRPC": f"{host}:{port + 1}",
            "RATOON_CONSOLE_GATEWAY": (self.state / "run" / "gateway.url").read_text().strip(),
            "RATOON_CONSOLE_HOST": host,
            "RATOON_CONSOLE_PORT": (self.state / "run" / "console.url")
            .read_text()
            .strip()
            .rpartition(":")[2],
        }
        return {**per_service, **own, "PYTHONUNBUFFERED": "1"}

    def _await(self, process: Process, child: subprocess.Popen[bytes] | None, say: Say) -> bool:
        """Wait until every service of a process serves; raise Unavailable with the end of its log if it does not.

        Return False if the process is not a child of this call and has exited: a process that was killed a moment ago
        still counted as running.
        """
        began = time.monotonic()
        waiting = list(process.services)
        while waiting:
            waiting = [service for service in waiting if not self.ready(service)]
            if not waiting:
                break
            if child is None and process.name in self.processes.lost():
                return False
            if child is not None and child.poll() is not None:
                raise Unavailable(
                    self._last_log_line(process.name, "exited immediately"), reason="PROCESS_ENDED"
                )
            if time.monotonic() - began > READY_WITHIN_S:
                message = self._last_log_line(process.name, f"is not ready after {READY_WITHIN_S:.0f} s")
                raise Unavailable(f"{message} Services not ready: {', '.join(waiting)}.", reason="NOT_READY")
            time.sleep(0.1)
        if "gateway" in process.services:
            _await_http((self.state / "run" / "gateway.url").read_text().strip())
        if child is not None:
            say(f"{process.name} is ready after {time.monotonic() - began:.1f} s")
        return True

    def _last_log_line(self, name: str, what: str) -> str:
        log = self.processes.log(name)
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        last = lines[-1] if lines else "(the log is empty)"
        return f"The process {name} {what}. Last line of its log ({log}): {last}"


def find_state(path: Path | None) -> Path:
    """Return the state directory: the given one, RATOON_STATE, or `.ratoon` in the working directory."""
    return (path or Path(os.environ.get("RATOON_STATE", ".ratoon"))).absolute()


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise RatoonError(
                    f"Cannot listen on port {port} of {host} ({error.strerror}): set another --host or --port.",
                    reason="ADDRESS_UNAVAILABLE",
                ) from None
            raise RatoonError(
                f"Port {port} on {host} is taken ({error.strerror}); stop what uses it, or choose a free one: "
                f"ratoon up --port {_free_base(host, port)}",
                reason="PORT_TAKEN",
            ) from None


def _free_base(host: str, port: int) -> int:
    """Return a port that is free together with the ports of gRPC and the console that belong to it."""
    for base in range(port + _STEP, min(port + _TRIES * _STEP, 65_000), _STEP):
        if all(_is_free(host, base + further) for further in (0, 1, _CONSOLE_AFTER)):
            return base
    return port + _STEP


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(host: str, port: int) -> int:
    """Return this port, or any free port if it is in use. The caller reports the address."""
    if _is_free(host, port):
        return port
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


def _check_own(folder: Path) -> None:
    """Restrict a directory of sockets or keys to its owner; raise FailedPrecondition if another user owns it."""
    stat = folder.stat()
    if stat.st_uid != os.getuid():
        raise FailedPrecondition(
            f"{folder} is owned by another user. Run Ratoon as that user, or change the owner.",
            reason="FOLDER_NOT_OURS",
        )
    if stat.st_mode & 0o077:
        folder.chmod(0o700)


def _await_http(url: str) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise Unavailable(
        f"The gateway did not respond at {url} within {READY_WITHIN_S:.0f} s. See `ratoon logs gateway`.",
        reason="NOT_READY",
    )
