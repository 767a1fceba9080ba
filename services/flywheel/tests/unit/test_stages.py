"""Each request of a pipeline run goes to the service of its stage."""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime

import pytest

from ratoon.tasks.classify import Classify
from ratoon_flywheel.application.ports import Stages
from ratoon_flywheel.domain.pipelines.actions import stage_request
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, StageId
from ratoon_flywheel.domain.project_settings import ExportSettings
from ratoon_flywheel.domain.projects import Project

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EXECUTED = [stage for stage in StageId if stage is not StageId.APPROVAL]


@dataclass
class FakeStage:
    """The service of one stage."""

    name: str
    created: list[object] = field(default_factory=list)

    def create(self, spec: object, request_id: str) -> str:
        self.created.append(spec)
        return f"{self.name}/{request_id}"


@pytest.fixture
def stages():
    return Stages(**{each.name: FakeStage(each.name) for each in fields(Stages)})


@pytest.mark.parametrize("stage", EXECUTED)
def test_a_request_creates_the_resource_of_its_own_stage(stages, stage):
    project = Project("projects/p", NOW, NOW, Classify(("a", "b")), exports=(ExportSettings("ONNX"),))
    run = PipelineRun("projects/p/pipelineRuns/r", NOW, NOW, project)
    request = stage_request(run, stage)
    assert stages.create(request, "id") == f"{stage.value}/id"
    assert stages.of(stage).created == [request]


def test_an_approval_has_no_service(stages):
    with pytest.raises(KeyError):
        stages.of(StageId.APPROVAL)
