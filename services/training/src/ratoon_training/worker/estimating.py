"""A sample of a run's data as tokens, for the estimate of its work. It trains nothing and does not know torch."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.training_jobs_pb2 import TrainingEstimate, TrainingSpec
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore, TreeFile
from ratoon_training.domain.neural import VOCABULARY as NEURAL_VOCABULARY
from ratoon_training.domain.neural import Neural
from ratoon_training.domain.recipes import Recipe
from ratoon_training.worker import text
from ratoon_training.worker.prepare import tokenize
from ratoon_training.worker.samples import learned
from ratoon_training.worker.task_queue import TrainingTask

SAMPLED_RECORDS = 1_000
"""Maximum number of records of the training part that are turned into tokens."""
_LABEL, _TEXT = "label", "text"
_CHARS_A_TOKEN = 4
_WEIGHTS = ".safetensors"


def run(spec: dict[str, Any], job: JobFolder) -> dict[str, Any]:
    """Return the estimate of a job's spec; an error with its reason if the run would fail by its data."""
    message = from_json(TrainingSpec, spec)
    store = ArtifactStore(from_json(JobEnvironment, spec).artifacts)
    recipe = TrainingTask.of_spec(spec, job.path).recipe
    with tempfile.TemporaryDirectory(dir=job.path) as scratch:
        return to_json(_estimate(message, store, recipe, Path(scratch)))


def _estimate(spec: TrainingSpec, store: ArtifactStore, recipe: Recipe, folder: Path) -> TrainingEstimate:
    train, train_rows = _sample(store, spec.train, folder / "train.parquet")
    _, validation_rows = _sample(store, spec.validation, folder / "validation.parquet")
    estimate = TrainingEstimate(
        records=train_rows,
        validation_records=validation_rows,
        sampled_records=min(train_rows, SAMPLED_RECORDS),
        problems=[
            TrainingEstimate.Problem(reason=reason, message=sentence)
            for reason, sentence in _label_problems(store, spec.train, recipe, folder / "labels.parquet")
        ],
    )
    if recipe.method.is_small:
        texts = [each or "" for each in train.column(_TEXT).to_pylist()] if train is not None else []
        estimate.samples = len(texts)
        if recipe.neural is not None:
            _measure_neural(estimate, spec.base, store, recipe.neural, texts)
            return estimate
        estimate.tokens = sum(map(len, texts)) // _CHARS_A_TOKEN
        return estimate
    samples = {
        digest: path
        for digest, path in (
            (spec.train, folder / "train.parquet"),
            (spec.validation, folder / "validation.parquet"),
        )
        if path.exists()
    }
    _measure(estimate, spec, _WithSamples(store.url, samples), recipe, folder / "prepared")
    return estimate


class _WithSamples(ArtifactStore):
    """An artifact store with samples in the place of some blobs. They are never stored: a sample holds records."""

    def __init__(self, url: str, samples: Mapping[str, Path]) -> None:
        super().__init__(url)
        self._samples = samples

    def tree(self, digest: str) -> list[TreeFile]:
        """Return the files of a tree without weights: a tokenizer needs none."""
        return [file for file in super().tree(digest) if not file.path.endswith(_WEIGHTS)]

    def fetch(self, digest: str, path: Path) -> Path:
        """Copy a blob, or its sample, to a path of this machine."""
        if digest not in self._samples:
            return super().fetch(digest, path)
        shutil.copyfile(self._samples[digest], path)
        return path


def _sample(store: ArtifactStore, digest: str, path: Path) -> tuple[pa.Table | None, int]:
    """Write an even sample of a part; return it and the number of records of the part. None if it is unreadable."""
    fetched = store.fetch(digest, path.with_suffix(".whole"))
    try:
        rows = int(pq.read_metadata(fetched).num_rows)
        table = pq.read_table(fetched)
    except Exception:  # reported by the preparation, in its words
        return None, 0
    finally:
        fetched.unlink()
    if rows > SAMPLED_RECORDS:
        table = table.take(pa.array(np.linspace(0, rows - 1, SAMPLED_RECORDS).astype(np.int64)))
    pq.write_table(table, path)
    return table, rows


def _measure(
    estimate: TrainingEstimate, spec: TrainingSpec, store: ArtifactStore, recipe: Recipe, folder: Path
) -> None:
    """Turn the sample into tokens as the run would, and count them."""
    folder.mkdir()
    try:
        tokenize(spec, store, recipe, folder, lambda _message: None)
        path = folder / ("prompts.npz" if recipe.taught_answers else "train.npz")
        with np.load(path) as arrays:
            lengths = np.diff(arrays["offsets"])
        counts = learned(folder)["counts"]
        share = text.limit_of(folder / "tokenizer").cut_share
        units = len(lengths) // 2 if recipe.objective.of_answers else len(lengths)
        estimate.samples = units
        estimate.tokens = int(lengths.sum())
        estimate.longest_tokens = int(lengths.max(initial=0))
        estimate.cut_samples = int(counts.get("truncated_samples", round(share * units)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure_neural(
    estimate: TrainingEstimate, base: str, store: ArtifactStore, neural: Neural, texts: Sequence[str]
) -> None:
    """Count the tokens of the sample: by the tokenizer of the base, else by one that is trained on the sample."""
    if not texts:
        return
    files = {file.path: file.sha256 for file in store.tree(base)} if base else {}
    if "tokenizer.json" in files:
        tokenizer = Tokenizer.from_str(store.read(files["tokenizer.json"]).decode())
    else:
        tokenizer = text.train_tokenizer(texts, (), neural.vocab_size, neural.tokenizer, NEURAL_VOCABULARY)
    tokenizer.no_truncation()
    # One more token opens each text.
    lengths = np.array([1 + len(each.ids) for each in tokenizer.encode_batch(list(texts))])
    estimate.tokens = int(np.minimum(lengths, neural.max_tokens).sum())
    estimate.longest_tokens = int(lengths.max())
    estimate.cut_samples = int((lengths > neural.max_tokens).sum())


def _label_problems(
    store: ArtifactStore, digest: str, recipe: Recipe, path: Path
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the numbers of records of the labels, over the whole training part."""
    if not recipe.labels:
        return
    fetched = store.fetch(digest, path)
    try:
        counts = Counter(pq.read_table(fetched, columns=[_LABEL]).column(_LABEL).to_pylist())
    except Exception:  # reported by the preparation, in its words
        return
    finally:
        fetched.unlink()
    missing = [label for label in recipe.labels if not counts[label]]
    rare = [label for label in recipe.labels if counts[label] == 1]
    if len(missing) == len(recipe.labels) - 1:
        only = next(label for label in recipe.labels if counts[label])
        yield (
            "ONE_LABEL",
            f"All {counts[only]:,} records of the training part have the label {only}: the model would answer with it "
            "always. Add records with other labels.",
        )
    elif missing:
        yield (
            "LABEL_WITHOUT_RECORDS",
            f"No record of the training part has the label {', '.join(missing)}: the model cannot learn it. "
            "Add records.",
        )
    if rare:
        yield (
            "LABEL_RARE",
            f"A single record of the training part has the label {', '.join(rare)}: add records, or "
            "leave the label out.",
        )
