"""A compressed version from its source to a real engine: rounded, verified next to its source, signed, attested."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from ratoon.operations.jobs import JobState, LocalJobs
from ratoon.security.identity import make_signing_key
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.compute import Compute, Dtype, cpu_flags, weights_misfit
from ratoon.testkit.models import tiny_llama
from ratoon.testkit.services import State
from ratoon.testkit.waiting import until
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.adapters.local_engine import LocalEngineHost
from ratoon_serving.adapters.models import model_spec
from ratoon_serving.bootstrap import local_engines
from ratoon_serving.domain.attestation import compare, recording
from ratoon_serving.domain.engine import Engine, EngineState, Fence
from ratoon_serving.settings import Settings
from ratoon_training.domain.compressions import CompressionSpec, Method
from ratoon_training.worker import models
from ratoon_training.worker.compression import rounding

pytestmark = [
    pytest.mark.engine,
    pytest.mark.thorough,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
]

NOW = datetime(2026, 6, 1, tzinfo=UTC)
VERSION = "projects/p/models/mail/versions/v1.1"
IN_BFLOAT16 = Compute(dtype=Dtype.BFLOAT16)


class Platform:
    """Directory of a small installation, with a source model of random weights."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.settings = folder, Settings(state=folder, kv_cache_mib=64)
        self.state = State(folder)
        self.store = ArtifactStore(self.settings.artifacts_url)
        self.key = make_signing_key(self.settings.keys)
        self.source = tiny_llama(folder / "source", seed=3)
        self.source_digest = self.store.put_tree(self.source)

    def compressed(self, method: Method) -> str:
        """Store the source with its weights in another format."""
        folder = self.folder / method
        model = models.whole(self.source, None).eval()
        spec = CompressionSpec(self.source_digest, method)
        rounding.save(model, folder, rounding.quantize(model, spec, {}, torch.bfloat16))
        for path in self.source.iterdir():
            if not (folder / path.name).exists():
                (folder / path.name).write_bytes(path.read_bytes())
        recipe = {"compression": {"method": method, "serving_dtype": "BFLOAT16"}}
        (folder / "recipe.json").write_text(json.dumps(recipe))
        return self.store.put_tree(folder)

    def verified(self, digest: str) -> dict:
        """Verify the artifact as a form of its source, as the registry does."""
        jobs = LocalJobs(self.folder / "jobs")
        spec = {
            "artifacts": self.store.url,
            "artifact_digest": digest,
            "reference_digest": self.source_digest,
            "signing_key": str(self.key),
            "dtypes": ["DTYPE_BFLOAT16"],
        }
        jobs.start(digest, "ratoon_registry.worker", spec)
        while (status := jobs.observe(digest)).state is JobState.RUNNING:
            time.sleep(0.1)
        assert status.state is JobState.SUCCEEDED, status.message
        return status.result


@pytest.fixture(scope="module")
def platform(tmp_path_factory) -> Platform:
    return Platform(tmp_path_factory.mktemp("compressed"))


@pytest.fixture(scope="module")
def host(platform) -> Iterator[LocalEngineHost]:
    host = LocalEngineHost(local_engines(platform.settings), platform.store, EngineClient())
    yield host
    host.stop_unknown(lambda name: False)


@pytest.mark.parametrize("method", [Method.INT8, Method.INT4])
def test_a_compressed_version_passes_its_attestation_in_a_real_engine(platform, host, method):
    result = platform.verified(platform.compressed(method))
    assert {link["format"] for link in result["parity_links"]} >= {method.lower()}
    spec = model_spec(platform.store, result["artifact_digest"])
    assert (spec.weights, spec.dtype) == (method.lower(), Dtype.BFLOAT16)
    if misfit := weights_misfit(spec.weights, IN_BFLOAT16, cpu_flags(Path("/proc/cpuinfo").read_text())):
        pytest.skip(misfit)
    digests = [result[f"{kind}_digest"] for kind in ("artifact", "signature", "golden")]
    name = f"projects/p/deployments/mail/engines/{method.lower()}"
    engine = Engine(name, NOW, NOW, 1, VERSION, *digests, "mail", secret="s" * 32, compute=IN_BFLOAT16)
    engine = Engine(**{**vars(engine), "endpoint": host.endpoint(engine)})
    host.prepare(host.pool("", IN_BFLOAT16))
    host.start(engine, Fence("test", 1))
    try:
        until(lambda: host.view(engine).state is EngineState.READY, 600, lambda: host.view(engine))
        golden = recording(json.loads(platform.store.read(result["golden_digest"])), Dtype.BFLOAT16)
        check = compare(golden, host.score_prompts(engine, golden.prompts))
        assert check.passed, check.message
    finally:
        host.stop(engine, Fence("test", 2))
