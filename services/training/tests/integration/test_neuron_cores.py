"""Runs on several NeuronCores: two of XLA's CPU devices in one process stand in for them (`make test-neuron`)."""

import os
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pytest
import torch

from ratoon.operations.jobs import JobFolder

from .conftest import RECIPE, Task, train
from .test_neuron import TOLERANCE, losses

CORES = 2
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_spec("torch_xla") is None, reason="torch-xla is not installed: make test-neuron"),
    pytest.mark.skipif(os.environ.get("CPU_NUM_DEVICES") != f"{CORES}", reason="XLA has one core here"),
]
NEURON = {"accelerator": "NEURON", "workers": CORES}
ODD = replace(RECIPE, batch_size=7, gradient_accumulation=2)
"""Parts of four rows and of three, which are filled up for two cores."""
PROGRAMS = 18
"""Most programs: those of one core, and of a second part of a step; a run with a program a step would have 70."""


@pytest.fixture(scope="module", autouse=True)
def registered():
    """The cores are known before the first gradient of the process, as they are in a worker."""
    from ratoon_training.worker import xla

    xla.device(CORES)


@pytest.fixture(scope="module")
def trained(task: Task) -> dict[str, Any]:
    return train(task, "cores", ODD, **NEURON)["result"]


def test_two_cores_learn_what_a_cpu_learns_with_few_programs(task, trained):
    plain = train(task, "cores-plain", ODD)["result"]
    assert losses(task, "cores") == pytest.approx(losses(task, "cores-plain"), abs=TOLERANCE)
    names = ("validation_macro_f1", "steps", "tokens")
    assert [trained["metrics"][name] for name in names] == [plain["metrics"][name] for name in names]
    assert trained["metrics"]["validation_loss"] == pytest.approx(
        plain["metrics"]["validation_loss"], abs=TOLERANCE
    )
    assert 0 < trained["metrics"]["compilations"] <= PROGRAMS


def test_a_stopped_run_resumes_to_the_same_bytes(task, trained, monkeypatch):
    polls = iter(range(1000))
    monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) >= 17)
    assert train(task, "cores-stopped", ODD, work="cores-resumed", **NEURON)["reason"] == "STOPPED"
    monkeypatch.undo()
    resumed = train(task, "cores-resumed", ODD, work="cores-resumed", fence=2, **NEURON)
    assert resumed["result"]["artifact_digest"] == trained["artifact_digest"]


def test_each_core_has_a_share_of_the_rows(trained):
    import torch_xla

    from ratoon_training.worker import xla

    rows = xla.shard(torch.arange(8.0).view(4, 2).to(xla.device(CORES)))
    (shards,) = torch_xla._XLAC._get_local_shards([rows])
    assert [part.tolist() for part, _ in shards] == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]


def test_another_number_of_cores_is_refused(task, trained):
    refused = train(task, "cores-three", ODD, **{**NEURON, "workers": 3})
    assert refused["reason"] == "ACCELERATOR_REFUSED"
    assert "2 NeuronCores here, and the run requests 3" in refused["message"]
