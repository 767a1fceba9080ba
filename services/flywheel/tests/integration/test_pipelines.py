"""Pipeline runs against scripted services: their requests, how runs end, and that a restart repeats nothing."""

import pytest

from ratoon.common.v1 import compute_pb2, task_pb2
from ratoon.evaluation.v1 import evaluation_run_pb2, judge_pb2, suite_pb2
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import pipeline_run_pb2, project_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.ingestion.v1 import source_pb2, split_pb2
from ratoon.process.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from ratoon.security.identity import Role
from ratoon.service.compute import has_nvidia_gpu
from ratoon.testkit.waiting import until
from ratoon.training.v1 import training_run_pb2

PARENT = "projects/mail"
Run = pipeline_run_pb2.PipelineRun


def create_project(flywheel: FlywheelServiceStub, **more: object) -> project_pb2.Project:
    project = project_pb2.Project(labels=["ham", "spam"], instructions="Ham or spam?", **more)
    return flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))


def begin(flywheel: FlywheelServiceStub, source: str = "mails", **more: object) -> Run:
    sources = [f"{PARENT}/sources/{source}"] if source else []
    run = Run(sources=sources, **more)
    return flywheel.CreatePipelineRun(pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run=run))


def ended(flywheel: FlywheelServiceStub, run: Run) -> Run:
    *_, last = flywheel.WatchPipelineRun(pb.WatchPipelineRunRequest(name=run.name), timeout=60)
    return last


def test_the_first_version_goes_through_every_stage(flywheel, peers):
    project = create_project(flywheel)
    assert project.model == f"{PARENT}/models/mail"
    last = ended(flywheel, begin(flywheel))
    assert last.state == Run.STATE_SUCCEEDED
    assert [stage.state for stage in last.stages] == ["SUCCEEDED"] * 7
    assert last.products.model_version == f"{PARENT}/models/mail/versions/v1.0"
    (version,), (split,), (training,) = (
        peers.created_resources("DatasetVersion"),
        peers.created_resources("Split"),
        peers.created_resources("TrainingRun"),
    )
    assert (list(version.sources), split.dataset_version) == ([f"{PARENT}/sources/mails"], version.name)
    assert (split.mode, split.label_set_digest) == (split_pb2.Split.MODE_STRATIFIED, "b" * 64)
    assert training.recipe.method == training_run_pb2.Recipe.METHOD_FROM_SCRATCH
    (evaluation,), (registered,) = (
        peers.created_resources("EvaluationRun"),
        peers.created_resources("ModelVersion"),
    )
    kinds = evaluation_run_pb2.GateRule
    assert [(rule.kind, rule.domain, rule.threshold) for rule in evaluation.gate] == [
        (kinds.KIND_BEATS_MAJORITY, "base", 0.0),
        (kinds.KIND_NEAR_BASELINE, "base", -0.02),
    ]
    assert (registered.lineage.split, registered.lineage.pipeline_run) == (split.name, last.name)
    assert registered.scores["base.macro_f1"] == 0.8
    assert peers.created_resources("Rollout")[0].to_version == registered.name


def test_the_gate_holds_the_metrics_of_the_project_against_their_bounds(flywheel, peers):
    gates = [
        {"metric": "accuracy", "min_value": 0.8},
        {"metric": "auc", "min_value": 0.7, "max_value": 0.999},
    ]
    create_project(flywheel, metric_gates=gates)
    ended(flywheel, begin(flywheel))
    ended(flywheel, begin(flywheel, "more"))
    kinds = evaluation_run_pb2.GateRule
    expected = [
        (kinds.KIND_MIN_VALUE, "accuracy", 0.8),
        (kinds.KIND_MIN_VALUE, "auc", 0.7),
        (kinds.KIND_MAX_VALUE, "auc", 0.999),
    ]
    for evaluation, domain in zip(peers.created_resources("EvaluationRun"), ("base", "new"), strict=True):
        bounds = [rule for rule in evaluation.gate if rule.metric]
        assert [(rule.kind, rule.metric, rule.threshold) for rule in bounds] == expected
        assert {rule.domain for rule in bounds} == {domain}


