"""Projects and policies are changed and deleted by their owners, over real sockets."""

from contextlib import suppress

import pytest

from ratoon.common.v1 import compute_pb2, metric_pb2, task_pb2
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import pipeline_run_pb2, policy_pb2, project_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.process.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from ratoon.registry.v1 import model_pb2, model_version_pb2
from ratoon.security.identity import Role
from ratoon.serving.v1 import deployment_pb2
from ratoon.testkit.waiting import until

PARENT = "projects/mail"
POLICY = f"{PARENT}/policies/default"


@pytest.fixture(autouse=True)
def project(env):
    spec = project_pb2.Project(labels=["ham", "spam", "news"], instructions="Which?")
    env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=spec))


@pytest.fixture
def operator(env):
    return FlywheelServiceStub(env.state.as_role(Role.OPERATOR, "flywheel"))


def update(env, *paths, allow=False, **fields):
    project = project_pb2.Project(name=PARENT, **fields)
    request = pb.UpdateProjectRequest(project=project, allow_label_removal=allow)
    request.update_mask.paths.extend(paths)
    return env.flywheel.UpdateProject(request)


def policy(env, **settings):
    spec = policy_pb2.Policy(**settings)
    return env.flywheel.CreatePolicy(pb.CreatePolicyRequest(parent=PARENT, policy_id="default", policy=spec))


def decision(env):
    return env.flywheel.GetPolicy(pb.GetPolicyRequest(name=POLICY)).last_decision


def served(env):
    alias = f"{PARENT}/models/mail/aliases/production"
    env.peers.resources[env.version] = model_version_pb2.ModelVersion(
        name=env.version, artifact_digest="c" * 64
    )
    env.peers.resources[alias] = model_pb2.Alias(name=alias, version=env.version)


def test_only_the_given_fields_change(env):
    changed = update(env, labels=["ham", "spam", "news", "offers"])
    assert changed.instructions == "Which?"
    assert list(changed.notices) == [
        "New: 'offers'. Existing versions never answer with it; a pipeline run trains on it once records carry it."
    ]
    assert not env.flywheel.GetProject(pb.GetProjectRequest(name=PARENT)).notices
    assert update(env, display_name="Mail").labels == changed.labels


def test_a_label_that_production_answers_with_stays_unless_its_removal_is_allowed(env):
    served(env)
    with pytest.raises(
        FailedPrecondition, match=r"v1\.0 is in production and answers with 'news'"
    ) as refused:
        update(env, labels=["ham", "spam"])
    assert refused.value.reason == "LABEL_SERVED"
    changed = update(env, labels=["ham", "spam"], allow=True)
    assert list(changed.labels) == ["ham", "spam"]
    assert changed.notices[0].startswith("Removed: 'news'.")


def test_answers_and_votes_follow_a_new_spelling_of_a_label(env):
    """A correction in the new spelling confirms an answer that was kept in the old one."""
    env.peers.resources[env.version] = model_version_pb2.ModelVersion(
        name=env.version, artifact_digest="c" * 64
    )
    early, late = env.answered(["one", "two"], "ham")
    env.send_feedback(early, correction="ham")
    assert not update(env, labels=["HAM", "spam", "news"]).notices
    env.send_feedback(late, correction="ham")
    request = pb.CompareVersionsRequest(parent=PARENT, version=env.version, other_version=env.version)
    arm = env.flywheel.CompareVersions(request).version
    assert (arm.positive_count, arm.negative_count) == (2, 0)


