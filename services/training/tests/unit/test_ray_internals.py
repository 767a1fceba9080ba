"""The pinned Ray has what the trainer overrides; Ray itself is not imported."""

import pytest

from ratoon.testkit.sources import names_in
from ratoon_training.worker.ray_internals import USED


@pytest.mark.parametrize("module", USED)
def test_the_installed_ray_has_every_name_that_the_trainer_overrides(module):
    assert set(USED[module]) - names_in(module) == set()
