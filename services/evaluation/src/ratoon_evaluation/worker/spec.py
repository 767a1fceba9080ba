"""The spec of a scoring job."""

from collections.abc import Mapping
from typing import Any

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.operations.job_messages import from_json
from ratoon.service.compute import compute_of
from ratoon.service.tasks import task_of
from ratoon.tasks.classify import Classify
from ratoon.tasks.compute import Compute
from ratoon.tasks.kinds import TaskSpec


def read_spec(raw_spec: Mapping[str, Any]) -> ScoringSpec:
    """Return the spec of a job; the release before wrote stored answers as `kept`."""
    return from_json(ScoringSpec, {"stored_answers": raw_spec.get("kept", ()), **raw_spec})


def task_of_spec(spec: ScoringSpec) -> TaskSpec:
    """Return the task of a job; the release before named labels alone."""
    return task_of(spec.task_spec) if spec.HasField("task_spec") else Classify(tuple(spec.labels))


def compute_of_spec(spec: ScoringSpec) -> Compute:
    """Return the device and number format of a job's models."""
    return compute_of(spec.compute)
