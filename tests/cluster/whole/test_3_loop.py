"""The loop inside the cluster: mails to a version that serves, feedback, and automatically a second version."""

import re
from pathlib import Path

import pytest

from ...chaos import loop
from ..platform import Platform
from ..summary import Summary

DATA = Path(__file__).parents[3] / ".data" / "spam-assassin"
pytestmark = pytest.mark.timeout(1800)


def test_the_loop_runs_automatically(
    platform: Platform, summary: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not DATA.exists():
        pytest.skip("the mails are not here; run: make data")
    monkeypatch.setattr(loop, "PROJECT", "triage")
    running = loop.Loop(platform.client, loop.slice_of(DATA), tmp_path / "ledger.jsonl")
    with summary.step("the loop, v1.0 and v1.1") as step:
        try:
            running.run()
        except loop.GaveUp as gave_up:
            raise AssertionError(f"{gave_up} At {running.stage}.\n{platform.problems()}") from None
        step.sent = len(running.mails.arriving)
    versions = platform.client.model_versions.list("projects/triage/models/triage")
    assert {each.name.rsplit("/", 1)[-1] for each in versions} == {"v1.0", "v1.1"}


def test_gc_sees_what_all_services_need(platform: Platform, summary: Summary) -> None:
    where, job = ("--namespace", platform.release.namespace), "job/gc-now"
    kubectl = platform.release.plane.kubectl
    with summary.step("garbage collection, started manually"):
        kubectl("create", *job.split("/"), "--from=cronjob/ratoon-gc", *where)
        kubectl("wait", job, "--for=condition=complete", "--timeout=240s", *where)
        log = kubectl("logs", job, *where)
        kubectl("delete", job, *where)
    assert re.search(r"0 of [1-9]\d* items were collected", log), log
