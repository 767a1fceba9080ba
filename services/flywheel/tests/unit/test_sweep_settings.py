"""Settings of a trial as those of a project: by their names, all or none, with the etag that was read."""

import pytest

from ratoon.flywheel.v1 import project_pb2
from ratoon_flywheel.application.ports import TrialSettings
from ratoon_flywheel.domain.errors import SettingNotSupported
from ratoon_flywheel.sweep_settings import update_of

PROJECT = project_pb2.Project(
    name="projects/mail",
    etag="read",
    training=project_pb2.Project.TrainingDefaults(seed=7, learning_rate=0.1),
    tuning=project_pb2.Project.TuningDefaults(max_tokens=64),
)


def test_settings_go_where_the_project_has_them():
    settings = {
        "learning_rate": "0.003",
        "batch_size": "8",
        "architecture.layers": "2",
        "max_tokens": "128",
        "packed": "true",
    }
    request = update_of(PROJECT, TrialSettings(settings), "")
    training, tuning = request.project.training, request.project.tuning
    assert (training.learning_rate, training.batch_size, training.seed) == (0.003, 8, 7)
    assert (tuning.max_tokens, tuning.packed) == (128, True)
    assert request.project.etag == "read"
    paths = set(request.update_mask.paths)
    assert {"training.learning_rate", "training.batch_size", "tuning.max_tokens", "tuning.packed"} <= paths
    assert len(paths) == len(settings)


def test_the_rate_of_preferences_is_a_setting_of_its_own():
    settings = {"learning_rate": "0.00005", "beta": "0.2", "preference_loss": "IPO", "train_part": "half"}
    request = update_of(PROJECT, TrialSettings(settings, "DPO"), "mine")
    tuning = request.project.tuning
    assert (tuning.preference_learning_rate, tuning.beta) == (0.00005, 0.2)
    assert tuning.preference_loss == tuning.PREFERENCE_LOSS_IPO
    assert request.project.training.learning_rate == 0.1
    assert request.project.etag == "mine"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"learning_rate": "0.1", "label_smoothing": "0.1"}, "label_smoothing"),
        ({"grpo.group_size": "4"}, "grpo.group_size"),
        ({"train_part": "half"}, "no setting"),
    ],
)
def test_what_a_project_does_not_have_is_refused(settings, named):
    with pytest.raises(SettingNotSupported, match=named):
        update_of(PROJECT, TrialSettings(settings), "")
