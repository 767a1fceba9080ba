"""The script that `helm test` runs in a pod, here against real services."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ratoon.operations import warm
from ratoon.runtime.settings import run_folder
from ratoon.testkit.services import State, running
from ratoon_flywheel.settings import Settings as FlywheelSettings
from ratoon_gateway.settings import Settings as GatewaySettings
from ratoon_ingestion.settings import Settings as IngestionSettings

SCRIPT = Path(__file__).parents[2] / "charts/ratoon/files/test_release.py"


@pytest.fixture
def url(tmp_path):
    """The gateway of three services, whose first start created the operator's key."""
    state = State(tmp_path / "state")
    run_folder(state.folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    ingestion = IngestionSettings(state=state.folder, processes=1)
    gateway = GatewaySettings(state=state.folder, port=0, grpc="off")
    with running([ingestion, FlywheelSettings(state=state.folder), gateway]) as apps:
        yield f"http://127.0.0.1:{apps[-1].listeners[-1].port}"
    warm.stop(ingestion.warm_folder)


def run(url, key):
    variables = {"RATOON_URL": url, "OPERATOR_KEY": str(key)}
    command = [sys.executable, str(SCRIPT)]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=200)


def test_a_release_that_works_passes_again_and_again(url, tmp_path):
    for _ in range(2):
        done = run(url, tmp_path / "state/keys/operator.key")
        assert done.returncode == 0, done.stderr
        assert "models: 0" in done.stdout
        assert "records: 12" in done.stdout


def test_a_release_that_does_not_answer_fails(tmp_path):
    (tmp_path / "key").write_text("rtn_no_key")
    assert run("http://127.0.0.1:9", tmp_path / "key").returncode == 1
