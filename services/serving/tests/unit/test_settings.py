"""Settings of serving that were renamed: their old variables are read for one release."""

import pytest

from ratoon.runtime.settings import old_names
from ratoon_serving.settings import Settings


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 60.0),
        ({"ENGINE_ROOM_S": "5"}, 5.0),
        ({"PLACEMENT_TIMEOUT_S": "7"}, 7.0),
        ({"PLACEMENT_TIMEOUT_S": "7", "ENGINE_ROOM_S": "5"}, 7.0),
    ],
)
def test_the_old_variable_of_the_placement_timeout_is_read(monkeypatch, environment, seconds):
    for name, value in environment.items():
        monkeypatch.setenv(f"RATOON_SERVING_{name}", value)
    assert Settings().placement_timeout_s == seconds


def test_a_renamed_setting_is_named_by_its_field():
    assert Settings(placement_timeout_s=3.0).placement_timeout_s == 3.0


def test_old_names_lead_to_present_ones():
    assert old_names(Settings) == {"engine_room_s": "placement_timeout_s"}
