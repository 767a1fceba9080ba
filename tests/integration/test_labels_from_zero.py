"""From texts without a label to a split, by the workers of the stages: curate, draw, answer, freeze, split.

The texts are the descriptions of installed packages; a "person" answers whether their authors call them typed.
"""

import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ratoon.jobs.v1.ingestion_jobs_pb2 import CurationSpec, SplitSpec
from ratoon.jobs.v1.labeling_jobs_pb2 import RefillResult, RefillSpec
from ratoon.operations.job_messages import from_json, to_json
from ratoon.operations.jobs import JobFolder
from ratoon.service.tasks import message_of
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.classify import Classify
from ratoon_ingestion.domain.assignment import Ratios
from ratoon_ingestion.domain.curation import CLUSTER_THRESHOLD, CurationConfig
from ratoon_ingestion.worker.curate import curate
from ratoon_ingestion.worker.spec import read_spec
from ratoon_ingestion.worker.split import split
from ratoon_labeling import queue_mapping
from ratoon_labeling.domain.queues import Origin, PreLabels, Queue, RefillRule, Strategy
from ratoon_labeling.worker import job as labeling_job
from ratoon_labeling.worker import records

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TASK = Classify(("typed", "untyped"))
QUEUE = Queue(
    "projects/p/queues/q",
    NOW,
    NOW,
    "projects/p/datasets/d/versions/v",
    "projects/p/guidelines/g",
    TASK,
    refill_rule=RefillRule(strategy=Strategy.MARGIN, random_share=0.5),
    pre_labels=PreLabels(Origin.CLASSICAL),
)


def answers() -> dict[str, str]:
    """Return the label of each text."""
    known = {}
    for package in distributions():
        metadata = package.metadata
        text = f"{metadata['Summary']}\n{str(metadata.get_payload() or '')[:300]}"
        is_typed = "Typing :: Typed" in (metadata.get_all("Classifier") or ())
        known[" ".join(text.split())] = "typed" if is_typed else "untyped"
    return known


def silent(fraction: float, message: str, **counts: Any) -> None:
    """Report nothing."""


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def dataset(store: ArtifactStore, tmp_path: Path) -> str:
    lines = "\n".join(json.dumps({"text": text}) for text in sorted(answers())).encode()
    source = {
        "name": "projects/p/sources/s",
        "digest": store.put_bytes(lines),
        "format": "JSONL",
        "columns": {"text": "text"},
    }
    spec = {
        "version": "v",
        "curation": asdict(CurationConfig()),
        "sources": [source],
        "record_key": "00" * 32,
        "processes": 1,
    }
    return curate(read_spec(CurationSpec, spec), store, tmp_path / "curation", silent).artifact_digest


class Person:
    """Answers tasks, as the service stores the answers and exports them."""

    def __init__(self, store: ArtifactStore, dataset: str) -> None:
        known = answers()
        self._labels: dict[str, str] = {}
        for shard in records.shards(store, dataset):
            for row in pq.read_table(store.open(shard)).to_pylist():
                self._labels[row["record_id"]] = known.get(" ".join(row["text"].split()), "untyped")
        self.given: list[dict[str, str]] = []

    def answer(self, tasks: list[dict[str, str]]) -> None:
        """Answer each task."""
        for task in tasks:
            self.given.append(
                {
                    "record_id": task["record_id"],
                    "content_digest": task["content_digest"],
                    "label": self._labels[task["record_id"]],
                    "annotator": "ann",
                    "source": "HUMAN",
                    "time": NOW.isoformat(),
                    "selection": task["selection"],
                }
            )


def test_records_without_a_label_are_drawn_answered_frozen_and_split(store, dataset, tmp_path):
    person = Person(store, dataset)

    def refilled(size: int) -> tuple[RefillResult, list[dict[str, str]]]:
        queued = (json.dumps(each["record_id"]).encode() + b"\n" for each in person.given)
        spec = RefillSpec(
            name=f"projects/p/queues/q/refills/{len(person.given)}",
            dataset_digest=dataset,
            annotations_digest=records.put_lines(store, person.given),
            queued_digest=store.put_bytes(b"".join(queued)),
            queue=queue_mapping.queue(QUEUE),
            size=size,
        )
        folder = tmp_path / f"refill-{len(person.given)}"
        folder.mkdir()
        environment = {"artifacts": store.url, "task": "draw"}
        result = labeling_job.run(to_json(spec) | environment, JobFolder(folder))
        drawn = from_json(RefillResult, result)
        return drawn, list(records.read_lines(store, drawn.tasks_digest))

    first, tasks = refilled(60)
    assert (first.refill.task_count, first.refill.active_count, first.refill.pre_labelled_count) == (60, 0, 0)
    assert "too few" in first.refill.progress.message
    person.answer(tasks)
    second, more = refilled(40)
    assert (second.refill.task_count, second.refill.active_count) == (40, 20)
    assert second.refill.pre_labelled_count == 40
    assert {each["proposal_origin"] for each in more} == {"classical"}
    assert not {each["record_id"] for each in tasks} & {each["record_id"] for each in more}
    assert [each.label_count for each in second.refill.curve] == [11, 22, 45]
    person.answer(more)

    (tmp_path / "labels").mkdir()
    frozen = labeling_job.run(
        {
            "name": "projects/p/labelSets/s",
            "conflict_policy": "HUMAN_FIRST",
            "import_as": "IMPORT",
            "dataset_digest": dataset,
            "annotations_digest": records.put_lines(store, person.given),
            "task_spec": to_json(message_of(TASK)),
            "artifacts": store.url,
        },
        JobFolder(tmp_path / "labels"),
    )
    assert frozen["label_count"] == 100
    assert frozen["class_counts"] == Counter(each["label"] for each in person.given)

    spec = {
        "mode": "STRATIFIED",
        "ratios": asdict(Ratios(0.6, 0.2, 0.2)),
        "threshold": CLUSTER_THRESHOLD,
        "dataset_version": dataset,
        "label_set": frozen["digest"],
    }
    parts = to_json(split(read_spec(SplitSpec, spec), store, silent))["parts"]
    active = {each["record_id"] for each in more if each["selection"] == "ACTIVE"}
    ids = {
        name: set(pq.read_table(store.open(part["digest"]))["record_id"].to_pylist())
        for name, part in parts.items()
    }
    assert active <= ids["TRAIN"]
    assert len(ids["TEST"]) >= 10
    assert sum(map(len, ids.values())) == 100