def test_candidates_are_tested_on_the_suites_of_the_project(flywheel, peers):
    hard = suite(peers, "hard", {"name": "typos"}, {"name": "gsm8k", "harness": {"yaml": "task: gsm8k"}})
    gates = [
        {"metric": "accuracy", "min_value": 0.8},
        {"metric": "suite:hard.accuracy", "min_value": 0.6},
        {"metric": "suite:hard/gsm8k.exact_match,strict-match", "min_value": 0.1, "max_value": 0.9},
    ]
    assert list(create_project(flywheel, suites=["hard"], metric_gates=gates).suites) == [hard]
    last = ended(flywheel, begin(flywheel))
    assert last.state == Run.STATE_SUCCEEDED
    (evaluation,), (version,) = (
        peers.created_resources("EvaluationRun"),
        peers.created_resources("ModelVersion"),
    )
    assert list(evaluation.suites) == [hard]
    kinds = evaluation_run_pb2.GateRule
    assert [
        (rule.kind, rule.domain, rule.metric, rule.threshold) for rule in evaluation.gate if rule.metric
    ] == [
        (kinds.KIND_MIN_VALUE, "base", "accuracy", 0.8),
        (kinds.KIND_MIN_VALUE, "", "suite:hard.accuracy", 0.6),
        (kinds.KIND_MIN_VALUE, "", "suite:hard/gsm8k.exact_match,strict-match", 0.1),
        (kinds.KIND_MAX_VALUE, "", "suite:hard/gsm8k.exact_match,strict-match", 0.9),
    ]
    assert dict(version.scores) == {"base.macro_f1": 0.8, "base.accuracy": 0.0, "base.perplexity": 0.0} | {
        "suite:hard.accuracy": 0.7
    }


def test_suites_of_a_project_exist_and_fit_its_task(flywheel, peers):
    with pytest.raises(NotFound, match="suites/hard"):
        create_project(flywheel, suites=["hard"])
    suite(peers, "hard", {"name": "typos", "metric": "rouge_l"})
    with pytest.raises(InvalidArgument, match="typos is summed up by rouge_l") as refused:
        create_project(flywheel, suites=["hard"])
    assert refused.value.reason == "BAD_PROJECT"
    suite(peers, "easy", {"name": "plain"})
    project = create_project(flywheel, suites=["easy"])
    suite(peers, "talk", {"name": "turns", "records": {"digest": "a" * 64, "multi_turn": True}})
    with pytest.raises(InvalidArgument, match="multi-turn"):
        update(flywheel, project, suites=["talk"])
    gates = [{"metric": "suite:easy/strange.accuracy", "min_value": 0.5}]
    with pytest.raises(InvalidArgument, match="has the tests plain, not 'strange'"):
        update(flywheel, project, metric_gates=gates)
    update(flywheel, project, display_name="Mail")
    with pytest.raises(Aborted):
        update(flywheel, project, suites=[])


def test_a_suite_that_is_gone_ends_a_run_before_it_trains(flywheel, peers):
    name = suite(peers, "hard", {"name": "typos"})
    create_project(flywheel, suites=[name])
    del peers.resources[name]
    last = ended(flywheel, begin(flywheel))
    assert (last.state, last.failure.reason) == (Run.STATE_FAILED, "NOT_FOUND")
    assert name in last.failure.message
    assert peers.created_resources("DatasetVersion") == []


def suite(peers, id: str, *tests: dict[str, object]) -> str:
    """Give evaluation a suite; a test without content is by records."""
    name = f"{PARENT}/suites/{id}"
    whole = [test if "harness" in test else {"records": {"digest": "a" * 64}} | test for test in tests]
    peers.resources[name] = suite_pb2.Suite(name=name, tests=whole)
    return name


def update(flywheel: FlywheelServiceStub, read: project_pb2.Project, **fields: object) -> project_pb2.Project:
    project = project_pb2.Project(name=read.name, etag=read.etag, **fields)
    return flywheel.UpdateProject(
        pb.UpdateProjectRequest(project=project, update_mask={"paths": list(fields)})
    )


