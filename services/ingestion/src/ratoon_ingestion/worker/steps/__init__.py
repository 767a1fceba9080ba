"""Steps of curation that a list names: pure functions over Arrow batches, and how another package adds one."""

from ratoon_ingestion.worker.steps.result import StepFunction, StepResult

__all__ = ["StepFunction", "StepResult"]
