"""Versions are compared by the project's metric on answers whose right answer users gave or confirmed."""

from dataclasses import replace

import pytest

from ratoon.common.v1 import metric_pb2, task_pb2
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import project_pb2
from ratoon.registry.v1 import model_version_pb2

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
