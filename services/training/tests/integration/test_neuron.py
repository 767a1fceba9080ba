"""The same runs by XLA: on its CPU device, which stands in for Trainium (`make test-neuron`)."""

import json
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ratoon.operations.jobs import JobFolder
from ratoon_training.domain.optimization import Optimization, Optimizer
from ratoon_training.domain.recipes import Method

from .conftest import RECIPE, Task, train

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_spec("torch_xla") is None, reason="torch-xla is not installed: make test-neuron"),
]
NEURON = {"accelerator": "NEURON"}
PROGRAMS = 12
"""Most programs of a run whose samples have at most 32 places: gradients with and without the language model, the
optimizer, validation, what the last batch lacks, and what is read; a run with a program a step would have 60."""
TOLERANCE = 1e-4
"""Largest difference between losses of the same step, in nats; 50 steps of a larger model differed by 1.8e-4."""


@pytest.fixture(scope="module", autouse=True)
def registered():
    """The device is known before the first gradient of the process, as it is in a worker."""
    from ratoon_training.worker import xla

    xla.device()


@pytest.fixture(scope="module")
def trained(task: Task) -> dict[str, Any]:
    return train(task, "neuron", **NEURON)["result"]


def losses(task: Task, name: str) -> list[float]:
    """The loss of each step of a run."""
    lines = (task.folder / "jobs" / name / "curve.jsonl").read_text().splitlines()
    return [row["loss"] for row in map(json.loads, lines) if "gradient_norm" in row]


def test_it_learns_what_a_cpu_learns_with_few_programs(task, trained):
    plain = train(task, "plain")["result"]
    assert losses(task, "neuron") == pytest.approx(losses(task, "plain"), abs=TOLERANCE)
    assert trained["metrics"]["validation_macro_f1"] == plain["metrics"]["validation_macro_f1"] > 0.95
    assert 0 < trained["metrics"]["compilations"] <= PROGRAMS
    assert trained["metrics"]["steps"] == 60


def test_the_same_inputs_give_the_same_bytes(task, trained):
    assert train(task, "neuron-again", **NEURON)["result"]["artifact_digest"] == trained["artifact_digest"]


def test_a_stopped_run_resumes_to_the_same_bytes(task, trained, monkeypatch):
    polls = iter(range(1000))
    monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) >= 17)
    assert train(task, "neuron-stopped", work="neuron-resumed", **NEURON)["reason"] == "STOPPED"
    monkeypatch.undo()
    resumed = train(task, "neuron-resumed", work="neuron-resumed", fence=2, **NEURON)
    assert resumed["result"]["artifact_digest"] == trained["artifact_digest"]


def test_shared_weights_stay_shared_and_are_stored_once(task, trained):
    folder = task.store.fetch_tree(trained["artifact_digest"], task.folder / "neuron-model")
    stored = load_file(folder / "model.safetensors")
    assert not [name for name in stored if "lm_head" in name]
    assert all(tensor.device == torch.device("cpu") for tensor in stored.values())


@pytest.mark.parametrize("optimizer", [Optimizer.SGD, Optimizer.ADAGRAD])
def test_other_optimizers_do_not_compile_for_each_step(task, trained, optimizer):
    recipe = replace(RECIPE, optimization=Optimization(optimizer=optimizer), epochs=1.0)
    name = f"neuron-{optimizer.lower()}"
    result = train(task, name, recipe, **NEURON)["result"]
    train(task, f"plain-{optimizer.lower()}", recipe)
    assert losses(task, name) == pytest.approx(losses(task, f"plain-{optimizer.lower()}"), abs=1e-3)
    assert result["metrics"]["compilations"] <= PROGRAMS


def test_an_adapter_with_dropped_tokens_and_parts_is_trained_beside_a_base(task, trained):
    recipe = replace(RECIPE, method=Method.LORA, lora_rank=4, gradient_accumulation=2)
    base = trained["artifact_digest"]
    result = train(task, "neuron-adapter", recipe, base=base, **NEURON)["result"]
    train(task, "plain-adapter", recipe, base=base)
    assert losses(task, "neuron-adapter") == pytest.approx(losses(task, "plain-adapter"), abs=TOLERANCE)
    assert result["metrics"]["validation_loss"] <= trained["metrics"]["validation_loss"] * 1.2
