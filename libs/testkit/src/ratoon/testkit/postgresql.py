"""A real PostgreSQL for tests: Debian's programs, one private server for a test session, one database a service.

It listens on a Unix socket in its own directory and nowhere else. Where its programs are missing, tests are skipped
with that reason.
"""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_ACCOUNT = "postgres"
"""Account that runs the server when the tests run as root, which PostgreSQL refuses."""
_START_S = 60.0
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "300",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
}


def missing() -> str:
    """Return what this machine lacks for a real PostgreSQL, as a sentence; empty when nothing."""
    if _programs() is None:
        return "PostgreSQL is missing: apt-get install postgresql"
    if os.getuid() == 0 and not _account_exists():
        return (
            f"PostgreSQL does not run as root, and there is no account {_ACCOUNT}: apt-get install postgresql"
        )
    return ""


class Server:
    """One PostgreSQL server in a directory of its own."""

    def __init__(self, folder: Path) -> None:
        programs = _programs()
        assert programs is not None, missing()
        self._programs, self._folder = programs, folder
        self._known: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the server's files and start it; RuntimeError with the end of its log when it does not."""
        data = self._folder / "data"
        if os.getuid() == 0:
            shutil.chown(self._folder, _ACCOUNT, _ACCOUNT)
        command = ["initdb", "-D", str(data), "-U", _ACCOUNT, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        self._run([*command, "--no-sync"]).wait()
        options = [each for name, value in _SETTINGS.items() for each in ("-c", f"{name}={value}")]
        self._process = self._run(["postgres", "-D", str(data), "-k", str(self._folder), *options])
        until = time.monotonic() + _START_S
        while time.monotonic() < until and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.1)
        self.close()
        raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log.txt').read_text()[-3000:]}")

    def url(self, name: str) -> str:
        """The SQLAlchemy URL of a database, made when it is not there yet."""
        if name not in self._known:
            with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}"'.encode())
            self._known.add(name)
        return f"postgresql+psycopg://{_ACCOUNT}@/{name}?host={self._folder}"

    def close(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # it waits for no client and writes nothing more
            self._process.wait(timeout=30)
            self._process = None

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._address("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _address(self, database: str) -> str:
        return f"host={self._folder} user={_ACCOUNT} dbname={database}"

    def _run(self, command: list[str]) -> "subprocess.Popen[bytes]":
        """A program of PostgreSQL as an account that it accepts; it ends when this process does."""
        account = ["--reuid", _ACCOUNT, "--regid", _ACCOUNT, "--clear-groups"] if os.getuid() == 0 else []
        program, *arguments = command
        whole = ["setpriv", *account, "--pdeathsig", "QUIT", str(self._programs / program), *arguments]
        with (self._folder / "log.txt").open("ab") as log:
            return subprocess.Popen(whole, stdout=log, stderr=log, cwd=self._folder)


class Databases:
    """Database of a service in a test: SQLite in its state directory, or one of its own on a server."""

    def __init__(self, server: Server | None = None) -> None:
        self._server = server

    def url(self, service: str, folder: Path) -> str:
        """Return a service's `database_url`; empty for the default. The same directory gives the same database."""
        if self._server is None:
            return ""
        return self._server.url(f"{service}_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}")

    def url_of_file(self, path: Path) -> str:
        """Return a database of no service: this SQLite file, or one named after it on the server."""
        return self.url("file", path) or f"sqlite:///{path}"


@contextmanager
def running_server() -> Iterator[Server]:
    """A server until the block ends."""
    with tempfile.TemporaryDirectory(prefix="ratoon-postgresql-", ignore_cleanup_errors=True) as folder:
        server = Server(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.close()


def _programs() -> Path | None:
    """The directory of the newest PostgreSQL server on this machine."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    paths = sorted(versions, key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0)
    if paths:
        return paths[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None


def _account_exists() -> bool:
    try:
        pwd.getpwnam(_ACCOUNT)
    except KeyError:
        return False
    return True
