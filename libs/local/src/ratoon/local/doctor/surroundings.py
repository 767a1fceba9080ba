"""Checks of the environment of the services: directories, keys, processes, ports, engines, machine."""

import ctypes
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ratoon.local.doctor.findings import Severity, Trouble
from ratoon.local.installation import Installation
from ratoon.local.processes import CONSOLE, EDGE, control_services
from ratoon.process.errors import RatoonError
from ratoon.process.identity import ProcessIdentity
from ratoon.runtime.services import service_names
from ratoon.runtime.settings import run_folder
from ratoon.security.identity import load_key, load_public_keys

_MIN_DISK_BYTES = 2 << 30
_MIN_MEMORY_BYTES = 2 << 30
_DEFAULT_ADDRESS = ("127.0.0.1", 8080)


def folders(installation: Installation) -> Iterator[Trouble]:
    """The state is owned by this user and writable, and other users cannot read secrets."""
    for folder in (installation.state, installation.state / "keys", run_folder(installation.state)):
        if not folder.exists():
            continue
        stat = folder.stat()
        if stat.st_uid != os.getuid():
            yield Trouble(
                f"{folder} is owned by another user.", f"Run Ratoon as that user, or: chown -R $USER {folder}"
            )
        elif stat.st_mode & 0o077:
            yield Trouble(
                f"Other users can access {folder}.", f"Run: chmod 700 {folder}", _unless_root_of_state(folder)
            )
    if not os.access(installation.state, os.W_OK) or _is_read_only(installation.state):
        yield Trouble(
            f"{installation.state} is not writable.", "Mount it writable, or move it to a writable disk."
        )


def keys(installation: Installation) -> Iterator[Trouble]:
    """Every service has a private key that only its owner can read, and public.json contains its public key."""
    folder = installation.state / "keys"
    try:
        public = load_public_keys(folder / "public.json")
    except (RatoonError, ValueError) as error:
        yield Trouble(
            str(error), "Restore keys/ from a backup. If there are no keys, `ratoon up` creates new ones."
        )
        return
    for service in service_names():
        try:
            key = load_key(folder / f"{service}.key")
        except (RatoonError, ValueError) as error:
            yield Trouble(str(error), f"Run `chmod 600 {folder}/{service}.key`, or restore it from a backup.")
            continue
        if service not in public or public[service].public_bytes_raw() != key.public_key().public_bytes_raw():
            yield Trouble(
                f"The public key of {service} in {folder}/public.json does not match {service}.key.",
                "Restore keys/ from a backup. Until then, services reject the calls of this service.",
            )
    for name in ("operator.key", "answers.secret", "model-signing.pem"):
        path = folder / name
        if path.exists() and path.stat().st_mode & 0o077:
            yield Trouble(f"{path} can be read by others.", f"Run: chmod 600 {path}")


def processes(installation: Installation) -> Iterator[Trouble]:
    """All processes of the platform are running and ready, or none is running."""
    running = {each.name for each in installation.processes.running()}
    dead = [name for name in installation.processes.names() if name not in running]
    if not running:
        yield Trouble("Ratoon is not running.", "Run: ratoon up", Severity.WARNING)
        return
    for name in dead:
        log = installation.processes.log(name)
        yield Trouble(f"The process {name} has exited. Its log is {log}.", "Run: ratoon up")
    for service in (s for name in running for s in (control_services() if name == "control" else (name,))):
        if service in (*service_names(), CONSOLE) and not installation.ready(service):
            yield Trouble(f"{service} is not ready.", "See `ratoon logs`, then run: ratoon down && ratoon up")


def ports(installation: Installation) -> Iterator[Trouble]:
    """The ports of the gateway are free."""
    if any(each.name == "gateway" for each in installation.processes.running()):
        return
    url_file = installation.state / "run" / "gateway.url"
    address = urlsplit(url_file.read_text().strip()) if url_file.exists() else None
    host, port = _DEFAULT_ADDRESS
    if address and address.hostname and address.port:
        host, port = address.hostname, address.port
    for each in (port, port + 1):
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((host, each)) == 0:
                yield Trouble(
                    f"Port {each} on {host} is taken.",
                    f"Stop the process that uses it (ss -ltnp 'sport = :{each}'), or run: ratoon up --port {port + 10}",
                    Severity.WARNING,
                )


def workers(installation: Installation) -> Iterator[Trouble]:
    """Every running engine is assigned to a deployment, and no traces of exited processes remain."""
    controlled = any(each.name not in EDGE for each in installation.processes.running())
    for folder in sorted((installation.state / "serving" / "engines").glob("*")):
        mark = ProcessIdentity.read(folder)
        alive, assigned = mark is not None and mark.alive(), (folder / "engine.json").exists()
        if alive and not assigned:
            yield Trouble(
                f"The engine {folder.name} (process {mark.pid if mark else ''}) is not assigned to a deployment.",
                "Run `ratoon up`, which stops it within a minute, or run `ratoon down`.",
            )
        if assigned and not alive and not controlled:
            yield Trouble(
                f"The engine {folder.name} has exited, and no process restarts it.",
                "Run: ratoon up",
                Severity.WARNING,
            )
    if not controlled:
        yield from _stale_sockets(run_folder(installation.state))


def _stale_sockets(folder: Path) -> Iterator[Trouble]:
    stale = [path.name for path in sorted(folder.glob("*.sock")) if not _listens(path)]
    if stale:
        message = f"{len(stale)} sockets in {folder} are from processes that have exited ({stale[0]}, …)."
        yield Trouble(message, "No action needed: `ratoon up` replaces them.", Severity.WARNING)


def machine(installation: Installation) -> Iterator[Trouble]:
    """Disk space, memory and libnuma are available."""
    free = shutil.disk_usage(installation.state).free
    if free < _MIN_DISK_BYTES:
        yield Trouble(
            f"{free / 2**30:.1f} GiB are free on the disk of the state; a training run and an engine need 2 GiB.",
            "Free disk space. `ratoon gc --dry-run` lists what Ratoon can remove.",
            Severity.WARNING if free > _MIN_DISK_BYTES // 4 else Severity.FAULT,
        )
    lines = Path("/proc/meminfo").read_text().splitlines()
    memory = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    if memory < _MIN_MEMORY_BYTES:
        message = f"{memory / 2**30:.1f} GiB of memory are free; a second engine needs about 2 GiB."
        yield Trouble(message, "Stop other programs, or serve smaller models.", Severity.WARNING)
    try:
        ctypes.CDLL("libnuma.so.1")
    except OSError:
        yield Trouble("libnuma, which engines load, is missing.", "Run: apt-get install libnuma1")


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _is_read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _unless_root_of_state(folder: Path) -> Severity:
    """Return FAULT for the keys directory, which must be private, and WARNING for the others."""
    return Severity.FAULT if folder.name == "keys" else Severity.WARNING
