"""Pipeline runs of a project that exports the versions that it rolled out."""

import pytest

from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import pipeline_run_pb2, project_pb2
from ratoon.process.errors import InvalidArgument
from ratoon.training.v1 import model_export_pb2

PARENT = "projects/mail"
Run = pipeline_run_pb2.PipelineRun
Format = model_export_pb2.ModelExport
GGUF = {"format": Format.FORMAT_GGUF, "gguf_type": Format.GGUF_TYPE_Q8_0}


def create(flywheel, *exports):
    project = project_pb2.Project(labels=["ham", "spam"], exports=exports)
    return flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))


def completed(flywheel):
    run = Run(sources=[f"{PARENT}/sources/mails"])
    created = flywheel.CreatePipelineRun(pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run=run))
    *_, last = flywheel.WatchPipelineRun(pb.WatchPipelineRunRequest(name=created.name), timeout=60)
    return last


def test_the_version_that_was_rolled_out_is_exported_in_each_format(flywheel, peers):
    project = create(flywheel, GGUF, {"format": Format.FORMAT_ONNX})
    assert [each.format for each in project.exports] == [Format.FORMAT_GGUF, Format.FORMAT_ONNX]
    last = completed(flywheel)
    gguf, onnx = peers.created_resources("ModelExport")
    assert (gguf.format, gguf.gguf_type, onnx.format) == (*GGUF.values(), Format.FORMAT_ONNX)
    (trained,) = peers.created_resources("TrainingRun")
    for each in (gguf, onnx):
        assert (each.source_digest, each.source_version) == (
            trained.artifact_digest,
            last.products.model_version,
        )
    assert [each.model_export for each in last.export_outcomes] == [gguf.name, onnx.name]
    assert all(each.succeeded for each in last.export_outcomes)
    assert (
        last.stages[-1].message == "gguf q8_0: 2.0 MiB, 111 of 112 choices equal; onnx: 2.0 MiB, not compared"
    )


def test_a_failed_export_is_stated_and_leaves_the_rollout(flywheel, peers):
    create(flywheel, GGUF)
    peers.endings["ModelExport"] = "STATE_FAILED"
    last = completed(flywheel)
    assert (last.state, last.failure.reason) == (Run.STATE_SUCCEEDED, "")
    (outcome,) = last.export_outcomes
    assert (outcome.succeeded, outcome.message) == (False, "It needs 4 GiB more memory.")
    assert (last.stages[-1].id, last.stages[-1].state) == ("export", "FAILED")
    assert (
        peers.created_resources("Rollout")[0].state == peers.created_resources("Rollout")[0].STATE_SUCCEEDED
    )


def test_formats_that_a_project_cannot_have_are_refused(flywheel):
    with pytest.raises(InvalidArgument, match="gguf_type goes with the format GGUF"):
        create(flywheel, {**GGUF, "format": Format.FORMAT_ONNX})
    with pytest.raises(InvalidArgument, match="different formats"):
        create(flywheel, GGUF, GGUF)
