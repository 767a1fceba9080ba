"""Projects and policies are changed and deleted by their owners, over real sockets."""

import pytest

from ratoon.chassis.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from ratoon.chassis.identity import Role
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import pipeline_run_pb2, policy_pb2, project_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.registry.v1 import model_pb2, model_version_pb2
from ratoon.serving.v1 import deployment_pb2
from ratoon.testkit.waiting import until

PARENT = "projects/mail"
POLICY = f"{PARENT}/policies/default"


@pytest.fixture(autouse=True)
def project(world):
    asked = project_pb2.Project(labels=["ham", "spam", "news"], instructions="Which?")
    world.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=asked))


@pytest.fixture
def operator(world):
    return FlywheelServiceStub(world.state.as_role(Role.OPERATOR, "flywheel"))


def update(world, *paths, allow=False, **fields):
    wanted = project_pb2.Project(name=PARENT, **fields)
    request = pb.UpdateProjectRequest(project=wanted, allow_label_removal=allow)
    request.update_mask.paths.extend(paths)
    return world.flywheel.UpdateProject(request)


def policy(world, **settings):
    wanted = policy_pb2.Policy(**settings)
    return world.flywheel.CreatePolicy(
        pb.CreatePolicyRequest(parent=PARENT, policy_id="default", policy=wanted)
    )


def decision(world):
    return world.flywheel.GetPolicy(pb.GetPolicyRequest(name=POLICY)).last_decision


def served(world):
    alias = f"{PARENT}/models/mail/aliases/production"
    world.rooms.resources[world.version] = model_version_pb2.ModelVersion(name=world.version)
    world.rooms.resources[alias] = model_pb2.Alias(name=alias, version=world.version)


def test_what_is_given_changes_and_nothing_else(world):
    changed = update(world, labels=["ham", "spam", "news", "offers"])
    assert changed.instructions == "Which?"
    assert list(changed.notices) == [
        "New: 'offers'. Existing versions never answer with it; a pipeline run trains on it once records carry it."
    ]
    assert not world.flywheel.GetProject(pb.GetProjectRequest(name=PARENT)).notices
    assert update(world, display_name="Mail").labels == changed.labels


def test_a_label_that_production_answers_with_stays_unless_its_removal_is_wanted(world):
    served(world)
    with pytest.raises(
        FailedPrecondition, match=r"v1\.0 is in production and answers with 'news'"
    ) as refused:
        update(world, labels=["ham", "spam"])
    assert refused.value.reason == "LABEL_SERVED"
    changed = update(world, labels=["ham", "spam"], allow=True)
    assert list(changed.labels) == ["ham", "spam"]
    assert changed.notices[0].startswith("Removed: 'news'.")


def test_answers_and_votes_follow_a_new_spelling_of_a_label(world):
    """A correction in the new spelling confirms an answer that was kept in the old one."""
    world.rooms.resources[world.version] = model_version_pb2.ModelVersion(name=world.version)
    early, late = world.answered(["one", "two"], "ham")
    world.say(early, correction="ham")
    assert not update(world, labels=["HAM", "spam", "news"]).notices
    world.say(late, correction="ham")
    asked = pb.CompareVersionsRequest(parent=PARENT, version=world.version, other_version=world.version)
    found = world.flywheel.CompareVersions(asked).version
    assert (found.positive_count, found.negative_count) == (2, 0)


def test_equal_labels_cannot_make_or_change_a_project(world):
    with pytest.raises(InvalidArgument, match="same label"):
        update(world, labels=["ham", "Ham"])
    wanted = project_pb2.Project(labels=["Réclamation", "Re\u0301clamation"])
    with pytest.raises(InvalidArgument, match="same label"):
        world.flywheel.CreateProject(pb.CreateProjectRequest(project_id="p2", project=wanted))


def test_a_dry_run_is_ended_by_a_change_and_a_second_create_is_refused(world):
    policy(world, dry_run=True)
    with pytest.raises(AlreadyExists, match="differs in drift_threshold"):
        policy(world, drift_threshold=9.0)
    with pytest.raises(AlreadyExists, match="differs in dry_run"):
        policy(world, dry_run=False)
    request = pb.UpdatePolicyRequest(policy=policy_pb2.Policy(name=POLICY))
    request.update_mask.paths.append("dry_run")
    assert not world.flywheel.UpdatePolicy(request).dry_run


def test_feedback_on_an_old_answer_wakes_an_idle_project(world):
    policy(world, min_answers=1000)
    (answer_id,) = world.answered([world.text("old")], seconds_ago=600)
    until(lambda: "0 of 0 judged answers were wrong" in decision(world))
    world.say(answer_id, thumb=-1)
    until(lambda: "1 of 1 judged answers were wrong" in decision(world), seconds=15.0)
    until(lambda: world.rooms.quality, seconds=15.0)


