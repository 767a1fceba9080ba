"""The best trial of a sweep becomes the training settings of a project, with which the next pipeline run trains."""

import pytest

from ratoon.common.v1.task_pb2 import Classify, TaskSpec
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import project_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.process.errors import FailedPrecondition, InvalidArgument, RatoonError
from ratoon.training.v1 import sweep_pb2, training_run_pb2

from .conftest import PARENT, Peers
from .test_pipelines import begin, ended

SWEEP = f"{PARENT}/sweeps/rate"


def sweep(*settings: dict[str, str], best: int) -> sweep_pb2.Sweep:
    trial = sweep_pb2.Sweep.Trial
    trials = [
        trial(number=number, state=trial.STATE_COMPLETED, settings=each)
        for number, each in enumerate(settings, 1)
    ]
    recipe = training_run_pb2.Recipe(labels=["ham", "spam"])
    return sweep_pb2.Sweep(name=SWEEP, recipe=recipe, trials=trials, best_trial=best)


@pytest.fixture
def project(flywheel: FlywheelServiceStub, peers: Peers) -> project_pb2.Project:
    peers.resources[SWEEP] = sweep(
        {"learning_rate": "0.004", "batch_size": "32"}, {"learning_rate": "0.02", "batch_size": "8"}, best=2
    )
    spec = project_pb2.Project(task=TaskSpec(classify=Classify(labels=["ham", "spam"])))
    return flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=spec))


def apply(flywheel: FlywheelServiceStub, **fields: object) -> project_pb2.Project:
    return flywheel.ApplySweep(pb.ApplySweepRequest(name=PARENT, sweep=SWEEP, **fields))


def test_the_next_run_trains_with_the_best_settings(flywheel, peers, project):
    applied = apply(flywheel, etag=project.etag)
    assert (applied.training.learning_rate, applied.training.batch_size) == (0.02, 8)
    assert applied.etag != project.etag
    ended(flywheel, begin(flywheel))
    recipe = peers.created_resources("TrainingRun")[0].recipe
    assert (recipe.learning_rate, recipe.batch_size) == (0.02, 8)
    assert apply(flywheel, trial=1).training.batch_size == 32


def test_a_project_that_was_changed_since_is_not_overwritten(flywheel, project):
    apply(flywheel, trial=1)
    with pytest.raises(RatoonError) as refused:
        apply(flywheel, etag=project.etag)
    assert refused.value.reason == "STALE_ETAG"


def test_what_cannot_be_applied_is_refused(flywheel, peers, project):
    with pytest.raises(FailedPrecondition) as refused:
        apply(flywheel, trial=3)
    assert refused.value.reason == "NO_TRIAL"
    peers.resources[SWEEP] = sweep({"label_smoothing": "0.1"}, best=1)
    with pytest.raises(FailedPrecondition) as refused:
        apply(flywheel)
    assert refused.value.reason == "SETTING_NOT_SUPPORTED"
    with pytest.raises(InvalidArgument):
        flywheel.ApplySweep(pb.ApplySweepRequest(name=PARENT, sweep="projects/other/sweeps/rate"))
