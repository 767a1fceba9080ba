"""Versions are compared by the project's metric on answers whose right answer users gave or confirmed."""

from dataclasses import replace

import pytest

from ratoon.common.v1 import metric_pb2, task_pb2
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import project_pb2
from ratoon.registry.v1 import model_pb2, model_version_pb2
from ratoon.testkit.waiting import until

PARENT = "projects/mail"
TASKS = {
    "generate": task_pb2.TaskSpec(generate=task_pb2.Generate()),
    "regress": task_pb2.TaskSpec(regress=task_pb2.Regress(min=0, max=10)),
    "classify": task_pb2.TaskSpec(classify=task_pb2.Classify(labels=["ham", "spam"])),
}
OTHER = f"{PARENT}/models/mail/versions/v1.1"


@pytest.fixture
def compared(env):
    def compare(kind, answers, corrections):
        """Compare v1.1 with v1.0: what each answers to 25 callers, and what is right for every third of them."""
        project = project_pb2.Project(task=TASKS[kind])
        env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))
        users = [f"user {number}" for number in range(25)]
        for version, answer in zip((env.version, OTHER), answers, strict=True):
            env.peers.resources[version] = model_version_pb2.ModelVersion(name=version)
            texts = [f"mail {number} of {version}" for number in range(25)]
            ids = replace(env, version=version).answered(texts, answer, users=users)
            for number, answer_id in enumerate(ids):
                env.send_feedback(answer_id, **({"thumb": 1} if number % 3 else {"correction": corrections}))
        request = pb.CompareVersionsRequest(parent=PARENT, version=OTHER, other_version=env.version)
        return env.flywheel.CompareVersions(request)

    return compare


def test_texts_by_rouge_l(compared):
    result = compared("generate", ("a subject", "budget of may"), "budget of june").by_metric
    assert (result.metric.name, result.metric.direction) == ("rouge_l", metric_pb2.Metric.DIRECTION_HIGHER)
    assert (result.version.answer_count, result.version.caller_count) == (25, 25)
    assert result.version.value == pytest.approx((16 + 9 * 2 / 3) / 25)
    assert result.other_version.value == pytest.approx(16 / 25)
    assert result.gain == pytest.approx(result.version.value - result.other_version.value)
    assert result.gain_low < result.gain < result.gain_high


def test_numbers_by_their_mean_absolute_error(compared):
    result = compared("regress", ("2", "6"), "7").by_metric
    assert result.version.value == pytest.approx(9 * 1 / 25)
    assert result.other_version.value == pytest.approx(9 * 5 / 25)
    assert result.gain == pytest.approx(9 * 4 / 25), "a lower error is a gain"
    assert result.conclusive


def test_labels_have_no_metric_of_one_answer(compared):
    result = compared("classify", ("ham", "spam"), "spam")
    assert not result.HasField("by_metric")
    assert result.version.caller_count == 25


def looked_at(env, name):
    """Begin to watch a run, which reads its stage at once."""
    return next(env.flywheel.WatchPipelineRun(pb.WatchPipelineRunRequest(name=name), timeout=60))


@pytest.mark.parametrize(
    ("answer", "sources", "outcome"),
    [
        ("1", [], "ROLLED_BACK"),
        ("7", [], "SUCCEEDED"),
        ("1", [f"{PARENT}/sources/more"], "SUCCEEDED"),
    ],
    ids=["worse", "better", "another-domain"],
)
def test_a_retraining_that_users_correct_more_than_production_is_rolled_back(env, answer, sources, outcome):
    project = project_pb2.Project(task=TASKS["regress"])
    env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))
    alias = f"{PARENT}/models/mail/aliases/production"
    env.peers.resources[env.version] = model_version_pb2.ModelVersion(
        name=env.version, artifact_digest="c" * 64
    )
    env.peers.resources[alias] = model_pb2.Alias(name=alias, version=env.version)
    env.send_feedback(env.answered(["a mail"], "3")[0], correction="4")
    env.peers.metrics = {"mae": 1.5}
    env.peers.held.add("Rollout")
    request = pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run={"sources": sources})
    run = env.flywheel.CreatePipelineRun(request)
    watched = env.flywheel.WatchPipelineRun(pb.WatchPipelineRunRequest(name=run.name), timeout=60)
    (rollout,) = until(lambda: env.peers.created_resources("Rollout"))
    texts, users = ([f"{noun} {number}" for number in range(25)] for noun in ("mail", "user"))
    answers = replace(env, version=rollout.to_version).answered(texts, answer, users=users)
    for number, answer_id in enumerate(answers):
        env.send_feedback(answer_id, correction="7" if number % 2 else "8")
    if outcome == "SUCCEEDED":
        reads = env.peers.reads["Rollout"]
        until(lambda: looked_at(env, run.name) and env.peers.reads["Rollout"] > reads + 1)
        env.peers.held.clear()
    *_, last = watched
    assert last.state == last.State.Value(f"STATE_{outcome}")
    if outcome == "ROLLED_BACK":
        assert env.peers.cancelled == [rollout.name]
        assert "By the corrections of 25 callers, MAE is 6.5" in last.failure.message
        assert f"worse than 1.5 of {env.version} on the new domain" in last.failure.message
