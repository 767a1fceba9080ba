"""A chat model of others as files for other programs, which answer with the same greedy text, without Ratoon.

Each program runs in a process of its own (`readers.py`) that imports nothing of Ratoon.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon_training.worker.exporting import job

MARK = "answers: "
ROOT = Path(__file__).parents[4]
MODEL, LLAMA_CPP = ROOT / ".data" / "smollm2-135m-instruct", ROOT / ".tools" / "llama-cpp"
CHATS = (
    "What is the capital of France?",
    "Write one sentence about rain.",
    "Does the invoice of 2024-03-31 say 1,249.50 or 1,294.50?",
    "Übermäßig viele Gäste kamen, 人很多. What does it say?",
)
WITH_LLAMA_CPP = pytest.mark.skipif(
    not (LLAMA_CPP / "lock").exists(), reason="llama.cpp is not installed: scripts/llama-cpp"
)

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


@pytest.fixture(scope="module")
def adapter_digest(store: ArtifactStore, digest: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An adapter of this base that changes its answers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    adapted = get_peft_model(base, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    folder = tmp_path_factory.mktemp("adapter")
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    (folder / "recipe.json").write_text(json.dumps({"base_artifact_digest": digest}))
    return store.put_tree(folder)


@pytest.fixture(scope="module")
def expected() -> list[str]:
    """Answers of transformers from the model's own files, as they were published."""
    return answers("transformers", MODEL)


def answers(reader: str, folder: Path) -> list[str]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-I", str(Path(__file__).with_name("readers.py")), reader, str(folder)],
        input=json.dumps(CHATS),
        capture_output=True,
        text=True,
        check=False,
        env={
            **environment,
            "HF_HUB_OFFLINE": "1",
            "LLAMA_CPP": str(LLAMA_CPP),
            "OMP_NUM_THREADS": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_PLUGINS": "",  # Ratoon is installed as one
            "VLLM_HOST_IP": "127.0.0.1",
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(MARK))
    rows: list[str] = json.loads(line.removeprefix(MARK))
    print(reader, json.dumps(rows, ensure_ascii=False))
    return [row.strip() for row in rows]


def ascii_part(text: str) -> str:
    """Return a text without the characters that cyllama breaks, because it decodes each token alone."""
    return "".join(each for each in text if each.isascii())


def export(store: ArtifactStore, digest: str, folder: Path, format: str, **fields: object) -> dict[str, Any]:
    """Export, fetch the files into the directory `files`, and return the result."""
    requested = {"source_digest": digest, "format": f"FORMAT_{format}", **fields}
    spec = {"artifacts": store.url, "model_export": requested, "export": True, "llama_cpp": str(LLAMA_CPP)}
    (folder / "job").mkdir(parents=True)
    result = job.run(spec, JobFolder(folder / "job"))
    store.fetch_tree(result["artifact_digest"], folder / "files")
    compared = result["parity"]["comparison"]
    print(format, json.dumps({"counts": result["tensor_counts"], "compared": compared}))
    return result


def test_transformers_reads_a_directory(store, digest, expected, tmp_path):
    result = export(store, digest, tmp_path, "HUGGING_FACE")
    assert result["parity"]["comparison"]["equal_places"] == result["parity"]["comparison"]["places"]
    assert answers("transformers", tmp_path / "files") == expected


def test_vllm_and_peft_read_a_directory_and_its_adapter(store, digest, adapter_digest, expected, tmp_path):
    for name, source, format in (
        ("base", digest, "HUGGING_FACE"),
        ("adapter", adapter_digest, "ADAPTER"),
        ("merged", adapter_digest, "HUGGING_FACE"),
    ):
        export(store, source, tmp_path / "exports" / name, format)
        (tmp_path / "exports" / name / "files").rename(tmp_path / name)
    adapted = answers("peft", tmp_path / "adapter")
    assert adapted != expected
    assert answers("transformers", tmp_path / "merged") == adapted
    assert answers("vllm", tmp_path / "base") == [*expected, *adapted]


@WITH_LLAMA_CPP
@pytest.mark.parametrize(
    ("kind", "agreement", "equal"), [("F16", 1.0, 4), ("Q8_0", 0.9, 2), ("Q4_K_M", 0.6, 0)]
)
def test_llama_cpp_reads_a_file(store, digest, expected, tmp_path, kind, agreement, equal):
    result = export(store, digest, tmp_path, "GGUF", gguf_type=f"GGUF_TYPE_{kind}")
    compared = result["parity"]["comparison"]
    assert compared["equal_places"] + compared["near_ties"] >= agreement * compared["places"]
    own = answers("llama.cpp", tmp_path / "files")
    pairs = zip(map(ascii_part, own), map(ascii_part, expected), strict=True)
    assert sum(one == other for one, other in pairs) >= equal
    if kind == "Q4_K_M":
        assert result["tensor_counts"]["Q5_0"] > 100
        assert "no multiple of 256" in result["notes"][0]


def test_onnx_runtime_reads_a_graph(store, digest, expected, tmp_path):
    result = export(store, digest, tmp_path, "ONNX")
    compared = result["parity"]["comparison"]
    assert compared["equal_places"] == compared["places"]
    assert answers("onnxruntime", tmp_path / "files") == expected