def judge(peers, id: str, kind: str, **more: object) -> str:
    """Give evaluation a judge that people bear out."""
    name = f"{PARENT}/judges/{id}"
    agreement = {"pair_count": 60, "kappa": 0.5, **more.pop("agreement", {})}
    whole = {"state": "STATE_SUCCEEDED", **more}
    peers.resources[name] = judge_pb2.Judge(name=name, kind=kind, agreement=agreement, **whole)
    return name


def create_with_judges(flywheel: FlywheelServiceStub, **more: object) -> project_pb2.Project:
    spec = project_pb2.Project(
        task=SUBJECTS, training={"method": "METHOD_FULL"}, instructions="Write.", **more
    )
    return flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=spec))


def test_judges_and_people_judge_the_versions_of_a_project(flywheel, peers):
    pairs, scores = judge(peers, "pairs", "KIND_PAIRWISE"), judge(peers, "scores", "KIND_RUBRIC")
    gates = [
        {"metric": "judge_win_rate", "min_value": 0.5},
        {"metric": "rubric_score", "min_value": 3.0, "max_loss": 0.25},
        {"metric": "human_win_rate", "min_value": 0.4},
    ]
    project = create_with_judges(
        flywheel,
        judges=["pairs", scores],
        judge_requirements={"min_pair_count": 60},
        human_ratings={},
        metric_gates=gates,
    )
    assert list(project.judges) == [pairs, scores]
    assert (project.judge_requirements.min_pair_count, project.judge_requirements.min_kappa) == (60, 0.4)
    assert project.HasField("human_ratings")
    peers.metrics = {"rouge_l": 0.5, "judge_win_rate": 0.75, "rubric_score": 4.0}
    ended(flywheel, begin(flywheel))
    assert ended(flywheel, begin(flywheel, "more")).state == Run.STATE_SUCCEEDED
    first, second = peers.created_resources("EvaluationRun")
    assert (list(first.judges), list(second.judges)) == ([scores], [pairs, scores])
    for run in (first, second):
        assert run.judge_requirements.min_pair_count == 60
        assert run.HasField("human_ratings")
    kinds, named = evaluation_run_pb2.GateRule, [each["metric"] for each in gates]

    def rules(run):
        return [(rule.kind, rule.domain, rule.metric) for rule in run.gate if rule.metric in named]

    assert rules(first) == [(kinds.KIND_MIN_VALUE, "base", "rubric_score")]
    assert rules(second) == [
        (kinds.KIND_MIN_VALUE, "new", "judge_win_rate"),
        (kinds.KIND_MIN_VALUE, "new", "rubric_score"),
        (kinds.KIND_NOT_WORSE, "new", "rubric_score"),
        (kinds.KIND_MIN_VALUE, "new", "human_win_rate"),
    ]
    version = peers.created_resources("ModelVersion")[1]
    assert (version.scores["new.judge_win_rate"], version.scores["new.rubric_score"]) == (0.75, 4.0)


def test_without_judges_an_evaluation_asks_for_none(flywheel, peers):
    create_with_judges(flywheel)
    ended(flywheel, begin(flywheel))
    (evaluation,) = peers.created_resources("EvaluationRun")
    fields = {field.name for field, _ in evaluation.ListFields()}
    assert fields & {"judges", "judge_requirements", "human_ratings"} == set()


