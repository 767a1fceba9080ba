"""DPO, KTO, reward models and GRPO next to TRL's trainers: the same model, records and samples a step, in one run.

    python bench/trl/run.py                      # all four, three runs of each in turn: some ten minutes on two cores
    python bench/trl/run.py --methods dpo --steps 20 --pairs 1

A Llama of about 0.9 M parameters that knows some sums compares right answers with wrong ones, 16 records a step. Both
train all weights in float32 and compute the log-probabilities of the reference once, before the first step, which is
not measured. Rows have the same tokens on both sides, so samples a second have the ratio of tokens a second. GRPO draws
8 answers of at most 4 tokens to each of 8 prompts a step, and rewards exact matches. Goal: at least 1.0 of TRL's. The
steps a second of processor time are printed as well: other load on the machine changes them less.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ratoon.tasks.generate import Generate, Sampling
from ratoon.tasks.kind import Record
from ratoon.tasks.records import messages
from ratoon_training.domain.recipes import Method, Objective, Recipe
from ratoon_training.domain.rewards import Grpo
from ratoon_training.worker.reporting import ProgressReporter
from ratoon_training.worker.session import Session

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from training_runs import SMALL, Runs, question

_METHODS = ("dpo", "kto", "reward_model", "grpo")
_SKIPPED = 3
"""First steps, in which memory is taken."""
_RECORDS = 320
_RECIPE = Recipe(
    task=Generate(defaults=Sampling(max_tokens=4)),
    architecture=SMALL,
    learning_rate=2e-3,
    epochs=12.0,
    batch_size=16,
    max_tokens=32,
    language_model_weight=0.0,
)
_GRPO = Grpo(max_new_tokens=4, group_size=8)
JSON = dict[str, Any]
Ends = list[tuple[float, float]]
"""When each step ended: by the clock, and by the processor time of the process."""


def main() -> int:
    """Measure each method, and print steps a second and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", choices=_METHODS, default=_METHODS)
    parser.add_argument("--steps", type=int, default=40, help="steps of each run [%(default)s]")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each, in turn [%(default)s]")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-trl-") as name:
        runs = Runs(Path(name), options.threads)
        sums = [(f"{a}+{b}=", str(a + b)) for a in range(10) for b in range(10)]
        known = runs.part([question(*each) for each in sums])
        base = str(runs.train("base", _RECIPE, known, known)["artifact_digest"])
        model = runs.store.fetch_tree(base, runs.folder / "model")
        for method in options.methods:
            records = _records(sums, method)
            part = runs.part(records)
            rates = []
            for number in range(options.pairs):
                ours = _ours(runs, f"{method}-{number}", method, options.steps, part, base)
                theirs = _theirs(runs.folder, model, method, options, records)
                rates.append((_rate(ours), _rate(theirs)))
            for place, unit in enumerate(("second", "processor second")):
                pairs = [(mine[place], other[place]) for mine, other in rates]
                listed = ", ".join(f"{mine:.2f} and {other:.2f}" for mine, other in pairs)
                ratio = statistics.median(mine / other for mine, other in pairs)
                print(
                    f"{method:14} steps a {unit} of Ratoon and TRL: {listed}; median ratio {ratio:.2f}",
                    flush=True,
                )
    return 0


def _records(sums: Sequence[tuple[str, str]], method: str) -> list[Record]:
    drawn = [(sums[at % len(sums)], at) for at in range(_RECORDS)]
    if method == "grpo":
        return [question(*each) for each, _ in drawn]
    if method == "kto":
        return [
            question(prompt, right if at % 2 else f"{int(right) + 1}", is_good=bool(at % 2))
            for (prompt, right), at in drawn
        ]
    return [question(prompt, right, rejected=f"{int(right) + 1}") for (prompt, right), _ in drawn]


def _ours(runs: Runs, name: str, method: str, steps: int, part: str, base: str) -> Ends:
    """Train by Ratoon; returns when each step ended."""
    batch = 8 if method == "grpo" else 16
    recipe = replace(
        _RECIPE,
        method=Method.CONTINUE,
        objective=Objective(method.upper()),
        learning_rate=1e-5,
        batch_size=batch,
        epochs=steps * batch / _RECORDS,
        grpo=_GRPO if method == "grpo" else Grpo(),
    )
    ends, report = list[tuple[float, float]](), ProgressReporter.step

    def noted(self: ProgressReporter, session: Session, row: list[float]) -> None:
        report(self, session, row)
        ends.append((time.perf_counter(), time.process_time()))

    with patch.object(ProgressReporter, "step", noted):
        runs.train(name, recipe, part, part, base)
    return ends


def _theirs(
    folder: Path, model: Path, method: str, options: argparse.Namespace, records: Sequence[Record]
) -> Ends:
    """Train by TRL; returns when each step ended."""
    job = Path(tempfile.mkdtemp(dir=folder))
    config = {
        "method": method,
        "rows": [_row(record, method) for record in records],
        "model": str(model),
        "output": str(job / "output"),
        "result": str(job / "result.json"),
        "steps": options.steps,
        "length": _RECIPE.max_tokens,
    }
    (job / "config.json").write_text(json.dumps(config))
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(options.threads),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(folder / "datasets"),
    }
    log = job / "log.txt"
    with log.open("wb") as sink:
        script = Path(__file__).with_name("trl_loop.py")
        done = subprocess.run(
            [sys.executable, str(script), str(job / "config.json")],
            stdout=sink,
            stderr=sink,
            env=environment,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"TRL's {method} failed:\n{log.read_text()[-2000:]}")
    ends: list[list[float]] = json.loads((job / "result.json").read_text())
    return [(clock, processor) for clock, processor in ends]


def _row(record: Record, method: str) -> JSON:
    """Return a record in the form of TRL's conversational data sets."""
    prompt, answer = messages(record.turns), [{"role": "assistant", "content": record.answers[0]}]
    if method == "grpo":
        return {"prompt": prompt, "answer": record.answers[0]}
    if method == "kto":
        return {"prompt": prompt, "completion": answer, "label": record.is_good}
    rejected = [{"role": "assistant", "content": record.rejected}]
    return {"prompt": prompt, "chosen": answer, "rejected": rejected}


def _rate(ends: Ends) -> tuple[float, float]:
    """Return the steps after the first ones, a second and a second of processor time."""
    begun, ended = ends[_SKIPPED - 1], ends[-1]
    clock, processor = (
        (len(ends) - _SKIPPED) / (last - first) for first, last in zip(begun, ended, strict=True)
    )
    return clock, processor


if __name__ == "__main__":
    sys.exit(main())
