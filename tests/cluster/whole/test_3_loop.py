"""The loop inside the cluster: mails to a version that serves, feedback, a second version, by itself."""

from pathlib import Path

import pytest

from ...chaos import loop
from ..platform import Platform
from ..summary import Summary

DATA = Path(__file__).parents[3] / ".data" / "spam-assassin"
pytestmark = pytest.mark.timeout(1800)


def test_the_loop_turns_by_itself(
    platform: Platform, summary: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not DATA.exists():
        pytest.skip("the mails are not here; run: make data")
    monkeypatch.setattr(loop, "PROJECT", "triage")
    turned = loop.Loop(platform.client, loop.slice_of(DATA), tmp_path / "ledger.jsonl")
    with summary.step("the loop, v1.0 and v1.1") as step:
        try:
            turned.run()
        except loop.GaveUp as gave_up:
            raise AssertionError(f"{gave_up} At {turned.stage}.\n{platform.complaints()}") from None
        step.sent = len(turned.mails.arriving)
    versions = list(platform.client.list("projects/triage/models/triage/versions"))
    assert {each["name"].rsplit("/", 1)[-1] for each in versions} == {"v1.0", "v1.1"}