def test_judges_of_a_project_exist_and_agree_with_people(flywheel, peers):
    with pytest.raises(NotFound, match="judges/pairs"):
        create_with_judges(flywheel, judges=["pairs"])
    judge(peers, "busy", "KIND_PAIRWISE", state="STATE_RUNNING")
    with pytest.raises(InvalidArgument, match="is RUNNING") as refused:
        create_with_judges(flywheel, judges=["busy"])
    assert (refused.value.reason, refused.value.field) == ("BAD_PROJECT", "judges")
    doubtful = judge(peers, "doubtful", "KIND_PAIRWISE", agreement={"kappa": 0.2})
    project = create_with_judges(flywheel, judges=["doubtful"])
    gates = [{"metric": "judge_win_rate", "min_value": 0.5}]
    with pytest.raises(FailedPrecondition, match=r"kappa of 0\.20 on 60 pairs") as refused:
        update(flywheel, project, metric_gates=gates)
    assert refused.value.reason == "JUDGE_NOT_TRUSTED"
    changed = update(flywheel, project, metric_gates=gates, judge_requirements={"min_kappa": 0.2})
    with pytest.raises(Aborted):
        update(flywheel, project, human_ratings={})
    with pytest.raises(FailedPrecondition):
        update(flywheel, changed, judge_requirements=None)
    cleared = update(flywheel, changed, judges=[], metric_gates=[], judge_requirements=None)
    assert (list(cleared.judges), cleared.HasField("judge_requirements")) == ([], False)
    update(flywheel, cleared, judges=[doubtful], human_ratings={"candidate_origin": "v2"})


def test_a_judge_that_people_do_not_bear_out_any_more_ends_a_run_before_it_trains(flywheel, peers):
    judge(peers, "scores", "KIND_RUBRIC")
    create_with_judges(flywheel, judges=["scores"], metric_gates=[{"metric": "rubric_score", "min_value": 3}])
    judge(peers, "scores", "KIND_RUBRIC", agreement={"pair_count": 4})
    last = ended(flywheel, begin(flywheel))
    assert (last.state, last.failure.reason) == (Run.STATE_FAILED, "JUDGE_NOT_TRUSTED")
    assert peers.created_resources("DatasetVersion") == []


def test_a_source_with_another_license_than_the_allowed_ones_ends_the_run(flywheel, peers):
    name = f"{PARENT}/sources/mails"
    create_project(flywheel, data_requirements={"licenses": ["CC0-1.0", "MIT"], "languages": ["en"]})
    peers.resources[name] = source_pb2.Source(name=name, license="unknown")
    last = ended(flywheel, begin(flywheel))
    assert (last.state, last.failure.reason) == (Run.STATE_FAILED, "LICENSE_NOT_ALLOWED")
    assert f"{name} has the license 'unknown'; {PARENT} allows CC0-1.0, MIT" in last.failure.message
    peers.resources[name].license = "MIT"
    assert ended(flywheel, begin(flywheel)).state == Run.STATE_SUCCEEDED
    (version,) = peers.created_resources("DatasetVersion")
    assert list(version.curation.languages) == ["en"]


def test_dataset_versions_get_the_steps_of_curation_of_the_project(flywheel, peers):
    steps = [
        {"name": "length", "params": {"min_chars": "1"}},
        {"name": "near_duplicates", "params": {"threshold": "0", "earlier_versions": "exclude"}},
    ]
    create_project(flywheel, curation=steps)
    assert ended(flywheel, begin(flywheel)).state == Run.STATE_SUCCEEDED
    (version,) = peers.created_resources("DatasetVersion")
    assert (version.curation.min_chars, version.curation.near_duplicate_threshold) == (1, 0)
    assert version.curation.HasField("near_duplicate_threshold")
    assert version.curation.earlier_versions == version.curation.EARLIER_VERSIONS_EXCLUDE
    assert not version.curation.HasField("max_replaced_share")


def test_training_gets_the_devices_of_the_project(flywheel, peers):
    cuda = compute_pb2.Compute(accelerator=compute_pb2.Compute.ACCELERATOR_CUDA, devices=2)
    create_project(flywheel, compute={"training": cuda}, training={"workers": 1})
    ended(flywheel, begin(flywheel))
    (training,) = peers.created_resources("TrainingRun")
    assert training.resources == training_run_pb2.Resources(
        accelerator=training_run_pb2.Resources.ACCELERATOR_CUDA, workers=2
    )


