"""Classical and small neural models in suites: tests by records load them, others say why they cannot."""

from pathlib import Path

import pytest

from ratoon.jobs.v1.evaluation_jobs_pb2 import ScoringSpec
from ratoon.storage.models import CLASSICAL_CONFIG, ModelFolder
from ratoon_evaluation.worker.suites.failures import TestFailed
from ratoon_evaluation.worker.suites.tests import Model


class Loader:
    """Loads a model in the form of the task."""

    def load(self, folder: ModelFolder) -> str:
        return f"of the task in {folder.path.name}"


def test_a_classical_model_answers_tests_by_records_alone(tmp_path: Path):
    (tmp_path / CLASSICAL_CONFIG).write_text("{}")
    model = Model(ModelFolder(tmp_path), Loader(), ScoringSpec())
    assert model.of_task() == f"of the task in {tmp_path.name}"
    with pytest.raises(TestFailed, match="answers tests by records only"):
        model.plain()
