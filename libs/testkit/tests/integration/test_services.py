"""Services that run in a test, and what they leave when they end."""

from pathlib import Path

import pytest

from ratoon.testkit.services import State, running
from ratoon_labeling.settings import Settings


def test_a_service_that_ends_closes_its_channels_to_others(tmp_path: Path) -> None:
    with State(tmp_path), running([Settings(state=tmp_path)]) as apps:
        channels = apps[0].channels
    assert channels
    for channel in channels:
        with pytest.raises(ValueError, match="closed channel"):
            channel.unary_unary("/ratoon.ingestion.v1.IngestionService/GetSource")(b"")
