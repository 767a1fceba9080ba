"""The pinned Ray has what jobs use of it outside its public API; Ray itself is not imported."""

import pytest

from ratoon.operations.ray.internals import USED
from ratoon.testkit.sources import names_in


@pytest.mark.parametrize("module", USED)
def test_the_installed_ray_has_every_name_that_jobs_use(module):
    assert set(USED[module]) - names_in(module) == set()