def test_every_stage_gets_its_devices_and_number_format(flywheel, peers):
    def half(dtype: str) -> compute_pb2.Compute:
        return compute_pb2.Compute(accelerator="ACCELERATOR_CPU", dtype=f"DTYPE_{dtype}")

    stages = {"evaluation": half("BFLOAT16"), "verification": half("FLOAT16"), "serving": half("BFLOAT16")}
    create_project(flywheel, compute=stages)
    assert ended(flywheel, begin(flywheel)).state == Run.STATE_SUCCEEDED
    (evaluation,), (version,), (rollout,) = (
        peers.created_resources(kind) for kind in ("EvaluationRun", "ModelVersion", "Rollout")
    )
    assert evaluation.compute == stages["evaluation"]
    assert version.verification_compute == stages["verification"]
    assert version.serving_dtypes == [compute_pb2.Compute.DTYPE_BFLOAT16]
    assert rollout.compute == stages["serving"]


@pytest.mark.skipif(has_nvidia_gpu(), reason="there is an NVIDIA GPU here")
@pytest.mark.parametrize("stage", ["evaluation", "verification", "serving"])
def test_a_missing_gpu_is_refused_before_the_run_starts(flywheel, peers, stage):
    cuda = compute_pb2.Compute(accelerator=compute_pb2.Compute.ACCELERATOR_CUDA)
    create_project(flywheel, compute={stage: cuda})
    with pytest.raises(FailedPrecondition, match="no NVIDIA GPU") as refused:
        begin(flywheel)
    assert refused.value.reason == "ACCELERATOR_UNAVAILABLE"
    assert peers.created_resources("DatasetVersion") == []


def test_training_gets_the_number_format_and_the_settings_of_fine_tuning(flywheel, peers):
    half = compute_pb2.Compute(dtype=compute_pb2.Compute.DTYPE_BFLOAT16)
    tuning = project_pb2.Project.TuningDefaults(
        train_on="TRAIN_ON_LAST_ANSWER",
        truncation="TRUNCATION_LEFT",
        max_tokens=256,
        packed=True,
        gradient_accumulation=4,
        gradient_checkpointing=True,
    )
    tuning.new_tokens.append("kubelet")
    assert create_project(flywheel, compute={"training": half}, tuning=tuning).tuning == tuning
    ended(flywheel, begin(flywheel))
    (training,) = peers.created_resources("TrainingRun")
    assert not training.recipe.new_tokens, "a model from scratch learns its own tokenizer"
    recipe = training_run_pb2.Recipe
    expected = recipe(
        dtype=recipe.DTYPE_BFLOAT16,
        train_on=recipe.TRAIN_ON_LAST_ANSWER,
        truncation=recipe.TRUNCATION_LEFT,
        max_tokens=256,
        packed=True,
        gradient_accumulation=4,
        gradient_checkpointing=True,
    )
    for name, value in expected.ListFields():
        assert getattr(training.recipe, name.name) == value
    ended(flywheel, begin(flywheel, "more"))
    assert list(peers.created_resources("TrainingRun")[1].recipe.new_tokens) == ["kubelet"]


def test_a_second_run_continues_production_and_is_held_against_old_and_new(flywheel, peers):
    create_project(flywheel)
    ended(flywheel, begin(flywheel))
    last = ended(flywheel, begin(flywheel, "more"))
    assert last.state == Run.STATE_SUCCEEDED
    first, second = peers.created_resources("Split")
    assert (second.replay.split, second.replay.count) == (first.name, 2000)
    training = peers.created_resources("TrainingRun")[1]
    assert training.recipe.method == training_run_pb2.Recipe.METHOD_CONTINUE
    assert training.base_artifact_digest == peers.created_resources("ModelVersion")[0].artifact_digest
    evaluation = peers.created_resources("EvaluationRun")[1]
    assert [(d.name, d.split) for d in evaluation.domains] == [("new", second.name), ("old", first.name)]
    assert [(r.domain, r.threshold) for r in evaluation.gate] == [("new", 0.0), ("old", -0.08)]
    assert evaluation.reference_digest == training.base_artifact_digest
    assert (
        peers.created_resources("ModelVersion")[1].lineage.parent_version
        == f"{PARENT}/models/mail/versions/v1.0"
    )


