"""A chat model of others as files for llama.cpp, ONNX Runtime and transformers: the same greedy answers in each."""

import json
from pathlib import Path

import pytest

from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon_training.worker.exporting import job

ROOT = Path(__file__).parents[4]
MODEL, LLAMA_CPP = ROOT / ".data" / "smollm2-135m-instruct", ROOT / ".tools" / "llama-cpp"

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        not (MODEL / "model.safetensors").exists(), reason="not fetched: scripts/small.py model"
    ),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    return ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))


@pytest.fixture(scope="module")
def digest(store: ArtifactStore) -> str:
    return store.put_tree(MODEL)


def export(store: ArtifactStore, digest: str, folder: Path, format: str, **fields: object) -> dict:
    requested = {"source_digest": digest, "format": f"FORMAT_{format}", **fields}
    spec = {"artifacts": store.url, "model_export": requested, "export": True, "llama_cpp": str(LLAMA_CPP)}
    return job.run(spec, JobFolder(folder))


@pytest.mark.skipif(not (LLAMA_CPP / "lock").exists(), reason="llama.cpp is not installed: scripts/llama-cpp")
@pytest.mark.parametrize(("kind", "agreement"), [("F16", 1.0), ("Q8_0", 0.9), ("Q4_K_M", 0.6)])
def test_llama_cpp_answers_as_transformers(store, digest, tmp_path, kind, agreement):
    result = export(store, digest, tmp_path, "GGUF", gguf_type=f"GGUF_TYPE_{kind}")
    compared = result["parity"]["comparison"]
    assert compared["equal_places"] + compared["near_ties"] >= agreement * compared["places"]
    print(
        kind, json.dumps({"counts": result["tensor_counts"], "compared": compared, "size": result["files"]})
    )
    if kind == "Q4_K_M":
        assert result["tensor_counts"]["Q5_0"] > 100
        assert "no multiple of 256" in result["notes"][0]


def test_onnx_runtime_answers_as_transformers(store, digest, tmp_path):
    result = export(store, digest, tmp_path, "ONNX")
    compared = result["parity"]["comparison"]
    print("ONNX", json.dumps(compared))
    assert compared["equal_places"] == compared["places"]
