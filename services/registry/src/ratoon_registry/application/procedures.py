"""Procedure of a model version, which one job verifies."""

from ratoon.operations.job_procedure import JobProcedure
from ratoon_registry.application.ports import Verification
from ratoon_registry.domain.versions import ModelVersion, Verified, step

_POLL_INTERVAL_S = 0.5


def version_procedure(verification: Verification) -> JobProcedure[ModelVersion, ModelVersion, Verified]:
    """Return the procedure behind CreateModelVersion; the input of the job is the version itself."""
    return JobProcedure(ModelVersion, "verify", verification, lambda version: version, step, _POLL_INTERVAL_S)
