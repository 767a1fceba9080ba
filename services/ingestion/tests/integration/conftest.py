"""What the tests of ingestion share: the warm processes of its jobs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.operations import warm
from ratoon.runtime.settings import ServiceSettings


@pytest.fixture(scope="session", autouse=True)
def warm_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same warm processes for all state directories: each needs seconds of imports."""
    folder = tmp_path_factory.mktemp("warm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServiceSettings, "warm_folder", folder / "ingestion")
        yield folder
    warm.stop(folder)
