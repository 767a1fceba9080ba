"""An installation for one test, and one that serves for all tests that need that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .house import House
from .served import Served


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A new installation that is not up yet; whatever a failed test leaves of it is ended."""
    made = House(tmp_path / "state")
    try:
        yield made
    finally:
        made.census.sweep()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An installation with two tiny versions, of which one serves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RATOON_GATEWAY_SILENCE_S", "8")
        folder = tmp_path_factory.mktemp("served")
        house = House(folder / "state")
        try:
            house.up()
            made = Served(house)
            made.make(folder)
            yield made
            house.down()
        finally:
            house.census.sweep()
