"""Cost of training besides its steps, next to torchrun and a stock Ray TorchTrainer with the same loop, in one run.

    python bench/training/run.py            # 15 pairs: about a quarter of an hour
    python bench/training/run.py --quick    # 3 pairs: about three minutes
    python bench/training/run.py --accelerator cuda

Steady step: runs of Ratoon and of torchrun in turn, the ratio of each pair's mean steps, its median and a 95 % interval
(bootstrap of the median); and the processor time of a step, which other load hardly changes (see `beside`).
Submit → first step: from the submission to the end of the first step; Ratoon turns text into tokens in that time, the
others find tokens ready. Checkpoint: how long training waits for one. Packing: useful tokens a second on instructions
of up to 1,024 tokens. Data: Alpaca's instructions (`scripts/small.py instructions`).
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from beside import processor_time
from checkpoint import stall
from contenders import SKIPPED, Plain, Ratoon, Run, Task, ray_train, torchrun
from packing import compare, prepared

from ratoon.storage.artifacts import ArtifactStore
from ratoon_training.domain.recipes import Accelerator, Recipe

ROOT = Path(__file__).resolve().parent.parent.parent
INSTRUCTIONS = ROOT / ".data/alpaca/alpaca_en_demo.json"
LABELS = ("bare", "given")
"""The toy task: whether an instruction came with an input."""
RESAMPLES = 4000
JSON = dict[str, Any]


def main() -> int:
    """Measure everything, and print the metrics with their goals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--pairs", type=int, default=0, help="pairs of runs; default: 15, or 3")
    parser.add_argument("--accelerator", type=str.upper, choices=("CPU", "CUDA"), default="CPU")
    options = parser.parse_args()
    if os.environ.get("OMP_WAIT_POLICY") != "passive":  # as Ratoon's workers have it: waiting threads sleep
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"OMP_WAIT_POLICY": "passive"})
    pairs = options.pairs or (3 if options.quick else 15)
    subprocess.run([sys.executable, ROOT / "scripts/small.py", "instructions"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        metrics = measure(Path(folder), pairs, Accelerator(options.accelerator), quick=options.quick)
    print(report(metrics))
    print(json.dumps(metrics))
    return 0


def measure(folder: Path, pairs: int, accelerator: Accelerator, *, quick: bool) -> JSON:
    """Return all metrics."""
    say("packing")
    device = torch.device(accelerator.lower())
    packing = compare(prepared(INSTRUCTIONS, folder), 5 if quick else 20, device)
    say("checkpoints")
    checkpoints = stall(folder, 128, 5 if quick else 15, device)
    task = make_task(folder, 25 if quick else 45, accelerator)
    ours = Ratoon(task)
    try:
        raced = race(ours, task, pairs, 1 if quick else 5)
        if accelerator is Accelerator.CPU:
            say("processor time")
            raced["processor"] = processor_time(task, ours.prepared)
        return {"machine": machine(accelerator), **raced, "checkpoint": checkpoints, "packing": packing}
    finally:
        ours.close()


def race(ours: Ratoon, task: Task, pairs: int, starts: int) -> JSON:
    """Pairs with torchrun, and some starts of a stock Ray Train."""
    say("ratoon, cold")
    cold = ours.run()
    runs, plain = list[Run](), list[Run]()
    for number in range(pairs):
        say(f"pair {number + 1} of {pairs}")
        runs.append(ours.run())
        plain.append(torchrun(task).run(ours.prepared))
    say("ray train")
    stock = [first_step(ray_train(task), ours.prepared) for _ in range(starts)]
    ratios = [mine.step_s / theirs.step_s for mine, theirs in zip(runs, plain, strict=True)]
    warm = statistics.median(run.first_step_s for run in runs)
    return {
        "steady": {
            "ratio": statistics.median(ratios),
            "interval": interval(ratios),
            "pairs": pairs,
            "steps": task.steps - SKIPPED,
            "ratoon_ms": 1000 * statistics.median(run.step_s for run in runs),
            "torchrun_ms": 1000 * statistics.median(run.step_s for run in plain),
        },
        "first_step": {
            "ratoon_cold_s": cold.first_step_s,
            "ratoon_warm_s": warm,
            "torchrun_s": statistics.median(run.first_step_s for run in plain),
            "ray_train_s": statistics.median(stock),
            "warm / ray train": warm / statistics.median(stock),
            "cold / ray train": cold.first_step_s / statistics.median(stock),
        },
    }


def first_step(contender: Plain, tokens: Path) -> float:
    """Seconds from the submission to the first step."""
    return contender.run(tokens).first_step_s


def interval(values: list[float]) -> tuple[float, float]:
    """A 95 % interval of the median, by bootstrap."""
    draws = random.Random(0)
    medians = sorted(statistics.median(draws.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[RESAMPLES // 40], medians[-RESAMPLES // 40]


def make_task(folder: Path, steps: int, accelerator: Accelerator) -> Task:
    """Return Alpaca's instructions as a stored split, with epochs for `steps` steps."""
    rows = json.loads(INSTRUCTIONS.read_text())
    texts = [f"{row['instruction']}\n{row['input'] or row['output']}" for row in rows]
    labels = [LABELS[bool(row["input"])] for row in rows]
    ids = [hashlib.sha256(f"{number}:{text}".encode()).hexdigest() for number, text in enumerate(texts)]
    store = ArtifactStore(str(folder / "artifacts"))
    held_out = 64
    parts = []
    for name, part in (("train", slice(held_out, None)), ("validation", slice(held_out))):
        path = folder / f"{name}.parquet"
        pq.write_table(pa.table({"record_id": ids[part], "text": texts[part], "label": labels[part]}), path)
        parts.append(store.put_file(path))
    recipe = Recipe(labels=LABELS)
    per_epoch = -(-(len(rows) - held_out) // recipe.batch_size)
    cut = Recipe(labels=LABELS, epochs=steps / per_epoch)
    return Task(folder, store.url, parts[0], parts[1], cut, steps, accelerator)


def machine(accelerator: Accelerator) -> str:
    """Return threads, device and torch version."""
    chip = f", {torch.cuda.get_device_name()}" if accelerator is Accelerator.CUDA else ""
    return f"{torch.get_num_threads()} threads{chip}, torch {torch.__version__}"


def report(metrics: JSON) -> str:
    """Return the metrics as text, each with its goal."""
    steady, first, held, packing = (metrics[key] for key in ("steady", "first_step", "checkpoint", "packing"))
    low, high = steady["interval"]
    used = metrics.get("processor")
    processor = (
        [
            f"processor time of a step, one of each in turn: ratoon {used['ratoon_ms']:.1f} ms, plain "
            f"{used['plain_ms']:.1f} ms, ratio {used['ratio']:.3f} (goal 1.03)"
        ]
        if used
        else []
    )
    return "\n".join(
        [
            f"machine: {metrics['machine']}",
            f"steady step: ratoon {steady['ratoon_ms']:.1f} ms, torchrun {steady['torchrun_ms']:.1f} ms, "
            f"ratio {steady['ratio']:.3f} [{low:.3f}, {high:.3f}] over {steady['pairs']} pairs (goal 1.03)",
            *processor,
            f"submit → first step: ratoon warm {first['ratoon_warm_s']:.2f} s, cold {first['ratoon_cold_s']:.2f} s, "
            f"torchrun {first['torchrun_s']:.2f} s, ray train {first['ray_train_s']:.2f} s; "
            f"warm {first['warm / ray train']:.2f} of ray train, cold {first['cold / ray train']:.2f} (goal 0.5)",
            f"checkpoint of {held['mib']:.0f} MiB: training waits {1000 * held['later_s']:.1f} ms, "
            f"saved at once {1000 * held['at_once_s']:.1f} ms, ratio {held['ratio']:.3f} (goal 0.05)",
            "useful tokens a second: "
            + ", ".join(
                f"{name} {value:,.2f}" if "/" in name else f"{name} {value:,.0f}"
                for name, value in packing.items()
            )
            + " (goal 2)",
        ]
    )


def say(what: str) -> None:
    """Print what is measured now."""
    print(f"bench: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
