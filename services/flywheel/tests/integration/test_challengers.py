"""A classical challenger of the trained model: it is chosen and rolled out, and the next run compares with it."""

import pytest

from ratoon.evaluation.v1 import evaluation_run_pb2
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import pipeline_run_pb2, project_pb2
from ratoon.process.errors import InvalidArgument
from ratoon.training.v1 import training_run_pb2

PARENT = "projects/mail"
Run = pipeline_run_pb2.PipelineRun
GATE = {"classical_challenger": True}


def completed(flywheel, source):
    run = Run(sources=[f"{PARENT}/sources/{source}"])
    created = flywheel.CreatePipelineRun(pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run=run))
    *_, last = flywheel.WatchPipelineRun(pb.WatchPipelineRunRequest(name=created.name), timeout=60)
    return last


def test_a_chosen_challenger_is_registered_rolled_out_and_compared_with_by_the_next_run(flywheel, peers):
    project = project_pb2.Project(labels=["ham", "spam"], gate=GATE)
    flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))
    peers.endings["comparison"] = "refuses"
    first = completed(flywheel, "mails")
    assert first.state == Run.STATE_SUCCEEDED and first.choice.is_challenger
    assert "macro-F1 is 0.800 against 0.820 of the classical model on 50 records" in first.choice.reason
    trained, challenger = peers.created_resources("TrainingRun")
    assert (trained.recipe.method, challenger.recipe.method) == (
        training_run_pb2.Recipe.METHOD_FROM_SCRATCH,
        training_run_pb2.Recipe.METHOD_CLASSICAL,
    )
    comparison, evaluation = peers.created_resources("EvaluationRun")
    assert (comparison.candidate_digest, comparison.reference_digest) == (
        trained.artifact_digest,
        challenger.artifact_digest,
    )
    (rule,) = comparison.gate
    assert (rule.kind, rule.threshold) == (evaluation_run_pb2.GateRule.KIND_BETTER, 0.0)
    assert (evaluation.candidate_digest, evaluation.candidate_note) == (
        challenger.artifact_digest,
        first.choice.reason,
    )
    (version,) = peers.created_resources("ModelVersion")
    assert version.lineage.training_run == challenger.name == first.products.training_run
    assert first.choice.reason in version.changelog and "120 core seconds" in version.changelog
    assert peers.created_resources("Rollout")[0].to_version == version.name

    peers.endings["comparison"] = "passes"
    second = completed(flywheel, "more")
    assert second.state == Run.STATE_SUCCEEDED and not second.choice.is_challenger
    again = peers.created_resources("TrainingRun")[2]
    assert (again.recipe.method, again.base_artifact_digest) == (
        training_run_pb2.Recipe.METHOD_FROM_SCRATCH,
        "",
    )
    gate = peers.created_resources("EvaluationRun")[-1]
    assert (gate.candidate_digest, gate.reference_digest) == (
        again.artifact_digest,
        challenger.artifact_digest,
    )
    newest = peers.created_resources("ModelVersion")[-1]
    assert newest.lineage.parent_version == version.name and "Newly trained" in newest.changelog


def test_tasks_without_classical_models_have_no_challenger(flywheel):
    project = project_pb2.Project(gate=GATE)
    project.task.generate.SetInParent()
    with pytest.raises(InvalidArgument, match="no classical models of the task generate") as refused:
        flywheel.CreateProject(pb.CreateProjectRequest(project_id="chat", project=project))
    assert refused.value.reason == "BAD_PROJECT"
