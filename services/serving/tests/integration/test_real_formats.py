"""A real vLLM engine in bfloat16: it is attested against the record of its number format, and other weights are not."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ratoon.operations.jobs import JobState, LocalJobs
from ratoon.process.identity import ProcessIdentity
from ratoon.security.identity import make_signing_key
from ratoon.service.compute import has_nvidia_gpu
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon.testkit.models import tiny_llama
from ratoon.testkit.waiting import until
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.adapters.local_engine import LocalEngineHost
from ratoon_serving.bootstrap import local_engines
from ratoon_serving.domain.attestation import Recording, compare, computed_dtype, recording
from ratoon_serving.domain.engine import Engine, EngineState, Fence
from ratoon_serving.settings import Settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DEVICES = [
    Accelerator.CPU,
    pytest.param(
        Accelerator.CUDA,
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not has_nvidia_gpu(), reason="there is no NVIDIA GPU here"),
        ],
    ),
]


class Verified:
    """Two tiny models, verified and recorded in bfloat16 by the registry's worker."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.store, self._jobs = ArtifactStore(settings.artifacts_url), LocalJobs(folder / "jobs")
        settings.keys.mkdir(mode=0o700)
        key = str(make_signing_key(settings.keys))
        for seed in range(2):
            model = tiny_llama(folder / f"model-{seed}", seed=seed)
            spec = {
                "artifacts": self.store.url,
                "artifact_digest": self.store.put_tree(model),
                "signing_key": key,
                "dtypes": ["DTYPE_BFLOAT16"],
            }
            self._jobs.start(str(seed), "ratoon_registry.worker", spec)
        self.results = [self._result(str(seed)) for seed in range(2)]

    def blob(self, number: int) -> dict:
        return json.loads(self.store.read(self.results[number]["golden_digest"]))

    def _result(self, job: str) -> dict:
        while (status := self._jobs.observe(job)).state is JobState.RUNNING:
            time.sleep(0.1)
        assert status.state is JobState.SUCCEEDED, status.message
        return status.result


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    return Settings(state=tmp_path_factory.mktemp("formats"), kv_cache_mib=64)


@pytest.fixture(scope="module")
def verified(settings, tmp_path_factory) -> Verified:
    return Verified(tmp_path_factory.mktemp("models"), settings)


@pytest.fixture(scope="module")
def host(settings, verified) -> Iterator[LocalEngineHost]:
    host = LocalEngineHost(local_engines(settings), verified.store, EngineClient())
    yield host
    host.stop_unknown(lambda name: False)
    server = ProcessIdentity.read(settings.folder / "fork-server")
    if server is not None and server.alive():
        server.signal_group(9)


@pytest.fixture(scope="module", params=DEVICES)
def engine(request, host, verified) -> Iterator[Engine]:
    result, compute = verified.results[0], Compute(request.param, Dtype.BFLOAT16)
    name = f"projects/p/deployments/mail/engines/{request.param.lower()}"
    version = "projects/p/models/mail/versions/v1.0"
    digests = [result[f"{kind}_digest"] for kind in ("artifact", "signature", "golden")]
    engine = Engine(name, NOW, NOW, 1, version, *digests, "mail", secret="s" * 32, compute=compute)
    engine = Engine(**{**vars(engine), "endpoint": host.endpoint(engine)})
    host.prepare(host.pool("", compute))
    host.start(engine, Fence("test", 1))
    until(lambda: host.view(engine).state is EngineState.READY, 600, lambda: host.view(engine))
    yield engine
    host.stop(engine, Fence("test", 2))


def attested(host: LocalEngineHost, engine: Engine, golden: Recording):
    return compare(golden, host.score_prompts(engine, golden.prompts))


def test_an_engine_in_bfloat16_reports_it_and_passes_against_the_record_of_its_format(host, engine, verified):
    view = host.view(engine)
    assert computed_dtype(engine, view.dtype) is Dtype.BFLOAT16
    golden = recording(verified.blob(0), Dtype.BFLOAT16)
    assert golden.is_own
    check = attested(host, engine, golden)
    assert check.passed, check.message
    assert check.message.startswith(f"{golden.places} golden places")


def test_it_passes_against_the_float32_record_of_an_older_version(host, engine, verified):
    blob = {key: value for key, value in verified.blob(0).items() if key != "formats"}
    check = attested(host, engine, recording(blob, Dtype.BFLOAT16))
    assert check.passed, check.message
    assert "float32 (none in its own number format)" in check.message


def test_the_record_of_other_weights_is_refused(host, engine, verified):
    for with_formats in (True, False):
        blob = verified.blob(1) if with_formats else {**verified.blob(1), "formats": {}}
        check = attested(host, engine, recording(blob, Dtype.BFLOAT16))
        assert not check.passed
        assert "does not serve the registered weights" in check.message


def test_log_probabilities_of_float32_show_that_it_does_not_compute_so(host, engine, verified):
    exact = recording(verified.blob(0))
    scores = host.score_prompts(engine, exact.prompts)
    differences = [
        abs(score - logprob)
        for prompt, own in zip(exact.prompts, scores, strict=True)
        for score, logprob in zip(own.logprobs, prompt.logprobs, strict=True)
    ]
    assert 0 < max(differences) < 1
