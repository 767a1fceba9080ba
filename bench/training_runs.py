"""Training runs of the benchmarks, in this process, on parts in a store of their own."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.operations.job_messages import to_json as message_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import prompt_text, to_json
from ratoon_training.adapters.drivers import recipe_message
from ratoon_training.domain.recipes import Architecture, Recipe
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.running import execute
from ratoon_training.worker.task_queue import TrainingTask, read_outcome

SMALL = Architecture(vocab_size=400, hidden_size=128, layers=4, heads=4, max_positions=128)
"""A Llama of about 0.9 million parameters."""


def question(text: str, *answers: str, **fields: Any) -> Record:
    """Return the record of a question of one turn."""
    return Record((Turn(Role.USER, text),), answers, **fields)


def shape_of(model: Path) -> Architecture:
    """Return the shape of a Hugging Face directory."""
    shape = json.loads((model / "config.json").read_text())
    return Architecture(
        shape["vocab_size"],
        shape["hidden_size"],
        shape["num_hidden_layers"],
        shape["num_attention_heads"],
        shape["max_position_embeddings"],
    )


class Runs:
    """Training runs and their parts in one directory."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.folder, self._threads = folder, threads
        self.store = ArtifactStore(str(folder / "artifacts"))
        self._parts = 0

    def part(self, records: Sequence[Record], prefix: str = "") -> str:
        """Store records as a part of a split; the digest. Their ids are `prefix` and their number."""
        self._parts += 1
        path = self.folder / f"{self._parts}.parquet"
        columns = {
            "record_id": [f"{prefix}{at:05d}" for at in range(len(records))],
            "text": [prompt_text(record.turns) for record in records],
            "label": [record.answers[0] for record in records],
            "example": [to_json(record) for record in records],
        }
        pq.write_table(pa.table(columns), path)
        return self.store.put_file(path)

    def spec(self, name: str, recipe: Recipe, train: str, validation: str, base: str = "") -> dict[str, Any]:
        """Return the spec of a run as its job reads it."""
        return {
            "artifacts": self.store.url,
            "work": str(self.folder / f"work-{name}"),
            "fence": 1,
            "train": train,
            "validation": validation,
            "base": base,
            "recipe": message_json(recipe_message(recipe)),
            "resources": {"accelerator": "CPU", "workers": 1, "threads": self._threads},
            "checkpoint_every_s": 3600.0,
        }

    def train(self, name: str, recipe: Recipe, train: str, validation: str, base: str = "") -> dict[str, Any]:
        """Train; the result. Its curve is in the directory of this name."""
        job = self.folder / name
        job.mkdir()
        spec = self.spec(name, recipe, train, validation, base)
        task = TrainingTask.of_spec(spec, job)
        prepare(spec, recipe, task.prepared, lambda _: None)
        execute(task, 0, 1)
        outcome = read_outcome(job)
        if outcome is None or "result" not in outcome:
            sys.exit(f"{name} failed: {outcome}")
        result: dict[str, Any] = outcome["result"]
        return result
