"""The package as its users have it: installed from a wheel without the platform, and read by a type checker."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
PACKAGE = ROOT / "libs/client"
SAMPLE = Path(__file__).parent / "sample.py"
UV = ROOT / ".tools/uv/bin/uv"
PYRIGHT = "pyright==1.1.414"
INSTALLED = {
    *("annotated-types", "anyio", "certifi", "h11", "httpcore", "httpx", "idna", "pydantic", "pydantic-core"),
    *("ratoon-client", "sniffio", "typing-extensions", "typing-inspection"),
}
"""The client, httpx and pydantic with what they need."""
SCRIPT = """
import httpx
from ratoon.client import NotFoundError, Ratoon, types

def answer(request):
    if request.url.path.endswith("/none"):
        return httpx.Response(404, json={"status": 404, "detail": "There is none."})
    return httpx.Response(200, json={"name": "projects/p/datasets/d", "revision": "3"})

http = httpx.Client(transport=httpx.MockTransport(answer))
client = Ratoon(base_url="http://server", api_key="key", http_client=http)
assert client.datasets.get("projects/p/datasets/d") == types.Dataset(name="projects/p/datasets/d", revision=3)
try:
    client.datasets.get("projects/p/datasets/none")
except NotFoundError as error:
    print(error)
for name in dir(type(client)):
    if not name.startswith("_"):
        getattr(client, name)
"""


def run(*command: object) -> str:
    """Return the output of a program; the test fails with it if the program does."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment that holds the wheel and its dependencies alone."""
    if not UV.exists():
        pytest.skip("uv is missing; `make env` gets it")
    folder = tmp_path_factory.mktemp("client")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=PACKAGE,
        check=True,
        capture_output=True,
    )
    run(UV, "venv", "--quiet", "--no-project", "--python", sys.executable, folder / "venv")
    python = folder / "venv/bin/python"
    run(UV, "pip", "install", "--quiet", "--python", python, next(folder.glob("*.whl")))
    return python


def test_the_wheel_installs_httpx_and_pydantic_alone(python):
    listed = run(UV, "pip", "list", "--quiet", "--python", python, "--format", "freeze")
    assert {line.partition("==")[0] for line in listed.splitlines()} - {""} <= INSTALLED


def test_the_installed_client_works(python):
    assert run(python, "-c", SCRIPT) == "There is none.\n"


def test_the_installed_client_is_typed(python):
    run(
        python,
        "-c",
        "import ratoon.client as c, pathlib; pathlib.Path(c.__file__).with_name('py.typed').stat()",
    )


def test_mypy_accepts_what_is_right_and_refuses_what_is_wrong(python, tmp_path):
    """Each `type: ignore` of the sample stands for a mistake that must be found."""
    options = ["--strict", "--config-file=", "--python-executable", python, "--cache-dir", tmp_path]
    run(sys.executable, "-m", "mypy", *options, SAMPLE)


def test_pyright_accepts_what_is_right_and_refuses_what_is_wrong(python, tmp_path):
    """Each `pyright: ignore` of the sample stands for a mistake that must be found."""
    if shutil.which("node") is None:
        pytest.skip("node is missing; install Node.js")
    run(UV, "venv", "--quiet", "--no-project", "--python", sys.executable, tmp_path / "venv")
    run(UV, "pip", "install", "--quiet", "--python", tmp_path / "venv/bin/python", PYRIGHT)
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(SAMPLE, project)
    options = {
        "typeCheckingMode": "strict",
        "enableTypeIgnoreComments": False,
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (project / "pyrightconfig.json").write_text(json.dumps(options))
    run(tmp_path / "venv/bin/pyright", "--project", project, "--pythonpath", python)
