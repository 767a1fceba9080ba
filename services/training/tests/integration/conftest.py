"""A toy task that a tiny Llama learns in seconds, as split parts in an artifact store, and runs on it."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ratoon.operations.job_messages import to_json
from ratoon.process.files import write_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon_training.adapters.drivers import recipe_message
from ratoon_training.domain.recipes import Architecture, Recipe
from ratoon_training.worker import models, objective
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.running import execute
from ratoon_training.worker.task_queue import TrainingTask, read_outcome

from .children import Children

LABELS = ("ham", "spam")
TINY = Architecture(vocab_size=400, hidden_size=32, layers=1, heads=1, max_positions=256)
RECIPE = Recipe(
    labels=LABELS,
    architecture=TINY,
    batch_size=8,
    epochs=2.0,
    max_chars=80,
    learning_rate=0.01,
    prompt_tokens=32,
)
UNTIL_STOPPED_S = 10_000.0
"""Seconds between checkpoints of a run that writes one only when it is stopped."""
_WORDS = {
    "ham": [
        "agenda",
        "meeting",
        "patch",
        "review",
        "branch",
        "release",
        "notes",
        "compile",
        "tests",
        "merge",
    ],
    "spam": ["prize", "winner", "cheap", "loan", "click", "offer", "credit", "money", "free", "limited"],
}


def rows(count: int, seed: int) -> list[tuple[str, str, str]]:
    """Return record id, text and label of `count` toy mails."""
    rng = random.Random(seed)
    records = []
    for number in range(count):
        label = LABELS[number % 2]
        text = f"mail {seed}-{number}: " + " ".join(rng.choices(_WORDS[label], k=rng.randint(4, 9)))
        records.append((hashlib.sha256(text.encode()).hexdigest(), text, label))
    return records


Row = tuple[str, str, str | None] | tuple[str, str, str | None, str | None]
"""Record id, text, label, and the JSON of the record if it is more than these."""


def write_part(path: Path, part: Sequence[Row]) -> Path:
    """A part of a split, as ingestion writes it (the columns that training reads)."""
    strings = pa.string()
    names = ("record_id", "text", "label", "example")[: len(part[0]) if part else 3]
    columns = dict(zip(names, zip(*part, strict=True) if part else [()] * 3, strict=True))
    pq.write_table(pa.table({name: pa.array(values, strings) for name, values in columns.items()}), path)
    return path


class Task:
    """The toy task in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = ArtifactStore(str(folder / "artifacts"))
        self.outcomes: dict[str, dict[str, Any]] = {}
        self.train = self.part("train", rows(240, seed=1))
        self.validation = self.part("validation", rows(40, seed=2))

    def part(self, name: str, part: Sequence[Row]) -> str:
        """Store a part; its digest."""
        return self.store.put_file(write_part(self.folder / f"{name}.parquet", part))

    def spec(self, name: str, recipe: Recipe = RECIPE, **options: Any) -> dict[str, Any]:
        """A job's spec; its work folder is named after it."""
        resources = {
            "accelerator": options.pop("accelerator", "CPU"),
            "workers": options.pop("workers", 1),
            "threads": 1,
            "parallelism": options.pop("parallelism", None),
        }
        return {
            "artifacts": self.store.url,
            "work": str(self.folder / "work" / name),
            "fence": 1,
            "train": self.train,
            "validation": self.validation,
            "recipe": to_json(recipe_message(recipe)),
            "resources": resources,
            "checkpoint_every_s": UNTIL_STOPPED_S,
            **options,
        }

    def job(self, name: str, spec: dict[str, Any]) -> Path:
        """A job folder with this spec."""
        folder = self.folder / "jobs" / name
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "spec.json", spec)
        return folder

    def fetch(self, digest: str, name: str) -> Path:
        """A stored tree as a folder."""
        return self.store.fetch_tree(digest, self.folder / "fetched" / name)


def train(task: Task, name: str, recipe: Recipe = RECIPE, **options: Any) -> dict[str, Any]:
    """A run's outcome, trained in this process."""
    spec = task.spec(options.pop("work", name), recipe, **options)
    job = task.job(name, spec)
    (job / "outcome.json").unlink(missing_ok=True)
    training_task = TrainingTask.of_spec(spec, job)
    prepare(spec, recipe, training_task.prepared, lambda _: None)
    execute(training_task, 0, 1)
    outcome = read_outcome(job)
    assert outcome is not None
    return outcome


def train_once(task: Task, name: str, recipe: Recipe = RECIPE, **options: Any) -> dict[str, Any]:
    """The outcome of the run of this name, which is trained for the first test that needs it."""
    if name not in task.outcomes:
        task.outcomes[name] = train(task, name, recipe, **options)
    return task.outcomes[name]


def losses_and_gradients(
    corpus: Corpus, *, packed: bool = False, device: str = "cpu"
) -> tuple[tuple[float, float], dict[str, torch.Tensor]]:
    """The answers' and the texts' loss of twelve samples on a new model, and the gradient of each parameter."""
    model = models.build(replace(RECIPE, packed=packed), Path()).to(device)
    batch = (corpus.packed if packed else corpus.batch)(list(range(12))).to(torch.device(device))
    sums = objective.losses(model, batch, language=True)
    (sums.answer + sums.language).backward()
    losses = float(sums.answer.detach()), float(sums.language.detach())
    return losses, {name: p.grad for name, p in model.named_parameters()}


@pytest.fixture(scope="session")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return Task(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="session")
def children() -> Iterator[Children]:
    """Runs in processes of their own."""
    parent = Children()
    yield parent
    parent.close()
