"""Evaluation's tables."""

from sqlalchemy import Table

from ratoon.service.events import service_metadata
from ratoon.storage.store import resource_table
from ratoon_evaluation.domain.judges import Judge
from ratoon_evaluation.domain.runs import EvaluationRun
from ratoon_evaluation.domain.suites import Suite

METADATA = service_metadata()
RESOURCES: dict[type, Table] = {
    EvaluationRun: resource_table(METADATA, "evaluation_runs"),
    Suite: resource_table(METADATA, "suites"),
    Judge: resource_table(METADATA, "judges"),
}
