"""Values that engines and platforms of the previous release use, literally."""

import json
from dataclasses import fields

import pytest

from ratoon.engine import contract, manifest
from ratoon.engine.contract import ControlPath
from ratoon.engine.control import Control
from ratoon.engine.settings import SETTINGS_VARIABLE, EngineSettings

REQUIRED = {
    "engine": "projects/p/deployments/d/engines/e",
    "version": "projects/p/models/m/versions/v1.0",
    "artifact_digest": "a" * 64,
    "model": "model",
    "served_names": ["m"],
    "socket": "e.sock",
    "secret": "s",
    "public_key": "key.pub",
}


def test_names_on_the_wire_and_on_disk_are_those_of_the_previous_release():
    assert {path.name: path.value for path in ControlPath} == {
        "READY": "/ratoon/ready",
        "STATUS": "/ratoon/status",
        "CLOSE": "/ratoon/close",
        "OPEN": "/ratoon/open",
        "DRAIN": "/ratoon/drain",
        "RELOAD": "/ratoon/reload",
        "RESET_PREFIX_CACHE": "/ratoon/reset-prefix-cache",
        "LOAD_ADAPTER": "/ratoon/adapters",
        "UNLOAD_ADAPTER": "/ratoon/adapters/unload",
        "INJECT_FAULT": "/ratoon/faults",
    }
    headers = [
        contract.SECRET_HEADER,
        contract.CONTROL_HEADER,
        contract.VERSION_HEADER,
        contract.CLOSED_HEADER,
    ]
    assert headers == [
        "x-ratoon-engine-secret",
        "x-ratoon-control",
        "x-ratoon-version",
        "x-ratoon-engine-closed",
    ]
    assert (contract.ENGINE_FILE, contract.LOG_FILE) == ("engine.json", "log.txt")
    assert (contract.LOG_START, contract.UNTRUSTED_FILES_STATUS) == ("ratoon: an engine starts\n", 3)
    assert SETTINGS_VARIABLE == "RATOON_ENGINE_SETTINGS"


def test_every_control_path_but_the_probe_is_a_route_of_the_control_api():
    settings = EngineSettings(**REQUIRED)
    assert {path for _, path in Control(settings).routes} == set(ControlPath) - {ControlPath.READY}


def test_a_file_of_the_previous_release_without_later_settings_is_read(tmp_path):
    (tmp_path / "engine.json").write_text(json.dumps(REQUIRED))
    read = EngineSettings.read(tmp_path / "engine.json", {})
    assert (read.served_names, read.folder) == (("m",), str(tmp_path))
    optional = {field.name for field in fields(EngineSettings)} - set(REQUIRED)
    assert {"lora", "drain_s", "trees", "starts_closed"} <= optional


@pytest.mark.parametrize("reason", sorted(contract.PERMANENT_REFUSALS))
def test_a_permanent_refusal_is_one_that_an_engine_gives(reason):
    assert reason in {error.reason for error in manifest.AttestationError.__subclasses__()}