def test_a_project_of_adapters_starts_from_its_base_and_goes_on_from_production(flywheel, peers):
    base = "e" * 64
    training = project_pb2.Project.TrainingDefaults(
        method=project_pb2.Project.TrainingDefaults.METHOD_LORA, base_artifact_digest=base, prompt_tokens=64
    )
    split = project_pb2.Project.SplitDefaults(test_share=0.3)
    project = create_project(flywheel, training=training, split=split)
    assert (project.training.method, project.training.base_artifact_digest) == (training.method, base)
    assert (project.split.validation_share, project.split.test_share) == (0.1, 0.3)
    ended(flywheel, begin(flywheel))
    last = ended(flywheel, begin(flywheel, "more"))
    assert last.state == Run.STATE_SUCCEEDED
    first, second = peers.created_resources("TrainingRun")
    assert {run.recipe.method for run in (first, second)} == {training_run_pb2.Recipe.METHOD_LORA}
    assert (first.base_artifact_digest, first.recipe.prompt_tokens) == (base, 64)
    assert second.base_artifact_digest == peers.created_resources("ModelVersion")[0].artifact_digest
    assert peers.created_resources("ModelVersion")[0].changelog.startswith(
        f"First version, trained from the base model {base[:12]}"
    )
    ratios = peers.created_resources("Split")[0].ratios
    assert (ratios.train, ratios.validation, ratios.test) == pytest.approx((0.6, 0.1, 0.3))


SUBJECTS = task_pb2.TaskSpec(
    generate=task_pb2.Generate(form="FORM_TEXT", defaults={"max_tokens": 24, "temperature": 0}, stop=["\n"])
)
STRENGTH = task_pb2.TaskSpec(regress=task_pb2.Regress(min=-4, max=4, tolerance=0.5))


@pytest.mark.parametrize(
    ("task", "training", "mode", "method", "metric"),
    [
        (
            SUBJECTS,
            {"base_artifact_digest": "e" * 64},
            split_pb2.Split.MODE_GROUPED,
            training_run_pb2.Recipe.METHOD_LORA,
            "chrf",
        ),
        (
            SUBJECTS,
            {"method": "METHOD_FULL"},
            split_pb2.Split.MODE_GROUPED,
            training_run_pb2.Recipe.METHOD_FROM_SCRATCH,
            "",
        ),
        (STRENGTH, {}, split_pb2.Split.MODE_QUANTILES, training_run_pb2.Recipe.METHOD_FROM_SCRATCH, "rmse"),
    ],
)
def test_each_stage_gets_the_task_of_the_project(flywheel, peers, task, training, mode, method, metric):
    gates = [{"metric": metric, "max_loss": 0.1}] if metric else []
    spec = project_pb2.Project(
        task=task,
        training=training,
        primary_metric={"name": metric},
        metric_gates=gates,
        instructions="Write.",
    )
    flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=spec))
    first = ended(flywheel, begin(flywheel))
    assert (first.state, first.recipe) == (Run.STATE_SUCCEEDED, "sft")
    assert ended(flywheel, begin(flywheel, "more")).state == Run.STATE_SUCCEEDED
    base = training.get("base_artifact_digest", "")
    (guideline,) = peers.created_resources("Guideline")
    assert (guideline.task, list(guideline.labels)) == (task, [])
    for split in peers.created_resources("Split"):
        assert (split.mode, split.group_attribute) == (mode, "conversation" if task == SUBJECTS else "")
    run, later = peers.created_resources("TrainingRun")
    assert (run.recipe.task, run.recipe.method, run.base_artifact_digest) == (task, method, base)
    continues = training_run_pb2.Recipe.METHOD_LORA if base else training_run_pb2.Recipe.METHOD_CONTINUE
    assert later.recipe.method == continues
    evaluation, second = peers.created_resources("EvaluationRun")
    assert (evaluation.task, evaluation.metric) == (task, metric)
    assert evaluation.base_digest == base
    kinds = evaluation_run_pb2.GateRule
    assert [(rule.kind, rule.threshold) for rule in evaluation.gate] == [(kinds.KIND_NEAR_BASELINE, -0.02)]
    bounds = [(rule.kind, rule.domain, rule.threshold) for rule in second.gate if rule.metric]
    assert bounds == ([(kinds.KIND_NOT_WORSE, "new", -0.1)] if metric else [])


