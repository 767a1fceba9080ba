"""Several labels of a record from a file to a verdict, by the workers of the stages: what each writes, the next reads.

The records are the descriptions of installed packages, and their labels are classifiers that their authors chose.
"""

import json
from collections import Counter
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec, SplitSpec
from ratoon.operations.job_messages import to_json
from ratoon.operations.jobs import JobFolder
from ratoon.process.files import write_json
from ratoon.service.tasks import message_of
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.classify import Classify, members, parse
from ratoon_evaluation.worker import job as evaluation_job
from ratoon_ingestion.domain.assignment import Ratios
from ratoon_ingestion.domain.curation import CLUSTER_THRESHOLD, CurationConfig
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.spec import read_spec
from ratoon_ingestion.worker.split import split
from ratoon_labeling.worker import job as labeling_job
from ratoon_labeling.worker import records
from ratoon_training.adapters.drivers import recipe_message
from ratoon_training.application.commands import RecipeSpec, recipe_of
from ratoon_training.domain.architectures import Architecture
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.running import execute
from ratoon_training.worker.task_queue import TrainingTask, read_outcome

CLASSIFIERS = {
    "Intended Audience :: Science/Research": "science",
    "Intended Audience :: Developers": "developers",
    "Operating System :: OS Independent": "portable",
    "Operating System :: POSIX :: Linux": "linux",
    "Typing :: Typed": "typed",
}
TASK = Classify(tuple(CLASSIFIERS.values()), multi_label=True)
SHAPE = Architecture(vocab_size=1024, hidden_size=64, layers=2, heads=2)


def rows() -> list[dict[str, Any]]:
    """Packages with a description and a classifier; labels are lists, and cells with separators."""
    packages = {}
    for package in distributions():
        metadata = package.metadata
        labels = [CLASSIFIERS[each] for each in metadata.get_all("Classifier") or () if each in CLASSIFIERS]
        text = f"{metadata['Summary']}\n{str(metadata.get_payload() or '')[:300]}"
        if labels:
            label = labels if len(packages) % 2 else "; ".join(labels)
            packages[metadata["Name"].lower()] = {"text": text, "label": label}
    return [packages[name] for name in sorted(packages)]


def silent(fraction: float, message: str, **counts: Any) -> None:
    """Report nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("several")


@pytest.fixture(scope="module")
def store(folder: Path) -> ArtifactStore:
    return ArtifactStore(str(folder / "artifacts"))


@pytest.fixture(scope="module")
def dataset(store: ArtifactStore, folder: Path) -> str:
    lines = "\n".join(map(json.dumps, rows())).encode()
    source = {
        "name": "projects/p/sources/s",
        "digest": store.put_bytes(lines),
        "format": "JSONL",
        "columns": {"text": "text", "label": "label"},
    }
    spec = {
        "version": "v",
        "curation": asdict(CurationConfig()),
        "sources": [source],
        "record_key": "00" * 32,
        "processes": 1,
    }
    return curate(read_spec(CurationSpec, spec), store, folder / "curation", silent).artifact_digest


@pytest.fixture(scope="module")
def label_set(store: ArtifactStore, folder: Path, dataset: str) -> dict[str, Any]:
    spec = {
        "name": "projects/p/labelSets/s",
        "conflict_policy": "HUMAN_FIRST",
        "import_as": "IMPORT",
        "review_sample_size": 0,
        "dataset_digest": dataset,
        "annotations_digest": records.put_lines(store, ()),
        "task_spec": to_json(message_of(TASK)),
        "artifacts": store.url,
    }
    (folder / "labels").mkdir()
    return labeling_job.run(spec, JobFolder(folder / "labels"))


@pytest.fixture(scope="module")
def parts(store: ArtifactStore, dataset: str, label_set: dict[str, Any]) -> dict[str, Any]:
    spec = {
        "mode": "STRATIFIED",
        "ratios": asdict(Ratios()),
        "threshold": CLUSTER_THRESHOLD,
        "dataset_version": dataset,
        "label_set": label_set["digest"],
    }
    return to_json(split(read_spec(SplitSpec, spec), store, silent))["parts"]


@pytest.fixture(scope="module")
def model(store: ArtifactStore, folder: Path, parts: dict[str, Any]) -> str:
    recipe = recipe_of(RecipeSpec(task=TASK, architecture=SHAPE, max_tokens=160, epochs=6), None)
    spec = {
        "artifacts": store.url,
        "work": str(folder / "work"),
        "fence": 1,
        "train": parts["TRAIN"]["digest"],
        "validation": parts["VALIDATION"]["digest"],
        "recipe": to_json(recipe_message(recipe)),
        "resources": {"accelerator": "CPU", "workers": 1, "threads": 1},
        "checkpoint_every_s": 0.0,
    }
    job = folder / "training"
    job.mkdir()
    write_json(job / "spec.json", spec)
    task = TrainingTask.of_spec(spec, job)
    prepare(spec, recipe, task.prepared, lambda _: None)
    execute(task, 0, 1)
    outcome = read_outcome(job)
    assert outcome is not None and "result" in outcome, outcome
    return str(outcome["result"]["artifact_digest"])


def test_the_labels_of_files_become_lists_in_the_order_of_the_project(label_set, store):
    labels = pq.read_table(store.open(label_set["digest"]))["label"].to_pylist()
    assert label_set["label_count"] == len(labels) > 100
    assert label_set["unknown_labels"] == {}
    assert all(parse(TASK, label) == label for label in labels)
    assert label_set["class_counts"] == Counter(name for label in labels for name in members(label))


def test_each_part_has_records_of_each_label(parts, store, label_set):
    for part in parts.values():
        table = pq.read_table(store.open(part["digest"]))
        borne = Counter(name for label in table["label"].to_pylist() for name in members(label))
        for name, count in label_set["class_counts"].items():
            share = table.num_rows / label_set["label_count"]
            assert borne[name] == pytest.approx(count * share, abs=max(2, 0.6 * count * share))


def test_a_model_that_lists_labels_is_scored_label_by_label(model, parts, store, folder):
    spec = {
        "artifacts": store.url,
        "candidate": model,
        "task_spec": to_json(message_of(TASK)),
        "domains": [
            {"name": "new", "test": parts["TEST"]["digest"], "train": parts["TRAIN"]["digest"]},
        ],
        "rules": [
            {"kind": "NEAR_BASELINE", "domain": "new", "threshold": -1.0},
            {"kind": "MIN_VALUE", "domain": "new", "metric": "micro_f1", "threshold": 0.1},
        ],
        "resamples": 200,
    }
    (folder / "evaluation").mkdir()
    result = evaluation_job.run(spec, JobFolder(folder / "evaluation"))
    (domain,) = result["evaluation"]["measured"]["domains"]
    candidate = domain["candidate"]
    assert result["evaluation"]["verdict"]["passed"], result["evaluation"]["verdict"]
    assert candidate["unanswered"] <= 0.2 * candidate["records"]
    assert [each["label"] for each in candidate["classes"]] == list(TASK.labels)
    assert sum(each["support"] for each in candidate["classes"]) == sum(
        len(members(label))
        for label in pq.read_table(store.open(parts["TEST"]["digest"]))["label"].to_pylist()
    )
    assert domain["baselines"]["tfidf"]["macro_f1"]["value"] > 0.3
