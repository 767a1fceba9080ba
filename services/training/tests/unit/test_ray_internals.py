"""The pinned Ray has what drivers use of it outside its public API; Ray itself is not imported."""

import pytest

from ratoon.testkit.sources import names_in
from ratoon_training.worker.ray_internals import USED


@pytest.mark.parametrize("module", USED)
def test_the_installed_ray_has_every_name_that_drivers_use(module):
    assert set(USED[module]) - names_in(module) == set()
