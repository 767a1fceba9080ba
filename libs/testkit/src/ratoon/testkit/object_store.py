"""A real S3 server for tests: versitygw over a folder, on a port of the loopback address.

It is one of the programs that `scripts/cluster tools` builds; where it is not built, tests are skipped, and say so.
"""

import os
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from ratoon.testkit.kubernetes.tools import tool
from ratoon.testkit.ports import free_ports

BUCKET = "artifacts"
_START_S = 30.0


class ObjectStore:
    """The server, over a folder."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program, self._folder = program, folder
        self._port = free_ports()[0]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"s3://{BUCKET}"
        """Of a bucket."""
        self.environment = {
            "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_REGION": "us-east-1",
        }
        """What its clients are told."""

    def start(self) -> None:
        """Start, and wait until it answers."""
        keys = ("--access", self.environment["AWS_ACCESS_KEY_ID"], "--secret", self._secret)
        command = [str(self._program), "--port", f"127.0.0.1:{self._port}", *keys, "posix", str(self._folder)]
        with self._folder.with_suffix(".log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + _START_S
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError(f"versitygw did not start: {self._folder.with_suffix('.log').read_text()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Take it away."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def _secret(self) -> str:
        return self.environment["AWS_SECRET_ACCESS_KEY"]

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.environment["AWS_ENDPOINT_URL"], timeout=2)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A server with one bucket, which this process and its children know from their environment."""
    program = tool("versitygw")
    if program is None:
        pytest.skip("an S3 server for tests is not built: scripts/cluster tools")
    store = ObjectStore(program, tmp_path_factory.mktemp("objects"))
    before = {name: os.environ.get(name) for name in store.environment}
    os.environ.update(store.environment)
    store.start()
    try:
        fsspec.get_filesystem_class(
            "s3"
        ).clear_instance_cache()  # one that was made before has another server's address
        fsspec.filesystem("s3").mkdir(BUCKET)
        yield store
    finally:
        store.stop()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
