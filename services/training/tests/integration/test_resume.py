"""Runs that are stopped within and between epochs: rows, rates, losses and bytes are those of a run without a stop."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ratoon.operations.jobs import JobFolder
from ratoon_training.domain.recipes import Dtype, Method, Recipe
from ratoon_training.worker.corpus import Corpus

from .architectures import tiny
from .conftest import RECIPE, Task, rows, train

TWENTY = replace(RECIPE, batch_size=2, epochs=3.0, token_dropout=0.2, warmup=0.2)
"""30 steps of 20 rows; an epoch ends after step 10."""
VARIANTS: dict[str, tuple[str, Recipe]] = {
    "from scratch": ("", replace(TWENTY, averaging=0.9)),
    "all weights": ("qwen3", replace(TWENTY, method=Method.CONTINUE, token_dropout=0.0)),
    "an adapter": ("gpt_neox", replace(TWENTY, method=Method.LORA, lora_rank=2, token_dropout=0.0)),
    "bfloat16": (
        "llama",
        replace(TWENTY, method=Method.LORA, lora_rank=2, token_dropout=0.0, dtype=Dtype.BFLOAT16),
    ),
    "less memory": (
        "qwen2",
        replace(
            TWENTY,
            method=Method.CONTINUE,
            token_dropout=0.0,
            gradient_accumulation=2,
            gradient_checkpointing=True,
            dtype=Dtype.BFLOAT16,
        ),
    ),
    "dropout layers": ("gpt2", replace(TWENTY, method=Method.LORA, lora_rank=2, token_dropout=0.0)),
}


class Runs:
    """Runs of one variant, and the rows that each step learned."""

    def __init__(self, task: Task, base: str, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
        self.task, self.recipe, self.monkeypatch = task, recipe, monkeypatch
        self.steps: dict[int, list[str]] = {}
        self.options: dict[str, Any] = {"train": task.part("twenty", rows(20, seed=3))}
        if base:
            folder = task.folder / "bases" / base
            self.options["base"] = task.store.put_tree(folder if folder.exists() else tiny(folder, base))
        thinned = Corpus.thinned

        def logged(corpus: Corpus, indices: list[int], rate: float, seed: int, step: int) -> Corpus:
            self.steps[step] = [corpus.record_ids[index] for index in indices]
            return thinned(corpus, indices, rate, seed, step)

        monkeypatch.setattr(Corpus, "thinned", logged)

    def run(self, name: str, work: str = "", stop_after: int | None = None, fence: int = 1) -> dict[str, Any]:
        """Train, and stop after some steps."""
        self.steps = {}
        polls = iter(range(1, 1000))
        if stop_after is not None:
            self.monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) > stop_after)
        else:
            self.monkeypatch.setattr(JobFolder, "stop_requested", lambda _: False)
        return train(self.task, name, self.recipe, work=work or name, fence=fence, **self.options)

    def curve(self, name: str) -> dict[int, tuple[float, float]]:
        """Loss and rate of each step."""
        path: Path = self.task.folder / "jobs" / name / "curve.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return {
            line["step"]: (line["loss"], line["learning_rate"]) for line in lines if "learning_rate" in line
        }


LONG_FORM = ("an adapter", "bfloat16")
"""Variants whose quick forms are those with dropout layers, and with less memory."""


@pytest.mark.parametrize(
    "variant",
    [pytest.param(each, marks=pytest.mark.thorough if each in LONG_FORM else ()) for each in VARIANTS],
)
def test_a_run_resumes_with_the_rows_rates_and_losses_of_one_that_was_not_stopped(task, monkeypatch, variant):
    """T13: it is stopped within the first epoch, between the first two, and within the second."""
    name, (base, recipe) = variant.replace(" ", "-"), VARIANTS[variant]
    runs = Runs(task, base, recipe, monkeypatch)
    whole = runs.run(f"{name}-whole")["result"]
    learned, curve = dict(runs.steps), runs.curve(f"{name}-whole")
    assert sorted(curve) == list(range(1, 31))
    for epoch in range(3):
        seen = [each for step in range(10 * epoch, 10 * epoch + 10) for each in learned[step]]
        assert (len(seen), len(set(seen))) == (20, 20), "each row once an epoch"
    work, stops = f"{name}-parts", (0, 5, 10, 13)
    for fence, (begin, stop) in enumerate(pairwise(stops), start=1):
        part = runs.run(f"{work}-{fence}", work, stop_after=stop - begin, fence=fence)
        assert part["reason"] == "STOPPED"
        assert runs.curve(f"{work}-{fence}") == {
            step: row for step, row in curve.items() if begin < step <= stop
        }
    resumed = runs.run(f"{work}-end", work, fence=len(stops))["result"]
    assert runs.steps == {step: ids for step, ids in learned.items() if step >= stops[-1]}
    assert runs.curve(f"{work}-end") == {step: row for step, row in curve.items() if step > stops[-1]}
    assert resumed["artifact_digest"] == whole["artifact_digest"]


def test_each_epoch_has_an_order_of_its_own(task, monkeypatch):
    runs = Runs(task, "", replace(TWENTY, epochs=2.0), monkeypatch)
    runs.run("orders")
    first, second = ([runs.steps[step] for step in range(at, at + 10)] for at in (0, 10))
    assert first != second