def test_without_a_comparison_with_baselines_the_primary_metric_must_be_measured(flywheel, peers):
    training = {"method": "METHOD_FULL"}
    spec = project_pb2.Project(task=SUBJECTS, training=training, gate={"baseline_margin": 1})
    flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=spec))
    ended(flywheel, begin(flywheel))
    (evaluation,) = peers.created_resources("EvaluationRun")
    (rule,) = evaluation.gate
    kinds = evaluation_run_pb2.GateRule
    assert (rule.kind, rule.metric, rule.threshold) == (kinds.KIND_MIN_VALUE, "rouge_l", 0.0)


def test_the_scores_of_a_version_are_the_measured_metrics_of_its_kind(flywheel, peers):
    spec = project_pb2.Project(task=STRENGTH)
    flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=spec))
    peers.metrics = {"mae": 0.71, "rmse": 0.9, "exact_match": 0.4}
    ended(flywheel, begin(flywheel))
    (version,) = peers.created_resources("ModelVersion")
    assert dict(version.scores) == {"base.mae": 0.71, "base.rmse": 0.9}


def test_a_project_without_the_base_model_that_its_kind_starts_from_ends_its_run_with_a_sentence(
    flywheel, peers
):
    spec = project_pb2.Project(task=SUBJECTS)
    project = flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=spec))
    assert project.training.method == project_pb2.Project.TrainingDefaults.METHOD_UNSPECIFIED
    last = ended(flywheel, begin(flywheel))
    assert (last.state, last.failure.reason) == (Run.STATE_FAILED, "NO_BASE_MODEL")
    assert "set training.method to METHOD_FULL" in last.failure.message
    assert not peers.created_resources("DatasetVersion")


def waits_for_a_person(flywheel: FlywheelServiceStub, run: Run) -> bool:
    current = flywheel.GetPipelineRun(pb.GetPipelineRunRequest(name=run.name))
    return any(stage.id == "approval" and stage.state == "RUNNING" for stage in current.stages)


def test_a_careful_project_waits_for_a_person_and_remembers_who_when_and_why(flywheel, peers):
    create_project(flywheel, require_approval=True)
    run = begin(flywheel)
    until(lambda: waits_for_a_person(flywheel, run))
    assert not peers.created_resources("Rollout")
    with pytest.raises(InvalidArgument):
        flywheel.ApprovePipelineRun(pb.ApprovePipelineRunRequest(name=run.name))
    flywheel.ApprovePipelineRun(pb.ApprovePipelineRunRequest(name=run.name, reason="It reads well."))
    last = ended(flywheel, run)
    assert last.state == Run.STATE_SUCCEEDED
    assert [stage.state for stage in last.stages] == ["SUCCEEDED"] * 8
    approval = last.approval
    assert (approval.approved, approval.decider, approval.reason) == (
        True,
        "projects/-/apiKeys/test",
        "It reads well.",
    )
    assert approval.time.seconds >= last.create_time.seconds
    with pytest.raises(FailedPrecondition):
        flywheel.RejectPipelineRun(pb.RejectPipelineRunRequest(name=run.name, reason="Too late."))


def test_a_rejected_version_is_registered_and_not_rolled_out(flywheel, peers, state):
    create_project(flywheel, require_approval=True)
    run = begin(flywheel)
    until(lambda: waits_for_a_person(flywheel, run))
    viewer = FlywheelServiceStub(state.as_role(Role.VIEWER, "flywheel"))
    rejection = pb.RejectPipelineRunRequest(name=run.name, reason="It is rude.")
    with pytest.raises(PermissionDenied):
        viewer.RejectPipelineRun(rejection)
    flywheel.RejectPipelineRun(rejection)
    last = ended(flywheel, run)
    assert (last.state, last.failure.reason) == (Run.STATE_REFUSED, "REJECTED")
    assert (len(peers.created_resources("ModelVersion")), peers.created_resources("Rollout")) == (1, [])


