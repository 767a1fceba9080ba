"""Commands of an engine's pod, with real vLLM: fetch, verification, attestation, opening, swap of weights, drain."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from model_signing import signing

from ratoon.engine.contract import ControlPath
from ratoon.security.identity import make_signing_key
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.models import tiny_llama
from ratoon.testkit.ports import free_ports
from ratoon.testkit.waiting import until
from ratoon_serving.adapters.engine_file import served_names
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.adapters.pod_file import pod_file
from ratoon_serving.domain.engine import Engine, EngineState

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "projects/p/deployments/mail/engines/e"
SEQUENCES = 8
"""Answers that the engine writes at once."""


class Pod:
    """A pod's folder, variables and processes; its template's commands, run here."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, ArtifactStore(str(folder / "store"))
        (folder / "keys").mkdir()
        self._key = make_signing_key(folder / "keys")
        (self.port,) = free_ports(1)
        values = {
            "SETTINGS": folder / "engine.json",
            "FOLDER": folder / "state",
            "ARTIFACTS_URL": self.store.url,
            "PUBLIC_KEY": folder / "keys" / "model-signing.pub",
            "HOST": "127.0.0.1",
            "PORT": self.port,
            "KV_CACHE_MIB": 64,
            "DRAIN_S": 30,
            "MAX_NUM_SEQS": SEQUENCES,
        }
        variables = {f"RATOON_ENGINE_{name}": str(value) for name, value in values.items()}
        self.environment = {**os.environ, **variables, "OMP_NUM_THREADS": "2"}

    def engine(self, number: int) -> Engine:
        """An engine of a tiny model that is signed and in the store."""
        model = tiny_llama(self.folder / f"model-{number}", seed=number)
        signature = self.folder / f"model-{number}.sig"
        signing.Config().use_elliptic_key_signer(private_key=self._key).sign(model, signature)
        digests = (self.store.put_tree(model), self.store.put_file(signature), "")
        version, endpoint = f"projects/p/models/mail/versions/v1.{number}", f"http://127.0.0.1:{self.port}"
        return Engine(NAME, NOW, NOW, 1, version, *digests, "mail", endpoint=endpoint, secret="s3cret")

    def run(self, module: str) -> int:
        command = [sys.executable, "-m", f"ratoon.engine{module}"]
        return subprocess.run(command, env=self.environment, timeout=120, check=False).returncode

    @contextmanager
    def running(self):
        command = [sys.executable, "-m", "ratoon.engine"]
        with (self.folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    @contextmanager
    def queue(self, engine):
        """Request more long answers than the engine writes at once; at the end their callers disconnect."""
        body = {"model": engine.served_name, "prompt": "a", "max_tokens": 1500, "ignore_eos": True}
        headers = {"x-ratoon-engine-secret": engine.secret}
        callers = httpx.Client(base_url=engine.endpoint, headers=headers, timeout=300, limits=httpx.Limits())

        def ask() -> None:
            with suppress(httpx.HTTPError):
                callers.post("/v1/completions", json=body)

        threads = [threading.Thread(target=ask) for _ in range(6 * SEQUENCES)]
        for thread in threads:
            thread.start()
        until(lambda: EngineClient().load(engine)[0], 60, "nothing waits")
        yield
        callers.close()
        for thread in threads:
            thread.join(60)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ratoon/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False


def test_a_pod_fetches_opens_swaps_its_weights_and_drains(tmp_path):
    pod, client = Pod(tmp_path), EngineClient()
    old, new = pod.engine(0), pod.engine(1)
    (pod.folder / "engine.json").write_text(pod_file(old, ()))
    assert pod.run(".fetch") == 0
    with pod.running() as process:
        deadline = time.monotonic() + 300
        while not pod.ready():
            assert process.poll() is None, (pod.folder / "log.txt").read_text()[-2000:]
            assert time.monotonic() < deadline, "it did not come up"
            time.sleep(0.5)
        loaded = client.view(old)
        assert (loaded.state, loaded.loaded_digest, loaded.accepting) == (
            EngineState.READY,
            old.artifact_digest,
            False,
        )
        client.open(old, loaded.load_id)
        assert client.probe(old).passed
        assert client.load(old) == (0, 0.0)
        with pod.queue(old):
            assert client.probe(old).passed
            assert client.load(old)[0] > 0, "the probe waited for those before it"
        client.close(old)
        request = {
            "version": new.version,
            "artifact_digest": new.artifact_digest,
            "signature_digest": new.signature_digest,
            "served_names": served_names(new),
        }
        client.control(new, ControlPath.RELOAD, request, 300)  # fetched by the engine itself
        swapped = client.view(new)
        assert (swapped.loaded_digest, swapped.accepting) == (new.artifact_digest, False)
        assert swapped.load_id != loaded.load_id
        assert client.probe(new).passed
        assert pod.run(".drain") == 0
        process.terminate()
        assert process.wait(60) == 0
