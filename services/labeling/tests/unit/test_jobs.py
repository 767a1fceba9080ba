"""Specs and results of freezing jobs, as this release and the one before write and read them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ratoon.jobs.v1.labeling_jobs_pb2 import FreezingSpec
from ratoon.operations.job_messages import from_json
from ratoon.operations.jobs import JobState, JobStatus
from ratoon.tasks.classify import Classify
from ratoon_labeling import mapping
from ratoon_labeling.adapters.freezing import freezing_jobs
from ratoon_labeling.application.ports import FreezingJob
from ratoon_labeling.domain.guidelines import ConflictPolicy
from ratoon_labeling.domain.label_sets import Frozen, LabelSet

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LABEL_SET = LabelSet(
    "projects/p/labelSets/l",
    NOW,
    NOW,
    "projects/p/datasets/d/versions/v1",
    "d" * 64,
    "projects/p/guidelines/g",
    Classify(("ham", "spam")),
    ConflictPolicy.HUMAN_FIRST,
    review_sample_size=5,
)
SPEC_OF_0_1 = {
    "artifacts": "file:///a",
    "name": "projects/p/labelSets/l",
    "dataset_digest": "d" * 64,
    "annotations_digest": "e" * 64,
    "labels": ["ham", "spam"],
    "conflict_policy": "HUMAN_FIRST",
    "import_as": "IMPORT",
    "review_sample_size": 5,
}
RESULT_OF_0_1 = {
    "digest": "a" * 64,
    "imported_digest": "b" * 64,
    "tasks_digest": "c" * 64,
    "class_counts": {"ham": 3, "spam": 1},
    "unlabelled_count": 2,
    "unknown_label_count": 3,
    "conflict_count": 1,
    "agreement_alpha": None,
    "unknown_labels": {"news": 2, "ads": 1},
}
FROZEN = Frozen("a" * 64, "b" * 64, "c" * 64, {"ham": 3, "spam": 1}, 2, 3, 1, None, {"news": 2, "ads": 1})


@dataclass
class FakeJobs:
    """The jobs of a worker, all of which have ended with one result."""

    result: dict[str, Any]
    spec: dict[str, Any] | None = None

    def start(self, job_id: str, module: str, spec: dict[str, Any]) -> None:
        self.spec = spec

    def observe(self, job_id: str) -> JobStatus:
        return JobStatus(JobState.SUCCEEDED, result=self.result)


def test_a_worker_of_the_release_before_reads_the_spec():
    jobs = FakeJobs({})
    freezing_jobs(jobs, "file:///a").start("id", FreezingJob(LABEL_SET, "e" * 64))
    assert jobs.spec == SPEC_OF_0_1


def test_a_worker_reads_a_spec_of_the_release_before():
    assert from_json(FreezingSpec, SPEC_OF_0_1) == mapping.freezing_spec(FreezingJob(LABEL_SET, "e" * 64))


def test_a_result_of_the_release_before_is_read():
    assert freezing_jobs(FakeJobs(RESULT_OF_0_1), "").observe("id").result == FROZEN


@pytest.mark.parametrize("alpha", [None, 0.0, -0.25])
def test_a_result_survives_its_message(alpha):
    frozen = replace(FROZEN, agreement_alpha=alpha)
    assert mapping.frozen(mapping.freezing_result(frozen)) == frozen
