"""The walkthroughs, as their pages tell to run them: real Ray, real vLLM, all services."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratoon.client import Ratoon, types
from ratoon.local.installation import Installation
from scripts import zoo

ROOT = Path(__file__).parents[2]
LANGUAGES = "projects/languages"
pytestmark = [pytest.mark.engine, pytest.mark.ray, pytest.mark.thorough, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def run(installation: Installation) -> Callable[[str], str]:
    """Run a walkthrough; return what it prints."""
    try:
        zoo.install("languages", zoo.EXAMPLES["languages"])
    except zoo.ZooError as error:
        pytest.skip(f"the sentences are not here: {error}")

    def run(script: str) -> str:
        done = subprocess.run(
            [sys.executable, ROOT / "examples/walkthrough" / script],
            env={**os.environ, "RATOON_STATE": str(installation.state)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


@pytest.fixture(scope="module")
def loop(run: Callable[[str], str]) -> str:
    return run("loop.py")


@pytest.fixture
def client(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ratoon]:
    monkeypatch.setenv("RATOON_STATE", str(installation.state))
    with Ratoon() as client:
        yield client


def test_the_loop_ends_with_a_version_that_feedback_trained(loop, client):
    assert "600 records, 0 rejected" in loop
    assert "languages/versions/v1.0 serves" in loop
    assert int(re.search(r"(\d+) of 120 right", loop)[1]) > 60
    retraining = next(iter(client.pipeline_runs.list(LANGUAGES)))
    assert retraining.state in (types.PipelineRunState.SUCCEEDED, types.PipelineRunState.REFUSED), loop
    assert len(list(client.feedback.list(LANGUAGES))) >= 120


@pytest.mark.usefixtures("loop")
def test_calls_of_the_model_are_answered_and_wrong_ones_refused(run):
    printed = run("calling.py")
    reasons = ["MODEL_NOT_FOUND", "INVALID_TYPE", "ROLE_TOO_LOW", "RATE_LIMIT_EXCEEDED", "BAD_API_KEY"]
    assert [reason for reason in reasons if f"{reason} –" not in printed] == [], printed
    assert printed.count("(by languages@v1.") == 2


@pytest.mark.usefixtures("loop")
def test_an_erased_record_is_gone(run, client):
    printed = run("data.py")
    assert "2 of 4 items become records" in printed
    assert "600 → 378 records" in printed
    assert "UNWANTED_LANGUAGE" in printed
    assert "languages/versions/v1.0 was trained with it" in printed
    (erasure,) = client.erasures.list(LANGUAGES)
    assert erasure.state is types.ErasureState.SUCCEEDED
