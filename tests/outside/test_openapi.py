"""The OpenAPI document as other people's tools read it: validators, and a generator of TypeScript clients."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ratoon.runtime.settings import run_folder, settings_class
from ratoon.testkit.services import State, running

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = Path(__file__).with_name("openapi_sample.ts")
UV = ROOT / ".tools/uv/bin/uv"
VALIDATOR = "openapi-spec-validator==0.9.0"
NODE_PACKAGES = (
    "@redocly/cli@2.77.0",
    "openapi-fetch@0.17.0",
    "openapi-typescript@7.13.0",
    "typescript@5.9.3",
)
STRICT = ("--strict", "--noEmit", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler")
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
pytestmark = pytest.mark.timeout(300)


def run(*command: object, folder: Path) -> str:
    """Return the output of a program; the test fails with it if the program does."""
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=os.environ | QUIET, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(*command: object, folder: Path) -> None:
    """Run an installer; without its packages the test is skipped."""
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{command[0]} cannot install its packages: {done.stderr.strip()[-300:]}")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document that a gateway serves, in a file."""
    folder = tmp_path_factory.mktemp("gateway")
    with State(folder):
        run_folder(folder).mkdir(parents=True, mode=0o700)
        with running([settings_class("gateway")(state=folder, port=0, grpc="off")]) as (gateway,):
            url = f"http://127.0.0.1:{gateway.listeners[-1].port}/openapi.json"
            answer = httpx.get(url, timeout=30).raise_for_status()
    file = tmp_path_factory.mktemp("document") / "openapi.json"
    file.write_bytes(answer.content)
    return file


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the packages of Node."""
    if shutil.which("npm") is None:
        pytest.skip("npm is missing; install Node.js")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text(json.dumps({"private": True}))
    install("npm", "install", "--no-audit", "--no-fund", "--silent", *NODE_PACKAGES, folder=folder)
    return folder


def test_it_follows_the_specification(document, tmp_path):
    if not UV.exists():
        pytest.skip("uv is missing; `make env` gets it")
    install(UV, "venv", "--quiet", "--no-project", "--python", sys.executable, "venv", folder=tmp_path)
    install(UV, "pip", "install", "--quiet", "--python", "venv/bin/python", VALIDATOR, folder=tmp_path)
    assert "OK" in run(tmp_path / "venv/bin/openapi-spec-validator", document, folder=tmp_path)


def test_redocly_finds_nothing_to_correct(document, node):
    result = json.loads(run("npx", "redocly", "lint", "--format", "json", document, folder=node))
    assert result["problems"] == []


def test_a_generated_client_compiles_and_finds_mistakes(document, node):
    run("npx", "openapi-typescript", document, "--output", "api.d.ts", folder=node)
    shutil.copy(SAMPLE, node)
    run("npx", "tsc", *STRICT, "--lib", "es2022,dom", SAMPLE.name, folder=node)
