"""Bringing an installation up and down: keys, databases, processes, readiness. It knows rooms by name only."""

import importlib
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

from ratoon.chassis.errors import FailedPrecondition, RatoonError, Unavailable
from ratoon.chassis.identity import make_keys, make_signing_key
from ratoon.chassis.migrations import migrate
from ratoon.chassis.settings import SERVICES, RoomSettings, run_folder, socket_address
from ratoon.sdk.local.observing import NOTHING, Observing
from ratoon.sdk.local.processes import CONSOLE, EDGE, PRIVATE, Process, Processes, Running, layout

READY_WITHIN_S = 60.0
_DRAIN_S = 45.0
"""Seconds that a process has to end: longer than the gateway lets open answers go on (`RATOON_GATEWAY_DRAIN_S`)."""
_WORKERS_END_S = 20.0
USUAL_PORT = 8080
_CONSOLE_AFTER = 10
"""The console listens so many ports after the HTTP API."""
_STEP, _TRIES = 20, 200
Say = Callable[[str], None]


@dataclass(frozen=True)
class Listener:
    """Something that listens: who, and where."""

    name: str
    address: str


class Installation:
    """The installation in one state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state.absolute()
        self.processes = Processes(self.state)

    def up(
        self, isolated: bool, host: str, port: int, say: Say, observing: Observing = NOTHING
    ) -> list[Listener]:
        """Start what does not run yet and wait until all of it is ready; what listens where."""
        self._prepare(say)
        running = {each.name for each in self.processes.running()}
        wanted = layout(isolated)
        if running - {process.name for process in wanted}:
            raise FailedPrecondition(
                "Ratoon runs here in another layout; run `ratoon down` first.", reason="OTHER_LAYOUT_RUNS"
            )
        missing = [process for process in wanted if process.name not in running]
        if any(process.name == "gateway" for process in missing):
            for wanted_port in (port, port + 1):
                _check_port(host, wanted_port)
            (self.state / "run" / "gateway.url").write_text(f"http://{host}:{port}\n")
            (self.state / "run" / "gateway.grpc").write_text(f"{host}:{port + 1}\n")
        if any(process.name == CONSOLE for process in missing):
            at = _free_port(host, port + _CONSOLE_AFTER)
            (self.state / "run" / "console.url").write_text(f"http://{host}:{at}\n")
        environment = {**self._environment(host, port), **observing.environment(wanted)}
        children = {process.name: self.processes.start(process, environment) for process in missing}
        say(f"Starting {', '.join(children)} …" if children else "Ratoon runs already.")
        for process in wanted:
            if not self._await(process, children.get(process.name), say):
                say(f"{process.name} has just ended; starting it again …")
                self._await(process, self.processes.start(process, environment), say)
        metrics = {name: at for name, at in observing.addresses(wanted).items() if name in children}
        shown = [Listener(f"metrics of {name}", f"http://{at}/metrics") for name, at in metrics.items()]
        return [*self.listeners(), *shown]

    def port(self) -> int:
        """The port of the HTTP API: the one of the last start, or the usual one."""
        url = self.state / "run" / "gateway.url"
        stored = url.read_text().strip().rpartition(":")[2] if url.exists() else ""
        return int(stored) if stored.isdigit() else USUAL_PORT

    def down(self, keep_workers: bool, say: Say) -> int:
        """End the processes: the console, the gateway, the services, then engines and training; how many ended."""
        order = sorted(self.processes.running(), key=lambda each: [*EDGE, each.name].index(each.name))
        for name in self.processes.wanted():
            self.processes.forget(name)
        ended = 0
        for each in order:
            for name in self.processes.end([each], _DRAIN_S):
                say(f"{name} has ended")
                ended += 1
        if not keep_workers:
            for name in self.processes.end(self.processes.workers(), _WORKERS_END_S):
                say(f"{name} has ended")
                ended += 1
        return ended

    def listeners(self) -> list[Listener]:
        """What listens where."""
        told = (("HTTP API", "gateway.url"), ("gRPC", "gateway.grpc"), ("console", "console.url"))
        files = [(name, self.state / "run" / file) for name, file in told]
        edge = [Listener(name, file.read_text().strip()) for name, file in files if file.exists()]
        return [*edge, *(Listener(service, socket_address(self.state, service)) for service in SERVICES)]

    def migrate(self, say: Say) -> None:
        """Bring every room's database to this version."""
        for service in SERVICES:
            settings = self.settings(service)
            at = migrate(service, settings.database_url)
            say(f"{service}: database at revision {at}")

    def settings(self, service: str) -> RoomSettings:
        """A room's settings in this state folder and environment."""
        made: RoomSettings = importlib.import_module(f"ratoon_{service}.settings").Settings(state=self.state)
        return made

    def ready(self, service: str, timeout_s: float = 1.0) -> bool:
        """Whether a room, or the console, says that it serves."""
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
        """Engines, training drivers and jobs that run for this installation."""
        return self.processes.workers()

    def _prepare(self, say: Say) -> None:
        """Folders, keys and databases of a new installation, or an older one; all of it is its owner's alone."""
        os.umask(PRIVATE)
        for folder in (self.state, self.state / "run", run_folder(self.state)):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _check_own(folder)
        if make_keys(self.state / "keys", SERVICES):
            say(f"Made service keys in {self.state / 'keys'} (readable by you alone).")
        make_signing_key(self.state / "keys")
        self.migrate(lambda _line: None)

    def _environment(self, host: str, port: int) -> dict[str, str]:
        per_service = {f"RATOON_{service.upper()}_STATE": str(self.state) for service in SERVICES}
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
        """Wait until every room of a process serves; Unavailable with the end of its log when it does not.

        False when it is not this call's child and has ended: who was killed a moment ago still counted as running.
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
                raise Unavailable(self._last_words(process.name, "ended at once"), reason="PROCESS_ENDED")
            if time.monotonic() - began > READY_WITHIN_S:
                said = self._last_words(process.name, f"is not ready after {READY_WITHIN_S:.0f} s")
                raise Unavailable(f"{said} Waiting for: {', '.join(waiting)}.", reason="NOT_READY")
            time.sleep(0.1)
        if "gateway" in process.services:
            _await_http((self.state / "run" / "gateway.url").read_text().strip())
        if child is not None:
            say(f"{process.name} is ready after {time.monotonic() - began:.1f} s")
        return True

    def _last_words(self, name: str, what: str) -> str:
        log = self.processes.log(name)
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        said = lines[-1] if lines else "nothing was logged"
        return f"The process {name} {what}. Its log ({log}) ends: {said}"


def find_state(given: Path | None) -> Path:
    """The state folder: the one given, RATOON_STATE, or `.ratoon` here."""
    return (given or Path(os.environ.get("RATOON_STATE", ".ratoon"))).absolute()


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RatoonError(
                f"Port {port} on {host} is taken ({error.strerror}); stop what uses it, or choose a free one: "
                f"ratoon up --port {_free_base(host, port)}",
                reason="PORT_TAKEN",
            ) from None


def _free_base(host: str, port: int) -> int:
    """A port that is free, like those of gRPC and of the console that go with it."""
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


def _free_port(host: str, wanted: int) -> int:
    """This port, or any free one where somebody else has it: what listens where is told either way."""
    if _is_free(host, wanted):
        return wanted
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


def _check_own(folder: Path) -> None:
    """The folder of our sockets and keys must be ours alone."""
    found = folder.stat()
    if found.st_uid != os.getuid():
        raise FailedPrecondition(f"{folder} belongs to another user.", reason="FOLDER_NOT_OURS")
    if found.st_mode & 0o077:
        folder.chmod(0o700)


def _await_http(url: str) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise Unavailable(f"The gateway does not answer at {url}.", reason="NOT_READY")
