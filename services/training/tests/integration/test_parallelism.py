"""Models divided among workers: the losses and weights of one worker, and checkpoints for any number of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from ratoon_training.domain.recipes import Architecture, Method, Recipe
from ratoon_training.worker.checkpoints import Checkpoints
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.task_queue import TrainingTask, read_outcome

from .architectures import tiny
from .conftest import RECIPE, Task, rows, train
from .groups import Group

SHAPE = Architecture(vocab_size=400, hidden_size=32, layers=4, heads=2, max_positions=256)
SHORT = replace(RECIPE, architecture=SHAPE, averaging=0.9, gradient_accumulation=2)
"""Two epochs of 8 steps; the last batch of an epoch is smaller than the others."""
FSDP, TENSOR, PIPELINE = {"strategy": "FSDP"}, {"tensor": 2}, {"pipeline": 2}
TWO = {"fsdp": FSDP, "1f1b": PIPELINE}
FOUR: dict[str, tuple[int, dict[str, Any]]] = {
    "tensor": (2, TENSOR),
    "fsdp-4": (4, FSDP),
    "pipeline-4": (4, {"pipeline": 4, "schedule": "GPIPE"}),
    "fsdp-tensor": (4, {**FSDP, **TENSOR}),
    "ddp-tensor": (4, TENSOR),
    "ddp-pipeline": (4, PIPELINE),
    "tensor-pipeline": (4, {**TENSOR, **PIPELINE}),
}
KILLED_AT = 6
LOSS, WEIGHT, RESUMED = 1e-5, 5e-5, 5e-6
"""Largest differences: of losses, of weights (AdamW at a rate of 0.01 enlarges rounding), and after a resumption."""


class Layouts:
    """Runs of the same recipe in several layouts."""

    def __init__(self, task: Task, folder: Path) -> None:
        self.task, self.group = task, Group(folder)
        self.parts: dict[str, Any] = {"train": task.part("sixty", rows(60, seed=5))}

    def add(
        self, name: str, workers: int, layout: dict[str, Any], recipe: Recipe = SHORT, **options: Any
    ) -> None:
        killed_at, work = options.pop("killed_at", 0), options.pop("work", name)
        spec = self.task.spec(work, recipe, workers=workers, parallelism=layout, **{**self.parts, **options})
        job = self.task.job(name, spec)
        task = TrainingTask.of_spec(spec, job)
        prepare(spec, recipe, task.prepared, lambda _: None)
        self.group.add(job, workers, killed_at)

    def alone(self, name: str, recipe: Recipe = SHORT, **options: Any) -> "Result":
        return Result(self.task, name, train(self.task, name, recipe, **{**self.parts, **options}))

    def result(self, name: str) -> "Result":
        return Result(self.task, name, read_outcome(self.task.folder / "jobs" / name))


class Result:
    """What a run published."""

    def __init__(self, task: Task, name: str, outcome: dict[str, Any] | None) -> None:
        assert outcome is not None and "reason" not in outcome, outcome
        self.digest = outcome["result"]["artifact_digest"]
        folder = task.fetch(self.digest, f"{name}-published")
        self.files = sorted(path.name for path in folder.iterdir())
        self.weights = {
            name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()
        }
        self.curves = json.loads((folder / "training.json").read_text())["curves"]

    def difference(self, other: "Result") -> float:
        """Return the largest difference of a weight."""
        assert self.weights.keys() == other.weights.keys()
        return max(float((each - other.weights[name]).abs().max()) for name, each in self.weights.items())

    def same(self, other: "Result") -> None:
        """AssertionError unless losses and weights are those of another run, within the tolerances."""
        for part in ("steps", "epochs"):
            own, others = (each.curves[part] for each in (self, other))
            assert own["columns"] == others["columns"]
            # The norm of a gradient is not a loss: its rounding is relative to its size.
            compared = [place for place, name in enumerate(own["columns"]) if name != "gradient_norm"]
            numbers, expected = (np.array(each["rows"])[:, compared] for each in (own, others))
            assert numbers.shape == expected.shape and len(numbers) > 1
            assert np.abs(numbers - expected).max() <= LOSS
        assert self.files == other.files
        assert self.difference(other) <= WEIGHT


@pytest.fixture(scope="module")
def two(task, tmp_path_factory) -> Layouts:
    """Runs of two workers, each in a layout, one of which loses a worker and goes on."""
    runs = Layouts(task, tmp_path_factory.mktemp("two"))
    for name, layout in TWO.items():
        runs.add(name, 2, layout)
    runs.add("lost", 2, FSDP, checkpoint_every_s=0.0, killed_at=KILLED_AT)
    runs.add("lost-resumed", 2, FSDP, work="lost")
    runs.group.run()
    return runs


@pytest.fixture(scope="module")
def alone(two) -> Result:
    return two.alone("layout-alone")


@pytest.mark.parametrize("name", TWO)
def test_two_workers_have_the_losses_and_weights_of_one(two, alone, name):
    """T11: tokens weigh the same in every share, of samples whose lengths differ.

    T30: the embeddings have the gradients of both of their uses, also where the stages of a pipeline share them.
    """
    assert SHAPE.tied
    two.result(name).same(alone)


def test_a_run_that_lost_a_worker_ends_with_the_bits_of_one_that_did_not(two):
    """T30: a checkpoint in parts has all of the weights."""
    assert two.result("lost-resumed").digest == two.result("fsdp").digest


def test_torch_reads_the_parts_as_a_distributed_checkpoint(two, tmp_path):
    from torch.distributed.checkpoint import HuggingFaceStorageReader, load

    folder = two.task.folder / "work/lost/checkpoints"
    latest = Checkpoints(folder, 1).latest()
    assert latest is not None and latest.state["step"] >= KILLED_AT - 2
    for path in folder.glob(f"step-{latest.state['step']:09d}@*"):
        (tmp_path / path.name.replace("@", "-")).write_bytes(path.read_bytes())
    assert len(list(tmp_path.iterdir())) == 2
    read: dict[str, Tensor] = {name: torch.zeros_like(latest.tensors[name]) for name in latest.tensors}
    with pytest.warns(UserWarning, match="load in a single process"):
        load(read, storage_reader=HuggingFaceStorageReader(str(tmp_path)), no_dist=True)
    assert any("mean." in name for name in read)
    for name, tensor in read.items():
        assert torch.equal(tensor, latest.tensors[name]), name
        assert bool(tensor.any()), name


@pytest.fixture(scope="module")
def four(task, tmp_path_factory) -> Layouts:
    """Runs of up to four workers, and checkpoints that other numbers of workers resume."""
    runs = Layouts(task, tmp_path_factory.mktemp("four"))
    for name, (workers, layout) in FOUR.items():
        runs.add(name, workers, layout)
    bases = {"base": task.store.put_tree(tiny(task.folder / "layout-base", "qwen3"))}
    changed = replace(SHORT, method=Method.CONTINUE, averaging=0.0, token_dropout=0.1)
    runs.add("qwen3-tensor", 2, TENSOR, changed, **bases)
    runs.add("qwen3-pipeline", 2, PIPELINE, changed, **bases)
    runs.add("adapter-fsdp", 2, FSDP, replace(changed, method=Method.LORA, lora_rank=2), **bases)
    for name, workers, layout in (("to-4", 4, FSDP), ("to-pipeline", 2, PIPELINE), ("to-copies", 2, {})):
        runs.add(f"first-{name}", 2, FSDP, checkpoint_every_s=0.0, killed_at=KILLED_AT)
        runs.add(name, workers, layout, work=f"first-{name}")
    runs.add("first-to-1", 2, FSDP, checkpoint_every_s=0.0, killed_at=KILLED_AT)
    runs.group.run()
    return runs


@pytest.mark.thorough
@pytest.mark.parametrize("name", FOUR)
def test_four_workers_have_the_losses_and_weights_of_one(four, alone, name):
    four.result(name).same(alone)


@pytest.mark.thorough
@pytest.mark.parametrize("method", [Method.CONTINUE, Method.LORA])
def test_base_models_and_adapters_have_the_losses_of_one_worker(four, method):
    base = four.task.store.put_tree(tiny(four.task.folder / "layout-base", "qwen3"))
    recipe = replace(SHORT, method=method, averaging=0.0, token_dropout=0.1, lora_rank=2)
    if method is Method.CONTINUE:
        recipe = replace(recipe, lora_rank=SHORT.lora_rank)
    whole = four.alone(f"layout-{method}", recipe, base=base)
    names = ("adapter-fsdp",) if method is Method.LORA else ("qwen3-tensor", "qwen3-pipeline")
    for name in names:
        four.result(name).same(whole)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["to-4", "to-pipeline", "to-copies"])
def test_a_checkpoint_is_resumed_by_another_number_of_workers(four, alone, name):
    assert four.result(name).difference(alone) <= RESUMED


@pytest.mark.thorough
def test_a_checkpoint_of_two_workers_is_resumed_by_one(four, alone):
    assert four.alone("to-1", work="first-to-1").difference(alone) <= RESUMED
