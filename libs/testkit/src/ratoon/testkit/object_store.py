"""S3 servers for tests, on a port of the loopback address: versitygw over a directory, or moto in memory.

versitygw is one of the programs that `scripts/cluster tools` builds; where it is not built, moto takes its place. moto
checks no signatures and keeps its objects only as long as its process lives.
"""

import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import fsspec
import pytest

from ratoon.testkit.kubernetes.tools import tool
from ratoon.testkit.ports import free_ports
from ratoon.testkit.waiting import until

BUCKET = "artifacts"
_START_S = 60.0


class ObjectStore(ABC):
    """S3 server without a bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_ports()[0]
        self.url = f"s3://{BUCKET}"
        """URL of its one bucket."""
        self.environment = {
            "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_REGION": "us-east-1",
        }
        """Variables by which its clients find it."""
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self) -> None:
        """Start, and wait until it answers; what it held when it was stopped is there again."""

    @abstractmethod
    def stop(self) -> None:
        """Stop answering."""

    def close(self) -> None:
        """Kill its process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _run(self, command: Sequence[str], stdin: int = subprocess.DEVNULL) -> None:
        log = self.folder / "server.log"
        with log.open("ab") as output:
            process = subprocess.Popen(command, stdin=stdin, stdout=output, stderr=output)
        self._process = process
        until(lambda: process.poll() is not None or self._answers(), _START_S, log.read_text)
        assert process.poll() is None, f"the S3 server did not start: {log.read_text()}"

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.environment["AWS_ENDPOINT_URL"], timeout=2).close()
        except urllib.error.HTTPError as refused:
            refused.close()
        except OSError:
            return False
        return True


class DirectoryStore(ObjectStore):
    """versitygw over a directory."""

    def __init__(self, folder: Path, program: Path) -> None:
        super().__init__(folder)
        (folder / "objects").mkdir()
        self._program = program

    def start(self) -> None:
        """Start its process."""
        env = self.environment
        keys = ("--access", env["AWS_ACCESS_KEY_ID"], "--secret", env["AWS_SECRET_ACCESS_KEY"])
        address = ("--port", f"127.0.0.1:{self.port}")
        self._run([str(self._program), *address, *keys, "posix", str(self.folder / "objects")])

    def stop(self) -> None:
        """Kill its process."""
        self.close()


class MemoryStore(ObjectStore):
    """moto, in a process that outlives a stop."""

    def start(self) -> None:
        """Start its process, or let it answer again."""
        if self._process is None:
            self._run([sys.executable, "-m", "ratoon.testkit.s3_server", str(self.port)], subprocess.PIPE)
        else:
            self._send("start")
            until(self._answers, _START_S)

    def stop(self) -> None:
        """Let its process close the port."""
        self._send("stop")
        until(lambda: not self._answers(), _START_S)

    def _send(self, line: str) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A server with one bucket, which this process and its children know from their environment."""
    program, folder = tool("versitygw"), tmp_path_factory.mktemp("objects")
    store = DirectoryStore(folder, program) if program else MemoryStore(folder)
    before = {name: os.environ.get(name) for name in store.environment}
    os.environ.update(store.environment)
    try:
        store.start()
        # A file system of an earlier server has that server's address.
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        fsspec.filesystem("s3").mkdir(BUCKET)
        yield store
    finally:
        store.close()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