def test_the_task_and_the_labels_of_a_project_are_the_same(env):
    project = env.flywheel.GetProject(pb.GetProjectRequest(name=PARENT))
    assert list(project.task.classify.labels) == list(project.labels) == ["ham", "spam", "news"]
    assert project.primary_metric.name == "macro_f1"
    assert project.primary_metric.direction == metric_pb2.Metric.DIRECTION_HIGHER
    unchanged = env.flywheel.UpdateProject(pb.UpdateProjectRequest(project=project))
    assert (unchanged.revision, unchanged.etag) == (project.revision, project.etag)
    project.task.classify.labels.append("offers")
    changed = env.flywheel.UpdateProject(pb.UpdateProjectRequest(project=project))
    assert list(changed.task.classify.labels) == list(changed.labels) == ["ham", "spam", "news", "offers"]
    assert changed.notices[0].startswith("New: 'offers'.")
    changed.labels.append("bills")
    assert (
        "bills" in env.flywheel.UpdateProject(pb.UpdateProjectRequest(project=changed)).task.classify.labels
    )


def test_settings_are_changed_one_by_one_and_read_back(env):
    budget = project_pb2.Project.Budget(max_runs=5, max_cost=20, currency="EUR")
    gate = project_pb2.Project.MetricGate(metric="recall", min_value=0.8)
    update(env, budget=budget, metrics=["auc"], metric_gates=[gate])
    compute = project_pb2.Project.StageCompute(training=compute_pb2.Compute(accelerator="ACCELERATOR_CUDA"))
    changed = update(
        env, compute=compute, data_requirements={"languages": ["en"]}, retraining_recipes=["sft"]
    )
    assert (changed.budget, list(changed.metrics), changed.metric_gates[0]) == (budget, ["auc"], gate)
    assert changed.compute.training.accelerator == compute_pb2.Compute.ACCELERATOR_CUDA
    assert list(changed.data_requirements.languages) == ["en"]
    assert update(env, "budget.max_runs", budget={}).budget.max_cost == 20


def test_a_project_of_another_kind_keeps_it(env):
    task = task_pb2.TaskSpec(regress=task_pb2.Regress(unit="points", min=0, max=5, tolerance=0.5))
    spec = project_pb2.Project(task=task)
    score = env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="score", project=spec))
    assert (score.task, score.primary_metric.name, list(score.labels)) == (task, "mae", [])
    env.flywheel.CreatePolicy(pb.CreatePolicyRequest(parent=score.name, policy_id="default"))
    with pytest.raises(InvalidArgument, match="kind of a task cannot change") as refused:
        update(env, task=task)
    assert refused.value.field == "task"
    with pytest.raises(InvalidArgument, match="names no kind"):
        update(env, task=task_pb2.TaskSpec())


def test_a_running_project_may_have_several_labels_a_record(env):
    several = task_pb2.TaskSpec(classify=task_pb2.Classify(labels=["a", "b"], multi_label=True))
    notices = update(env, task=several).notices
    assert any(notice.startswith("A record may have several labels now") for notice in notices)
    run = pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run={"sources": [f"{PARENT}/sources/s"]})
    assert env.flywheel.CreatePipelineRun(run).name
    policy(env)


def test_the_unit_of_the_version_in_production_changes_only_if_that_is_allowed(env):
    spec = project_pb2.Project(task=task_pb2.TaskSpec(regress=task_pb2.Regress(unit="USD")))
    env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="price", project=spec))
    name = "projects/price"
    version = f"{name}/models/price/versions/v1.0"
    env.peers.resources[version] = model_version_pb2.ModelVersion(name=version, artifact_digest="c" * 64)
    alias = f"{name}/models/price/aliases/production"
    env.peers.resources[alias] = model_pb2.Alias(name=alias, version=version)
    euros = project_pb2.Project(name=name, task=task_pb2.TaskSpec(regress=task_pb2.Regress(unit="EUR")))
    with pytest.raises(FailedPrecondition, match="answers in 'USD'"):
        env.flywheel.UpdateProject(pb.UpdateProjectRequest(project=euros))
    allowed = pb.UpdateProjectRequest(project=euros, allow_label_removal=True)
    assert "existing numbers are not converted" in env.flywheel.UpdateProject(allowed).notices[0]


