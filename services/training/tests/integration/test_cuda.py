"""The same runs on an NVIDIA GPU: what is learned there, and that a run that was cut ends with the same bytes."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from ratoon.operations.jobs import JobFolder
from ratoon_training.domain.recipes import Dtype, Method
from ratoon_training.worker.corpus import Corpus

from .architectures import tiny
from .conftest import RECIPE, Task, losses_and_gradients, train
from .test_driver import LONG, Driver
from .test_parallelism import FSDP, PIPELINE, SHORT, TENSOR, Layouts

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU here"),
]
CUDA = {"accelerator": "CUDA"}


@pytest.fixture(scope="module")
def trained(task: Task) -> dict[str, Any]:
    return train(task, "cuda", **CUDA)["result"]


def losses(task: Task, name: str) -> list[float]:
    """The loss of each step of a run."""
    lines = (task.folder / "jobs" / name / "curve.jsonl").read_text().splitlines()
    return [row["loss"] for row in map(json.loads, lines) if "gradient_norm" in row]


def test_a_gpu_learns_what_a_cpu_does(task, trained):
    assert trained["metrics"]["validation_macro_f1"] > 0.95
    train(task, "cpu")
    assert losses(task, "cuda")[:10] == pytest.approx(losses(task, "cpu")[:10], rel=1e-3)


def test_the_same_inputs_give_the_same_bytes(task, trained):
    assert train(task, "cuda-again", **CUDA)["result"]["artifact_digest"] == trained["artifact_digest"]


def test_a_stopped_run_resumes_to_the_same_bytes(task, trained, monkeypatch):
    polls = iter(range(1000))
    monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) >= 17)
    assert train(task, "cuda-stopped", work="cuda-resumed", **CUDA)["reason"] == "STOPPED"
    monkeypatch.undo()
    resumed = train(task, "cuda-resumed", work="cuda-resumed", fence=2, **CUDA)
    assert resumed["result"]["artifact_digest"] == trained["artifact_digest"]


def test_packed_samples_have_the_losses_and_gradients_of_samples_alone(task, trained):
    corpus = Corpus(task.folder / "work" / "cuda" / "prepared" / "train.npz")
    alone, grads = losses_and_gradients(corpus, device="cuda")
    together, packed_grads = losses_and_gradients(corpus, packed=True, device="cuda")
    assert together == pytest.approx(alone, rel=1e-4)
    for name, grad in grads.items():
        assert torch.allclose(grad, packed_grads[name], rtol=1e-3, atol=1e-3), name


def test_packed_samples_in_16_bits_have_the_losses_of_padded_ones(task, trained):
    """Without padding where the GPU has such an attention."""
    half = replace(RECIPE, dtype=Dtype.BFLOAT16)
    train(task, "half", half, **CUDA)
    train(task, "half-packed", replace(half, packed=True), **CUDA)
    assert losses(task, "half-packed")[:10] == pytest.approx(losses(task, "half")[:10], rel=0.03)


def test_an_adapter_is_trained_beside_a_base(task, trained):
    recipe = replace(RECIPE, method=Method.LORA, lora_rank=4)
    result = train(task, "cuda-adapter", recipe, base=trained["artifact_digest"], **CUDA)["result"]
    assert result["metrics"]["validation_loss"] <= trained["metrics"]["validation_loss"] * 1.2


LESS_MEMORY = replace(
    RECIPE,
    method=Method.LORA,
    lora_rank=4,
    dtype=Dtype.BFLOAT16,
    gradient_accumulation=2,
    gradient_checkpointing=True,
)


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt_neox"])
def test_settings_that_save_memory_train_and_resume_to_the_same_bytes(task, monkeypatch, kind):
    base = task.store.put_tree(tiny(task.folder / "cuda" / kind, kind))
    usual = replace(RECIPE, method=Method.LORA, lora_rank=4)
    train(task, f"{kind}-usual", usual, base=base, **CUDA)
    whole = train(task, f"{kind}-less", LESS_MEMORY, base=base, **CUDA)["result"]
    assert losses(task, f"{kind}-less")[:10] == pytest.approx(losses(task, f"{kind}-usual")[:10], rel=0.03)
    polls = iter(range(1000))
    monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) >= 13)
    name = f"{kind}-resumed"
    assert train(task, f"{name}-a", LESS_MEMORY, work=name, base=base, **CUDA)["reason"] == "STOPPED"
    monkeypatch.undo()
    resumed = train(task, f"{name}-b", LESS_MEMORY, work=name, fence=2, base=base, **CUDA)
    assert resumed["result"]["artifact_digest"] == whole["artifact_digest"]


@pytest.mark.ray
def test_a_worker_of_ray_train_that_is_killed_resumes_to_the_same_bytes(task):
    driver = Driver(task)
    try:
        driver.start("gpu", **CUDA)
        whole = driver.digest("gpu")
        driver.start("gpu-killed", **CUDA)
        driver.steps("gpu-killed", LONG.batch_size)
        driver.kill("ray::RayTrainWorker")
        assert driver.digest("gpu-killed") == whole
    finally:
        driver.close()


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are no two NVIDIA GPUs here")
def test_two_gpus_learn_what_one_does_by_copies_and_by_parts(task, tmp_path):
    runs = Layouts(task, tmp_path)
    layouts = {"copies": {}, "fsdp": FSDP, "tensor": TENSOR, "pipeline": PIPELINE}
    for name, layout in layouts.items():
        runs.add(f"nccl-{name}", 2, layout, **CUDA)
    runs.group.run()
    runs.alone("nccl-alone", SHORT, **CUDA)
    for name in layouts:
        assert losses(task, f"nccl-{name}") == pytest.approx(losses(task, "nccl-alone"), abs=1e-4)
