"""One trace from feedback to the end of the retraining that it caused, over a restart too, as a collector sees it."""

from collections import Counter

import pytest

from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import pipeline_run_pb2, policy_pb2, project_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.registry.v1 import model_pb2, model_version_pb2
from ratoon.runtime import tracing
from ratoon.security.identity import Role
from ratoon.testkit.collector import collecting
from ratoon.testkit.waiting import until

PARENT = "projects/mail"
FEEDBACK = "ratoon.flywheel.v1.FlywheelService/CreateFeedback"
STAGES = ("DatasetVersion", "LabelSet", "Split", "TrainingRun", "EvaluationRun", "ModelVersion", "Rollout")
Run = pipeline_run_pb2.PipelineRun


@pytest.fixture
def collector():
    with collecting() as running:
        yield running


@pytest.fixture
def observed(collector):
    return {"otlp": collector.url}


def create_project(flywheel):
    project = project_pb2.Project(labels=["ham", "spam"], instructions="Ham or spam?")
    flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))


def begin(flywheel):
    run = Run(sources=[f"{PARENT}/sources/mails"])
    return flywheel.CreatePipelineRun(pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run=run))


def ended(flywheel, run):
    *_, last = flywheel.WatchPipelineRun(pb.WatchPipelineRunRequest(name=run.name), timeout=60)
    return last


def served(env):
    """A version that answers."""
    create_project(env.flywheel)
    version = model_version_pb2.ModelVersion(name=env.version, artifact_digest="c" * 64)
    alias = f"{PARENT}/models/mail/aliases/production"
    env.peers.resources[env.version] = version
    env.peers.resources[alias] = model_pb2.Alias(name=alias, version=env.version)


def caller(number):
    """The trace of one caller, as a gateway passes it on."""
    return f"00-{number:032x}-{number:016x}-01"


def test_a_retraining_goes_on_in_the_trace_of_the_newest_feedback_and_links_the_others(env, peers, collector):
    served(env)
    policy = policy_pb2.Policy(min_answers=10_000, min_feedback=20, settle_seconds=1.0)
    env.flywheel.CreatePolicy(pb.CreatePolicyRequest(parent=PARENT, policy_id="default", policy=policy))
    for number, answer_id in enumerate(env.answered([env.text("old") for _ in range(20)]), 1):
        with tracing.within(caller(number)):
            env.send_feedback(answer_id, thumb=-1, correction="spam")
    listed = pb.ListPipelineRunsRequest(parent=PARENT)
    (run,) = until(lambda: list(env.flywheel.ListPipelineRuns(listed).pipeline_runs))
    assert ended(env.flywheel, run).state == Run.STATE_SUCCEEDED
    collector.until(lambda: collector.named("PipelineRun"))
    spans = {span.trace: span for span in collector.named(FEEDBACK)}
    newest = spans.pop(caller(20)[3:35])
    assert newest.parent == caller(20)[36:52]
    (decision,) = collector.named("Policy StartRun")
    assert (decision.parent, decision.service) == (newest.id, "flywheel")
    assert set(decision.links) == {span.id for span in spans.values()}
    followed = collector.under(newest)
    (whole,) = [span for span in followed if span.name == "PipelineRun"]
    assert whole.attributes == {"ratoon.resource": run.name, "ratoon.state": "SUCCEEDED"}
    steps = {span.id for span in followed if span.name == "PipelineRun Create"}
    assert {kind: peers.traces[kind][3:35] for kind in STAGES} == dict.fromkeys(STAGES, newest.trace)
    assert {peers.traces[kind][36:52] for kind in STAGES} <= steps


def test_a_restarted_flywheel_goes_on_in_the_same_trace(state, peers, start, collector):
    flywheel = FlywheelServiceStub(state.as_role(Role.ENGINEER, "flywheel"))
    peers.held.add("TrainingRun")
    with start():
        create_project(flywheel)
        with tracing.within(caller(7)):
            run = begin(flywheel)
        until(lambda: peers.created_resources("TrainingRun"))
    peers.held.clear()
    with start():
        ended(flywheel, run)
        collector.until(lambda: collector.named("PipelineRun"))
    (created,) = collector.named("ratoon.flywheel.v1.FlywheelService/CreatePipelineRun")
    (whole,) = collector.named("PipelineRun")
    assert (whole.trace, whole.parent) == (caller(7)[3:35], created.id)
    assert {peers.traces[kind][3:35] for kind in STAGES} == {created.trace}


def test_looking_at_what_is_under_way_leaves_no_spans(flywheel, peers, collector, monkeypatch):
    monkeypatch.setattr("ratoon_flywheel.application.procedures._WATCHED_S", 0.02)
    peers.held.add("TrainingRun")
    create_project(flywheel)
    with tracing.within(caller(7)):
        run = begin(flywheel)
    watched = flywheel.WatchPipelineRun(pb.WatchPipelineRunRequest(name=run.name), timeout=60)
    next(watched)
    until(lambda: peers.reads["TrainingRun"] >= 3 * len(STAGES))
    peers.held.clear()
    assert list(watched)[-1].state == Run.STATE_SUCCEEDED
    collector.until(lambda: collector.named("PipelineRun"))
    own = [span.name for span in collector.spans if span.trace == caller(7)[3:35]]
    steps = Counter(name for name in own if name.startswith("PipelineRun"))
    assert steps == {"PipelineRun Create": len(STAGES), "PipelineRun": 1, "PipelineRun SUCCEEDED": 1}