def test_a_recipe_of_another_kind_of_task_is_refused(env):
    run = pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run={"recipe": "dpo"})
    with pytest.raises(InvalidArgument, match="'dpo' is not one of the recipes sft") as refused:
        env.flywheel.CreatePipelineRun(run)
    assert (refused.value.reason, refused.value.field) == ("BAD_RECIPE", "pipeline_run.recipe")


def test_a_setting_that_runs_do_not_apply_refuses_them_by_name(env):
    update(env, budget={"max_energy_kwh": 5})
    run = pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run={"sources": [f"{PARENT}/sources/s"]})
    with pytest.raises(FailedPrecondition, match=r"budget\.max_energy_kwh") as refused:
        env.flywheel.CreatePipelineRun(run)
    assert refused.value.reason == "SETTING_NOT_SUPPORTED"


def test_no_run_starts_while_the_budget_of_the_project_is_spent(env):
    env.peers.held.add("DatasetVersion")
    update(env, budget={"max_runs": 1})
    ended(env, begun(env, f"{PARENT}/sources/s"))
    with pytest.raises(FailedPrecondition, match="budget of 1 runs in 30 days is spent") as refused:
        begun(env, f"{PARENT}/sources/s")
    assert refused.value.reason == "BUDGET_SPENT"
    update(env, budget={"max_runs": 2})
    ended(env, begun(env, f"{PARENT}/sources/s"))


def test_equal_labels_cannot_make_or_change_a_project(env):
    with pytest.raises(InvalidArgument, match="same label"):
        update(env, labels=["ham", "Ham"])
    spec = project_pb2.Project(labels=["Réclamation", "Re\u0301clamation"])
    with pytest.raises(InvalidArgument, match="same label"):
        env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="p2", project=spec))


def test_a_dry_run_is_ended_by_a_change_and_a_second_create_is_refused(env):
    policy(env, dry_run=True)
    with pytest.raises(AlreadyExists, match="differs in drift_threshold"):
        policy(env, drift_threshold=9.0)
    with pytest.raises(AlreadyExists, match="differs in dry_run"):
        policy(env, dry_run=False)
    request = pb.UpdatePolicyRequest(policy=policy_pb2.Policy(name=POLICY))
    request.update_mask.paths.append("dry_run")
    assert not env.flywheel.UpdatePolicy(request).dry_run


def test_feedback_on_an_old_answer_wakes_an_idle_project(env):
    policy(env, min_answers=1000)
    (answer_id,) = env.answered([env.text("old")], seconds_ago=600)
    until(lambda: "0 of 0 answers with feedback were wrong" in decision(env))
    env.send_feedback(answer_id, thumb=-1)
    until(lambda: "1 of 1 answers with feedback were wrong" in decision(env), seconds=15.0)
    until(lambda: env.peers.quality, seconds=15.0)


def test_a_policy_is_deleted_unless_a_run_of_it_is_under_way(env):
    policy(env)
    with pytest.raises(Aborted):
        env.flywheel.DeletePolicy(pb.DeletePolicyRequest(name=POLICY, etag="stale"))
    env.flywheel.DeletePolicy(pb.DeletePolicyRequest(name=POLICY))
    with pytest.raises(NotFound):
        env.flywheel.GetPolicy(pb.GetPolicyRequest(name=POLICY))
    with pytest.raises(NotFound):
        env.flywheel.DeletePolicy(pb.DeletePolicyRequest(name=POLICY))
    assert policy(env).name == POLICY


def test_a_project_in_use_is_not_deleted_and_the_error_names_its_user(env, operator):
    env.peers.held.add("DatasetVersion")
    source = f"{PARENT}/sources/s"
    spec = pipeline_run_pb2.PipelineRun(sources=[source])
    run = env.flywheel.CreatePipelineRun(pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run=spec))
    with pytest.raises(FailedPrecondition, match=f"{run.name} is under way") as refused:
        operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT))
    assert refused.value.reason == "IN_USE"
    deployment = f"{PARENT}/deployments/mail"
    env.peers.resources[deployment] = deployment_pb2.Deployment(name=deployment, version="v1.0", replicas=1)
    with pytest.raises(FailedPrecondition, match=f"is served by {deployment}"):
        operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT))


