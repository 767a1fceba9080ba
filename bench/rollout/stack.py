"""Systems under test: serving with real engines behind the gateway, and a plain vLLM that is restarted."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from load import RequestSpec

from ratoon.serving.v1 import rollout_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.storage.migrations import migrate
from ratoon.testkit.ports import free_ports
from ratoon_gateway.settings import Settings as GatewaySettings

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "services/serving/tests"))

from real import Installation

_UP_S = 180.0
_PLAIN = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}


class Stack:
    """A deployment behind a gateway, taken from version to version by any strategy."""

    def __init__(self, folder: Path) -> None:
        self.installation = Installation(folder)
        self._folder = folder

    @contextmanager
    def open(self) -> Iterator[int]:
        """Run serving and the gateway; yield the gateway's port."""
        state = {"RATOON_GATEWAY_STATE": str(self._folder)}
        settings, [port] = GatewaySettings(state=self._folder), free_ports()
        migrate("gateway", settings.database_url)
        command = [sys.executable, "-m", "ratoon_gateway", "--port", str(port), "--grpc", "off"]
        try:
            with self.installation.service(), process(command, self._folder / "gateway.log", state):
                until_up(port, "/readyz")
                yield port
        finally:
            self.installation.end_processes()

    def request_spec(self, port: int, deployment: str) -> RequestSpec:
        """Return the requests for a deployment."""
        key = (self._folder / "keys" / "operator.key").read_text().strip()
        return RequestSpec(port, {"authorization": f"Bearer {key}"}, f"p/{deployment.rpartition('/')[2]}")

    def serve(self, version: str) -> str:
        """Roll out a first version and return its deployment."""
        deployment = self.installation.deploy(version.partition("/versions/")[0])
        self._succeed(self.installation.roll_out(version))
        return deployment

    def switch(self, version: str, strategy: rollout_pb2.Rollout.Strategy.ValueType) -> float:
        """Roll out a version; return when the rollout was requested, in monotonic seconds."""
        started = time.monotonic()
        self._succeed(self.installation.roll_out(version, 2.0, strategy))
        return started

    def _succeed(self, rollout: rollout_pb2.Rollout) -> None:
        ended = self.installation.end(rollout)
        if ended.state != rollout_pb2.Rollout.STATE_SUCCEEDED:
            raise RuntimeError(f"{ended.name}: {ended.reason}")
        serving = self.installation.operator.GetDeployment(
            pb.GetDeploymentRequest(name=ended.name.partition("/rollouts/")[0])
        )
        assert serving.version == ended.to_version


class Plain:
    """vLLM's own server, which changes its model as it is documented: stop it, start it with another one."""

    def __init__(self, folder: Path, port: int) -> None:
        self._log, self.port = folder / "plain.log", port
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, model: Path) -> None:
        """Start it; returns when it answers."""
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
        command += ["--served-model-name", "mail", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--dtype", "float32", "--enforce-eager", "--max-model-len", "2048"]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **_PLAIN}, start_new_session=True
            )
        until_up(self.port, "/health")

    def stop(self) -> None:
        """End it, its requests first, and wait until it is gone."""
        if self._child is None:
            return
        self._child.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(60)
        self._child.kill()
        self._child.wait()

    def restart(self, model: Path) -> float:
        """Restart with another model; return when that was requested, in monotonic seconds."""
        started = time.monotonic()
        self.stop()
        self.start(model)
        return started


@contextmanager
def process(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[None]:
    """A child that ends with the block."""
    with log.open("wb") as sink:
        child = subprocess.Popen(command, stdout=sink, stderr=sink, env={**os.environ, **environment})
    try:
        yield
    finally:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(15)
        child.kill()


def until_up(port: int, path: str) -> None:
    """Wait until this path answers 200; TimeoutError when it does not in time."""
    deadline = time.monotonic() + _UP_S
    while time.monotonic() < deadline:
        with suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
                if answer.status == 200:
                    return
        time.sleep(0.05)
    raise TimeoutError(f"nothing came up on port {port}; see the logs next to the results")
