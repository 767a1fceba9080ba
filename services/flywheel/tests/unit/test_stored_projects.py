"""Projects and runs that the previous release stored are read as they were, and it reads what this one saves."""

import json
from dataclasses import replace

import pytest

from ratoon.storage.store import codec_of
from ratoon.tasks.classify import Classify
from ratoon.tasks.compute import Accelerator, Compute, Dtype
from ratoon.tasks.generate import Form, Generate, Sampling
from ratoon.tasks.regress import Regress
from ratoon_flywheel.adapters.tables import RESOURCES
from ratoon_flywheel.domain.pipelines.runs import PipelineRun, State
from ratoon_flywheel.domain.project_settings import (
    Budget,
    CurationStep,
    DataRequirements,
    MetricGate,
    StageCompute,
    TrainOn,
    Truncation,
    TuningDefaults,
)
from ratoon_flywheel.domain.projects import Gate, Method, Project, SplitDefaults

PROJECTS = codec_of(Project, RESOURCES[Project])
RUNS = codec_of(PipelineRun, RESOURCES[PipelineRun])
PROJECT_FIELDS = (
    '"name":"projects/mail","create_time":"2026-01-01T00:00:00Z","update_time":"2026-01-01T00:00:00Z",'
    '"labels":["ham","spam"],"display_name":"Mail","instructions":"Which?","gate":{"new_domain_threshold":0.01,'
    '"old_domain_threshold":-0.05,"baseline_margin":0.03},"training":{"seed":7,"epochs":2.0,"continue_epochs":1.0,'
    '"max_chars":600,"hidden_size":128,"layers":3,"replay_count":500,"workers":2,"method":"LORA",'
    '"base_artifact_digest":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",'
    '"learning_rate":0.001,"batch_size":32,"prompt_tokens":96,"lora_rank":8},"rollout":{"bake_seconds":30.0},'
    '"split":{"validation_share":0.2,"test_share":0.1},"traffic_retention_days":14,"require_approval":true,'
    '"revision":3}'
)
PROJECT = '{"schema_version":1,' + PROJECT_FIELDS
"""Literal row of version 1, with every field set."""
ETAG = "50cf6938e5c8c424"
"""The etag that version 1 gave this project."""
RUN = (
    '{"schema_version":1,"name":"projects/mail/pipelineRuns/r","create_time":"2026-01-01T00:00:00Z",'
    '"update_time":"2026-01-01T00:00:00Z","project":{'
    + PROJECT_FIELDS
    + ',"sources":["projects/mail/sources/s"],"window":null,"trigger":"MANUAL","trigger_reason":"","policy":"",'
    '"skip_rollout":false,"production":null,"state":"QUEUED","stages":[{"id":"dataset","state":"PENDING",'
    '"resource":"","message":"","start_time":null,"end_time":null}],"products":{"dataset_version":"",'
    '"label_set":"","label_set_digest":"","label_counts":{},"split":"","train_digest":"","validation_digest":"",'
    '"training_run":"","candidate_digest":"","evaluation_run":"","verdict":"","scores":{},"model_version":"",'
    '"rollout":""},"progress":{"fraction":0.0,"message":"","remaining_seconds":0.0,"metrics":{}},"approval":null,'
    '"failure_reason":"","failure_message":"","end_time":null,"cancel_requested":false,"cancel_asked":null,'
    '"revision":2}'
)
"""Literal row of version 1: a run that waits to begin."""


def test_a_project_of_version_1_classifies_into_its_labels():
    project = PROJECTS.load(PROJECT)
    assert project.task == Classify(("ham", "spam"))
    assert (project.labels, project.revision) == (("ham", "spam"), 3)
    assert project.gate == Gate(0.01, -0.05, 0.03)
    assert (project.training.method, project.training.lora_rank) == (Method.LORA, 8)
    assert project.split == SplitDefaults(0.2, 0.1)
    assert project.etag == ETAG


def test_a_run_of_version_1_holds_such_a_project():
    run = RUNS.load(RUN)
    assert run.project == PROJECTS.load(PROJECT)
    assert (run.state, run.revision) == (State.QUEUED, 2)


@pytest.mark.parametrize(("codec", "row"), [(PROJECTS, PROJECT), (RUNS, RUN)])
def test_a_save_writes_version_2_with_all_that_version_1_reads(codec, row):
    saved, before = json.loads(codec.dump(codec.load(row))), json.loads(row)
    assert saved["schema_version"] == 2
    assert holds(saved, before | {"schema_version": 2})
    assert codec.load(codec.dump(codec.load(row))) == codec.load(row)


def holds(whole: object, part: object) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and holds(whole[key], value) for key, value in part.items())
    return whole == part


def test_a_run_of_version_1_has_no_recipe_and_no_drift_of_its_own():
    run = RUNS.load(RUN)
    assert (run.recipe, run.drift, run.data_note, run.products.labelled_count) == ("", {}, "", 0)
    assert (run.error_share, run.examples) == (0.0, 0)
    drifted = replace(
        run,
        recipe="sft",
        drift={"tokens": 8.2},
        error_share=0.25,
        examples=300,
        data_note="Kept: 1 preference.",
    )
    assert RUNS.load(RUNS.dump(drifted)) == drifted


def test_labels_that_the_previous_release_changes_later_are_taken_over():
    saved = json.loads(PROJECTS.dump(PROJECTS.load(PROJECT)))
    changed = PROJECTS.load(json.dumps(saved | {"labels": ["ham", "spam", "news"]}))
    assert changed.task == Classify(("ham", "spam", "news"))
    run = json.loads(RUNS.dump(RUNS.load(RUN)))
    run["project"]["labels"] = ["a", "b"]
    assert RUNS.load(json.dumps(run)).project.task == Classify(("a", "b"))


@pytest.mark.parametrize(
    "task",
    [
        Classify(("a", "b"), multi_label=True),
        Generate(Form.JSON, '{"type": "object"}', True, Sampling(0.2, 0.9, max_tokens=64), ("\n\n",)),
        Generate(),
        Regress("points", -4.0, 4.0, 0.5),
        Regress(),
    ],
)
def test_a_task_of_any_kind_is_stored_and_read_back(task):
    project = replace(PROJECTS.load(PROJECT), task=task)
    saved = PROJECTS.dump(project)
    assert PROJECTS.load(saved) == project
    assert json.loads(saved)["labels"] == list(project.labels)


def test_every_setting_is_stored_and_read_back():
    project = replace(
        PROJECTS.load(PROJECT),
        primary_metric="accuracy",
        metrics=("auc",),
        metric_gates=(MetricGate("recall", min_value=0.8, max_loss=0.01),),
        data_requirements=DataRequirements(100, 10, ("text",), ("en",), ("CC0-1.0",)),
        budget=Budget(10, 2.5, 20.0, "EUR", 1.5),
        compute=StageCompute(training=Compute(Accelerator.CUDA, Dtype.BFLOAT16, 2)),
        recipes=("sft",),
        retraining_recipes=("sft",),
        curation=(CurationStep("minhash", {"threshold": "0.8"}),),
        group_attribute="user",
        tuning=TuningDefaults(TrainOn.LAST_ANSWER, Truncation.LEFT, 256, True, 4, True, ("kubelet",)),
    )
    assert PROJECTS.load(PROJECTS.dump(project)) == project
