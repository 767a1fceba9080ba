"""An installation for one test, and one that serves for all tests that need that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .served import Served
from .stack import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A new installation that is not started yet; processes that a failed test leaves are killed."""
    stack = Stack(tmp_path / "state")
    try:
        yield stack
    finally:
        stack.census.kill_all()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An installation with two tiny versions, of which one serves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RATOON_GATEWAY_SILENCE_S", "8")
        patch.setenv("RATOON_SERVING_ENGINE_HANG_S", "20")
        folder = tmp_path_factory.mktemp("served")
        stack = Stack(folder / "state")
        try:
            stack.up()
            served = Served(stack)
            served.set_up(folder)
            yield served
            stack.down()
        finally:
            stack.census.kill_all()