def test_a_policy_is_deleted_unless_a_run_of_it_is_under_way(world):
    policy(world)
    with pytest.raises(Aborted):
        world.flywheel.DeletePolicy(pb.DeletePolicyRequest(name=POLICY, etag="stale"))
    world.flywheel.DeletePolicy(pb.DeletePolicyRequest(name=POLICY))
    with pytest.raises(NotFound):
        world.flywheel.GetPolicy(pb.GetPolicyRequest(name=POLICY))
    with pytest.raises(NotFound):
        world.flywheel.DeletePolicy(pb.DeletePolicyRequest(name=POLICY))
    assert policy(world).name == POLICY


def test_a_project_in_use_is_not_deleted_and_who_uses_it_is_said(world, operator):
    world.rooms.held.add("DatasetVersion")
    source = f"{PARENT}/sources/s"
    asked = pipeline_run_pb2.PipelineRun(sources=[source])
    run = world.flywheel.CreatePipelineRun(pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run=asked))
    with pytest.raises(FailedPrecondition, match=f"{run.name} is under way") as refused:
        operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT))
    assert refused.value.reason == "IN_USE"
    deployment = f"{PARENT}/deployments/mail"
    world.rooms.resources[deployment] = deployment_pb2.Deployment(name=deployment, version="v1.0", replicas=1)
    with pytest.raises(FailedPrecondition, match=f"is served by {deployment}"):
        operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT))


def test_a_deleted_project_leaves_no_traffic_behind(world, operator):
    policy(world)
    (answer_id,) = world.answered(["a text"])
    world.say(answer_id, thumb=1)
    (segment,) = world.flywheel.ListTrafficSegments(
        pb.ListTrafficSegmentsRequest(parent=PARENT)
    ).traffic_segments
    operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT))
    assert not world.rooms.artifacts.exists(segment.digest)
    with pytest.raises(NotFound, match=f"{PARENT} does not exist"):
        world.flywheel.GetProject(pb.GetProjectRequest(name=PARENT))
    assert not world.flywheel.ListProjects(pb.ListProjectsRequest()).projects
    for method, request in (
        ("ListFeedback", pb.ListFeedbackRequest(parent=PARENT)),
        ("ListTrafficSegments", pb.ListTrafficSegmentsRequest(parent=PARENT)),
        ("ListPolicies", pb.ListPoliciesRequest(parent=PARENT)),
    ):
        assert not getattr(world.flywheel, method)(request).ListFields()


def begun(world, *sources):
    asked = pipeline_run_pb2.PipelineRun(sources=sources)
    return world.flywheel.CreatePipelineRun(pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run=asked))


def ended(world, run):
    world.flywheel.CancelPipelineRun(pb.CancelPipelineRunRequest(name=run.name))
    *_, last = world.flywheel.WatchPipelineRun(pb.WatchPipelineRunRequest(name=run.name), timeout=20)
    assert last.state == pipeline_run_pb2.PipelineRun.STATE_CANCELLED
    return run


def test_a_pipeline_run_that_has_ended_is_deleted_and_a_retry_may_allow_that(world):
    world.rooms.held.add("DatasetVersion")
    run = begun(world, f"{PARENT}/sources/s")
    with pytest.raises(FailedPrecondition, match=f"{run.name} is under way") as refused:
        world.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=run.name))
    assert refused.value.reason == "IN_USE"
    ended(world, run)
    world.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=run.name))
    with pytest.raises(NotFound):
        world.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=run.name))
    world.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=run.name, allow_missing=True))
    assert not world.flywheel.ListPipelineRuns(pb.ListPipelineRunsRequest(parent=PARENT)).pipeline_runs


def test_a_run_that_a_policy_decides_by_is_not_deleted(world):
    world.rooms.held.add("Source")
    policy(world, paused=True)
    imported, retraining = ended(world, begun(world, f"{PARENT}/sources/s")), ended(world, begun(world))
    with pytest.raises(FailedPrecondition, match=f"{POLICY} decides by {retraining.name}"):
        world.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=retraining.name))
    world.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=imported.name))
    world.flywheel.DeletePolicy(pb.DeletePolicyRequest(name=POLICY))
    world.flywheel.DeletePipelineRun(pb.DeletePipelineRunRequest(name=retraining.name))


def test_a_deleted_project_takes_its_idle_deployments_with_it(world, operator):
    deployment = f"{PARENT}/deployments/mail"
    world.rooms.resources[deployment] = deployment_pb2.Deployment(name=deployment, replicas=1)
    with pytest.raises(Aborted):
        operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT, etag="stale"))
    assert deployment in world.rooms.resources
    operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT))
    assert deployment not in world.rooms.resources


def test_a_deleted_project_leaves_no_pipeline_runs(world, operator):
    world.rooms.held.add("DatasetVersion")
    run = ended(world, begun(world, f"{PARENT}/sources/s"))
    operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT))
    with pytest.raises(NotFound):
        world.flywheel.GetPipelineRun(pb.GetPipelineRunRequest(name=run.name))
