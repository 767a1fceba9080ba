"""The default recipe next to its baselines on public texts, by the workers' own code: no service runs.

    python bench/quality/run.py [--sets mails tweets] [--seeds 0 1] [--threads 1] [--json FILE]

Goal: the model's macro-F1 is at least the better of TF-IDF on words and on characters minus 0.02, or the default gate
refuses it. The table shows both, and which of the two happened.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import pyarrow as pa
import pyarrow.parquet as pq
from collections_of_texts import COLLECTIONS, Row, labels_of, parts

from ratoon.operations.jobs import JobFolder
from ratoon.process.files import write_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.classify import Classify
from ratoon_evaluation.worker import job as evaluation
from ratoon_training.application.commands import RecipeSpec, recipe_of
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.running import execute
from ratoon_training.worker.task_queue import TrainingTask, read_outcome

MARGIN = 0.02
JSON = dict[str, Any]
HEAD = (
    f"{'set':<14}{'seed':>4}{'train':>7}{'test':>6}{'model':>7}{'words':>7}{'chars':>7}  {'best':<10}{'diff':>7}  "
    f"{'gate':<8}{'s':>7}{'epochs':>7}  {'longest, cut':<18} diagnosis"
)


def main() -> int:
    """Train and evaluate each set with each seed; 0 when every model reaches its baseline or is refused."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", default=[name for name in COLLECTIONS if name != "reviews-all"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(HEAD)
    rows = []
    for name in options.sets:
        for seed in options.seeds:
            rows.append(measured(name, seed, options.threads))
            print(line(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if all(row["difference"] >= -MARGIN or not row["passed"] for row in rows) else 1


def measured(name: str, seed: int, threads: int) -> JSON:
    """One row: the default recipe trained on a set, and the default gate's verdict on it."""
    train, validation, test = parts(name, seed)
    with tempfile.TemporaryDirectory(prefix="ratoon-quality-") as folder:
        store = ArtifactStore(str(Path(folder) / "artifacts"))
        digests = [store.put_file(part_file(Path(folder), rows)) for rows in (train, validation, test)]
        labels = labels_of(train)
        begun = time.monotonic()
        result = trained(Path(folder), store, digests, labels, seed, threads)
        seconds = time.monotonic() - begun
        outcome = evaluated(Path(folder), store, digests, labels, result["artifact_digest"])
    (scores,) = outcome["measured"]["domains"]
    baselines = {key: value["macro_f1"]["value"] for key, value in scores["baselines"].items()}
    return {
        "set": name,
        "seed": seed,
        "train": len(train),
        "test": len(test),
        "model": scores["candidate"]["macro_f1"]["value"],
        "words": baselines["tfidf"],
        "characters": baselines["tfidf_chars"],
        "best": scores["best_baseline"],
        "difference": scores["baseline_difference"]["value"],
        "passed": outcome["verdict"]["passed"],
        "seconds": seconds,
        "epochs": result["metrics"]["samples"] / len(train),
        "cut": result["prompt_limit"],
        "diagnosis": result["diagnosis"]["verdict"],
    }


def part_file(folder: Path, rows: Sequence[Row]) -> Path:
    """The rows as a part of a split, as ingestion writes it."""
    ids = [hashlib.sha256(f"{text}\0{label}".encode()).hexdigest() for text, label in rows]
    columns = {
        "record_id": ids,
        "content_digest": ids,
        "text": [text for text, _ in rows],
        "label": [label for _, label in rows],
    }
    path = folder / f"{len(list(folder.iterdir()))}.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def trained(
    folder: Path,
    store: ArtifactStore,
    digests: Sequence[str],
    labels: tuple[str, ...],
    seed: int,
    threads: int,
) -> JSON:
    """The result of a run of the default recipe in this process."""
    recipe = recipe_of(RecipeSpec(task=Classify(labels), seed=seed), None)
    spec = {
        "artifacts": store.url,
        "work": str(folder / "work"),
        "fence": 1,
        "train": digests[0],
        "validation": digests[1],
        "recipe": recipe.as_json(),
        "resources": {"accelerator": "CPU", "workers": 1, "threads": threads},
        "checkpoint_every_s": 3600.0,
    }
    job = folder / "training"
    job.mkdir()
    write_json(job / "spec.json", spec)
    task = TrainingTask.of_spec(spec, job)
    prepare(spec, recipe, task.prepared, lambda _: None)
    execute(task, 0, 1)
    outcome = read_outcome(job) or {}
    if "result" not in outcome:
        raise SystemExit(f"the training failed: {outcome}")
    result: JSON = outcome["result"]
    return result


def evaluated(
    folder: Path, store: ArtifactStore, digests: Sequence[str], labels: tuple[str, ...], model: str
) -> JSON:
    """The outcome of the default gate of a first version."""
    spec = {
        "artifacts": store.url,
        "candidate": model,
        "labels": list(labels),
        "domains": [{"name": "base", "test": digests[2], "train": digests[0]}],
        "rules": [
            {"kind": "BEATS_MAJORITY", "domain": "base", "threshold": 0.0},
            {"kind": "NEAR_BASELINE", "domain": "base", "threshold": -MARGIN},
        ],
        "threads": 1,
    }
    job = folder / "evaluation"
    job.mkdir()
    outcome: JSON = evaluation.run(spec, JobFolder(job))["evaluation"]
    return outcome


def line(row: JSON) -> str:
    """A row of the table."""
    best = {"tfidf": "words", "tfidf_chars": "characters"}.get(row["best"], row["best"])
    gate = "passed" if row["passed"] else "refused"
    cut = f"{row['cut']['max_tokens']} tokens, {row['cut']['cut_share']:.1%}"
    return (
        f"{row['set']:<14}{row['seed']:>4}{row['train']:>7}{row['test']:>6}{row['model']:>7.3f}{row['words']:>7.3f}"
        f"{row['characters']:>7.3f}  {best:<10}{row['difference']:>+7.3f}  {gate:<8}{row['seconds']:>7.0f}"
        f"{row['epochs']:>7.1f}  {cut:<18} {row['diagnosis']}"
    )


if __name__ == "__main__":
    sys.exit(main())