def test_a_deleted_project_leaves_no_traffic_behind(env, operator):
    policy(env)
    (answer_id,) = env.answered(["a text"])
    env.send_feedback(answer_id, thumb=1)
    (segment,) = env.flywheel.ListTrafficSegments(
        pb.ListTrafficSegmentsRequest(parent=PARENT)
    ).traffic_segments
    operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT))
    assert not env.peers.artifacts.exists(segment.digest)
    with pytest.raises(NotFound, match=f"{PARENT} does not exist"):
        env.flywheel.GetProject(pb.GetProjectRequest(name=PARENT))
    assert not env.flywheel.ListProjects(pb.ListProjectsRequest()).projects
    for method, request in (
        ("ListFeedback", pb.ListFeedbackRequest(parent=PARENT)),
        ("ListTrafficSegments", pb.ListTrafficSegmentsRequest(parent=PARENT)),
        ("ListPolicies", pb.ListPoliciesRequest(parent=PARENT)),
    ):
        assert not getattr(env.flywheel, method)(request).ListFields()


def begun(env, *sources):
    spec = pipeline_run_pb2.PipelineRun(sources=sources)
    return env.flywheel.CreatePipelineRun(pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run=spec))


def ended(env, run):
    """Cancel a run; a retraining without a version in production may fail before."""
    with suppress(FailedPrecondition):
        env.flywheel.CancelPipelineRun(pb.CancelPipelineRunRequest(name=run.name))
    *_, last = env.flywheel.WatchPipelineRun(pb.WatchPipelineRunRequest(name=run.name), timeout=20)
    states = pipeline_run_pb2.PipelineRun
    assert last.state in (states.STATE_CANCELLED, states.STATE_FAILED)
    return run


def test_a_pipeline_run_that_has_ended_is_deleted_and_a_retry_may_allow_that(env):
    env.peers.held.add("DatasetVersion")
    run = begun(env, f"{PARENT}/sources/s")
    with pytest.raises(FailedPrecondition, match=f"{run.name} is under way") as refused:
        env.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=run.name))
    assert refused.value.reason == "IN_USE"
    ended(env, run)
    env.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=run.name))
    with pytest.raises(NotFound):
        env.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=run.name))
    env.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=run.name, allow_missing=True))
    assert not env.flywheel.ListPipelineRuns(pb.ListPipelineRunsRequest(parent=PARENT)).pipeline_runs


def test_a_run_that_a_policy_decides_by_is_not_deleted(env):
    env.peers.held.add("Source")
    policy(env, paused=True)
    imported, retraining = ended(env, begun(env, f"{PARENT}/sources/s")), ended(env, begun(env))
    with pytest.raises(FailedPrecondition, match=f"{POLICY} decides by {retraining.name}"):
        env.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=retraining.name))
    env.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=imported.name))
    env.flywheel.DeletePolicy(pb.DeletePolicyRequest(name=POLICY))
    env.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=retraining.name))


def test_a_deleted_project_takes_its_idle_deployments_with_it(env, operator):
    deployment = f"{PARENT}/deployments/mail"
    env.peers.resources[deployment] = deployment_pb2.Deployment(name=deployment, replicas=1)
    with pytest.raises(Aborted):
        operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT, etag="stale"))
    assert deployment in env.peers.resources
    operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT))
    assert deployment not in env.peers.resources


def test_a_deleted_project_leaves_no_pipeline_runs(env, operator):
    env.peers.held.add("DatasetVersion")
    run = ended(env, begun(env, f"{PARENT}/sources/s"))
    operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT))
    with pytest.raises(NotFound):
        env.flywheel.GetPipelineRun(pb.GetPipelineRunRequest(name=run.name))
