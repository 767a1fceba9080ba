"""A real vLLM engine in bfloat16: it is attested against the record of its number format, and other weights are not."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ratoon.service.compute import has_nvidia_gpu
from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon.testkit.waiting import until
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.adapters.local_engine import LocalEngineHost
from ratoon_serving.bootstrap import local_engines
from ratoon_serving.domain.attestation import Recording, compare, computed_dtype, recording
from ratoon_serving.domain.engine import Engine, EngineState, Fence

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
    """Two versions that the registry's worker verified and recorded in bfloat16 too."""

    def __init__(self, models) -> None:
        self.results, self._store = list(models.versions.values()), models.store

    def blob(self, number: int) -> dict:
        return json.loads(self._store.read(self.results[number]["golden_digest"]))


@pytest.fixture(scope="module")
def verified(installation) -> Verified:
    return Verified(installation.models)


@pytest.fixture(scope="module")
def host(installation) -> Iterator[LocalEngineHost]:
    host = LocalEngineHost(local_engines(installation.settings), installation.models.store, EngineClient())
    yield host
    host.stop_unknown(lambda name: False)


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
