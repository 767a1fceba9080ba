"""GRPO on two-digit sums: exact match of a tiny model after its supervised training, and after it learned from rewards.

    python bench/rewards/run.py                  # three seeds
    python bench/rewards/run.py --seeds 1 --epochs 1

A Llama of about 1 M parameters from scratch learns 2,000 of the 10,000 sums `a+b=` of numbers below 100 by SFT. Then
it answers 1,600 other sums, 16 a step, 8 answers each, and is rewarded for exact matches. Both are measured on 200
held-out sums by answers drawn at temperature 1, four each. Goal: at least 10 points more. It also reports the share of
time in which the model writes answers.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.operations.job_messages import to_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.generate import Generate, Sampling
from ratoon_training.adapters.drivers import recipe_message
from ratoon_training.domain.recipes import Architecture, Method, Objective, Recipe
from ratoon_training.domain.rewards import Grpo
from ratoon_training.worker import grpo
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.running import execute
from ratoon_training.worker.task_queue import TrainingTask, read_outcome

_SHAPE = Architecture(vocab_size=400, hidden_size=128, layers=4, heads=4, max_positions=128)
_TASK = Generate(defaults=Sampling(max_tokens=5))
_GOAL = 0.1
_written_s = 0.0
"""Seconds in which answers were written."""


def main() -> int:
    """Measure all seeds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sft-epochs", type=float, default=12.0)
    parser.add_argument("--epochs", type=float, default=2.0, help="passes of GRPO over the prompts")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    _time_generation()
    gains = [_measure(seed, options) for seed in range(options.seeds)]
    spread = statistics.stdev(gains) if len(gains) > 1 else 0.0
    print(f"gain {statistics.mean(gains):+.3f} (standard deviation {spread:.3f}), goal {_GOAL:+.2f}")
    return 0 if min(gains) >= _GOAL else 1


def _measure(seed: int, options: argparse.Namespace) -> float:
    """Train one seed; the gain of exact match on held-out sums."""
    global _written_s
    everything = [(f"{a}+{b}=", str(a + b)) for a in range(100) for b in range(100)]
    random.Random(seed).shuffle(everything)
    with tempfile.TemporaryDirectory() as name:
        runs = _Runs(Path(name), options.threads)
        held, known, asked = (
            runs.part(each) for each in (everything[:200], everything[200:2200], everything[2200:3800])
        )
        sft = Recipe(
            task=_TASK,
            architecture=_SHAPE,
            seed=seed,
            learning_rate=2e-3,
            epochs=options.sft_epochs,
            batch_size=32,
            max_tokens=32,
            language_model_weight=0.0,
            patience=0,
        )
        base = runs.train("sft", sft, known, held)
        learned = replace(
            sft,
            method=Method.CONTINUE,
            objective=Objective.GRPO,
            learning_rate=1e-4,
            epochs=options.epochs,
            batch_size=16,
            grpo=Grpo(max_new_tokens=5),
        )
        _written_s = 0.0
        metrics = runs.train("grpo", learned, asked, held, base["artifact_digest"])["metrics"]
    before, after = (metrics[f"validation_{each}exact_match"] for each in ("reference_", ""))
    seconds = metrics["training_seconds"]
    print(
        f"seed {seed}: exact match {before:.3f} -> {after:.3f}, {metrics['steps']:.0f} steps in {seconds:.0f} s, "
        f"{_written_s / seconds:.0%} of the time writing, {metrics['validation_unscored']:.0%} without a reward",
        flush=True,
    )
    return float(after - before)


class _Runs:
    """Training runs in this process, on parts in a store of their own."""

    def __init__(self, folder: Path, threads: int) -> None:
        self._folder, self._threads = folder, threads
        self._store = ArtifactStore(str(folder / "artifacts"))
        self._parts = 0

    def part(self, sums: list[tuple[str, str]]) -> str:
        """Store questions and answers; the digest."""
        self._parts += 1
        path = self._folder / f"{self._parts}.parquet"
        columns = {
            "record_id": [f"{at:05d}" for at in range(len(sums))],
            "text": [question for question, _ in sums],
            "label": [answer for _, answer in sums],
        }
        pq.write_table(pa.table(columns), path)
        return self._store.put_file(path)

    def train(self, name: str, recipe: Recipe, train: str, validation: str, base: str = "") -> dict[str, Any]:
        """Train; the result."""
        job = self._folder / name
        job.mkdir()
        spec = {
            "artifacts": self._store.url,
            "work": str(self._folder / f"work-{name}"),
            "fence": 1,
            "train": train,
            "validation": validation,
            "base": base,
            "recipe": to_json(recipe_message(recipe)),
            "resources": {"accelerator": "CPU", "workers": 1, "threads": self._threads},
        }
        task = TrainingTask.of_spec(spec, job)
        prepare(spec, recipe, task.prepared, lambda _: None)
        execute(task, 0, 1)
        outcome = read_outcome(job)
        if outcome is None or "result" not in outcome:
            sys.exit(f"{name} failed: {outcome}")
        result: dict[str, Any] = outcome["result"]
        return result


def _time_generation() -> None:
    """Count the seconds in which a session writes answers."""
    written = grpo.answers

    def timed(*arguments: Any, **options: Any) -> Any:
        global _written_s
        begun = time.monotonic()
        try:
            return written(*arguments, **options)
        finally:
            _written_s += time.monotonic() - begun

    grpo.answers = timed


if __name__ == "__main__":
    sys.exit(main())
