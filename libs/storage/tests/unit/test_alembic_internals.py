"""The pinned Alembic has what migrations use of it outside its public API."""

import pytest

from ratoon.storage.alembic_internals import USED
from ratoon.testkit.sources import names_in


@pytest.mark.parametrize("module", USED)
def test_the_installed_alembic_has_every_name_that_migrations_use(module):
    assert set(USED[module]) - names_in(module) == set()