@pytest.mark.parametrize(
    ("endings", "outcome", "reason"),
    [
        ({"gate": "refuses"}, Run.STATE_REFUSED, "GATE_REFUSED"),
        ({"TrainingRun": "STATE_FAILED"}, Run.STATE_FAILED, "OUT_OF_MEMORY"),
        ({"Rollout": "STATE_ROLLED_BACK"}, Run.STATE_ROLLED_BACK, "ROLLOUT_ROLLED_BACK"),
    ],
)
def test_a_run_ends_as_its_stage_does_and_says_why(flywheel, peers, endings, outcome, reason):
    create_project(flywheel)
    peers.endings.update(endings)
    last = ended(flywheel, begin(flywheel))
    assert (last.state, last.failure.reason) == (outcome, reason)
    if reason == "GATE_REFUSED":
        assert last.failure.message == "macro-F1 +0.11 [0.07, 0.15] on new."
        assert not peers.created_resources("ModelVersion")


def test_cancelling_a_run_cancels_the_resource_in_work(flywheel, peers):
    create_project(flywheel)
    peers.held.add("TrainingRun")
    run = begin(flywheel)
    training = until(lambda: peers.created_resources("TrainingRun"))[0]
    flywheel.CancelPipelineRun(pb.CancelPipelineRunRequest(name=run.name))
    last = ended(flywheel, run)
    assert last.state == Run.STATE_CANCELLED
    assert peers.cancelled == [training.name]
    assert not peers.created_resources("EvaluationRun")
    with pytest.raises(FailedPrecondition) as refused:
        flywheel.CancelPipelineRun(pb.CancelPipelineRunRequest(name=run.name))
    assert refused.value.reason == "PIPELINE_RUN_ENDED"


def test_a_run_that_skips_the_rollout_ends_with_a_version(flywheel, peers):
    create_project(flywheel)
    last = ended(flywheel, begin(flywheel, skip_rollout=True))
    assert (last.state, last.stages[-1].state) == (Run.STATE_SUCCEEDED, "SKIPPED")
    assert not peers.created_resources("Rollout")


def test_without_a_version_there_is_nothing_to_retrain(flywheel, peers):
    create_project(flywheel)
    last = ended(flywheel, begin(flywheel, source=""))
    assert (last.state, last.failure.reason) == (Run.STATE_FAILED, "NOTHING_TO_RETRAIN")


def test_a_restarted_flywheel_goes_on_and_makes_nothing_twice(state, start, peers):
    flywheel = FlywheelServiceStub(state.as_role(Role.ENGINEER, "flywheel"))
    peers.held.add("TrainingRun")
    with start():
        create_project(flywheel)
        run = begin(flywheel)
        until(lambda: peers.created_resources("TrainingRun"))
    peers.held.clear()
    with start():
        assert ended(flywheel, run).state == Run.STATE_SUCCEEDED
    assert [kind for kind, _ in peers.created].count("TrainingRun") == 1
    assert len(peers.created) == len({resource.name for _, resource in peers.created})


def test_requests_are_checked_and_stale_changes_refused(flywheel, peers):
    project = create_project(flywheel)
    with pytest.raises(InvalidArgument) as single:
        one = project_pb2.Project(labels=["ham"])
        flywheel.CreateProject(pb.CreateProjectRequest(project_id="one", project=one))
    assert (single.value.reason, single.value.field) == ("BAD_PROJECT", "labels")
    with pytest.raises(InvalidArgument):
        begin(flywheel, source="../other")
    with pytest.raises(NotFound):
        flywheel.GetPipelineRun(pb.GetPipelineRunRequest(name=f"{PARENT}/pipelineRuns/none"))
    change = project_pb2.Project(name=project.name, etag=project.etag, display_name="Mail triage")
    request = pb.UpdateProjectRequest(project=change, update_mask={"paths": ["display_name"]})
    assert flywheel.UpdateProject(request).display_name == "Mail triage"
    with pytest.raises(Aborted) as stale:
        flywheel.UpdateProject(request)
    assert stale.value.reason == "STALE_ETAG"
