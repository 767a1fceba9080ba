"""The comparison of an export becomes a link of the certificate of the version that was exported."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from ratoon.operations.job_machine import JobObservation, Phase
from ratoon.operations.operations import Claim
from ratoon.process.errors import Unavailable
from ratoon.tasks.parity import Step, document, link
from ratoon_training.application.model_exports import model_export_procedure
from ratoon_training.domain.model_exports import Exported, ExportFormat, ModelExport

NOW = datetime(2026, 6, 1, tzinfo=UTC)
VERSION = "projects/p/models/m/versions/v1.0"
EXPORT = ModelExport(
    "projects/p/modelExports/e", NOW, NOW, "a" * 64, ExportFormat.ONNX, source_version=VERSION
)
LINK = link(Step.EXPORT, "onnx", "onnxruntime 1.0", "b" * 64, "a" * 64)
RESULT = Exported("b" * 64, (), {}, json.dumps(document(LINK)), ())


@dataclass
class Job:
    """A job in one phase."""

    observation: JobObservation[Exported]

    def observe(self, job_id: str) -> JobObservation[Exported]:
        return self.observation


@dataclass
class Certificates:
    """Certificates in memory."""

    away: bool = False
    links: list = field(default_factory=list)

    def record(self, version, added) -> None:
        if self.away:
            raise Unavailable("The registry does not answer.", reason="UNAVAILABLE")
        self.links.append((version, added))


def observed(export=EXPORT, result=RESULT, phase=Phase.SUCCEEDED, certificates=None):
    certificates = certificates or Certificates()
    procedure = model_export_procedure(Job(JobObservation(phase, result=result)), certificates)
    procedure.observe(export, Claim("o", 1, 1))
    return certificates.links


def test_a_comparison_is_recorded_for_the_version_that_was_exported():
    assert observed() == [(VERSION, replace(LINK, source=EXPORT.name))]


def test_nothing_is_recorded_without_a_version_a_comparison_or_a_result():
    assert observed(replace(EXPORT, source_version="")) == []
    assert observed(result=replace(RESULT, parity="")) == []
    assert observed(result=None, phase=Phase.RUNNING) == []


def test_an_export_waits_for_the_registry():
    with pytest.raises(Unavailable):
        observed(certificates=Certificates(away=True))
