"""Commands of pod templates that were written for the previous release."""

import os
import subprocess
import sys

import pytest

from ratoon.engine.contract import UNTRUSTED_FILES_STATUS
from ratoon.engine.settings import SETTINGS_VARIABLE, EngineSettings
from ratoon.testkit.ports import free_ports


@pytest.mark.parametrize(
    ("module", "status", "message"),
    [
        ("ratoon_serving.engine.fetch", UNTRUSTED_FILES_STATUS, "without a signature is not loaded"),
        ("ratoon_serving.engine.drain", 0, ""),
        ("ratoon_serving.engine", 1, "ratoon.engine.manifest.SignatureInvalid"),
    ],
)
def test_a_command_of_the_previous_release_runs_the_engine_of_this_one(tmp_path, module, status, message):
    file = tmp_path / "engine.json"
    names = "engines/e", "versions/v", "0" * 64, "0" * 64, ("m",)
    EngineSettings(*names, socket="", secret="s", public_key="key.pub", port=free_ports()[0]).write(file)
    environment = os.environ | {SETTINGS_VARIABLE: str(file)}
    done = subprocess.run(
        [sys.executable, "-m", module], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == status, done.stderr
    assert message in done.stderr
