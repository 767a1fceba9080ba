"""Pipeline runs of a project that compresses its versions: what is rolled out, and what the next run continues."""

import pytest

from ratoon.evaluation.v1 import evaluation_run_pb2
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import pipeline_run_pb2, project_pb2
from ratoon.process.errors import InvalidArgument
from ratoon.training.v1 import compression_pb2

PARENT = "projects/mail"
VERSIONS = f"{PARENT}/models/mail/versions"
Run = pipeline_run_pb2.PipelineRun
Method = compression_pb2.Compression
SETTINGS = {"method": Method.METHOD_INT8, "max_quality_loss": 0.03}


def create(flywheel, **compression):
    project = project_pb2.Project(labels=["ham", "spam"], compression=compression)
    return flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))


def completed(flywheel, source):
    run = Run(sources=[f"{PARENT}/sources/{source}"])
    created = flywheel.CreatePipelineRun(pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run=run))
    *_, last = flywheel.WatchPipelineRun(pb.WatchPipelineRunRequest(name=created.name), timeout=60)
    return last


def stage(run, id):
    return next(each for each in run.stages if each.id == id)


def test_the_compressed_version_is_rolled_out_and_the_next_run_continues_its_source(flywheel, peers):
    assert create(flywheel, **SETTINGS).compression.max_quality_loss == 0.03
    first = completed(flywheel, "mails")
    assert first.state == Run.STATE_SUCCEEDED and first.compression_outcome.accepted
    (trained,) = peers.created_resources("TrainingRun")
    (compression,) = peers.created_resources("Compression")
    assert (compression.source_digest, compression.source_version) == (
        trained.artifact_digest,
        f"{VERSIONS}/v1.0",
    )
    assert (compression.method, compression.validation_digest) == (Method.METHOD_INT8, "e" * 64)
    assert "1.0 MiB in the place of 4.0 MiB, 75% less" in stage(first, "compression").message
    _, gate = peers.created_resources("EvaluationRun")
    assert (gate.candidate_digest, gate.reference_digest) == (
        compression.artifact_digest,
        trained.artifact_digest,
    )
    (rule,) = gate.gate
    assert (rule.kind, rule.threshold) == (evaluation_run_pb2.GateRule.KIND_NOT_WORSE, -0.03)
    source, small = peers.created_resources("ModelVersion")
    assert (small.lineage.derived_from, small.lineage.parent_version) == (source.name, source.name)
    assert small.lineage.evaluation_run == first.products.compression_evaluation_run == gate.name
    assert list(small.serving_dtypes) == [compression.serving_dtype]
    assert "weights in int8" in small.changelog and "macro-F1 +0.11" in small.changelog
    assert peers.created_resources("Rollout")[0].to_version == small.name == first.products.model_version

    second = completed(flywheel, "more")
    assert second.state == Run.STATE_SUCCEEDED
    again = peers.created_resources("TrainingRun")[1]
    assert again.base_artifact_digest == trained.artifact_digest
    evaluation = peers.created_resources("EvaluationRun")[2]
    assert evaluation.reference_digest == compression.artifact_digest
    assert peers.created_resources("ModelVersion")[2].lineage.parent_version == small.name


def test_a_refused_or_unservable_compression_leaves_its_source_in_the_rollout(flywheel, peers):
    create(flywheel, method=Method.METHOD_INT4)
    peers.endings["compression_gate"] = "refuses"
    first = completed(flywheel, "mails")
    assert first.state == Run.STATE_SUCCEEDED and not first.compression_outcome.accepted
    assert "macro-F1 +0.11" in first.compression_outcome.reason
    assert (stage(first, "compression_gate").state, stage(first, "compression_registration").state) == (
        "REFUSED",
        "SKIPPED",
    )
    assert (
        peers.created_resources("Rollout")[0].to_version == first.products.model_version == f"{VERSIONS}/v1.0"
    )

    peers.endings["compression_gate"] = "passes"
    peers.not_servable.add(f"{VERSIONS}/v1.2")
    second = completed(flywheel, "more")
    assert second.state == Run.STATE_SUCCEEDED and not second.compression_outcome.accepted
    assert "int4 needs AVX-512" in second.compression_outcome.reason
    assert second.products.compressed_version == f"{VERSIONS}/v1.2"
    assert (
        peers.created_resources("Rollout")[1].to_version
        == second.products.model_version
        == f"{VERSIONS}/v1.1"
    )


def test_a_project_is_compressed_by_what_saves_something(flywheel):
    with pytest.raises(InvalidArgument, match="zeros save nothing in engines") as refused:
        create(flywheel, method=Method.METHOD_PRUNED)
    assert refused.value.reason == "BAD_PROJECT"
