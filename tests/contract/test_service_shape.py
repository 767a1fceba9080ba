"""The structure that every service shares, and its README."""

import ast
import importlib
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor

from ratoon.common.v1 import options_pb2
from ratoon.runtime.services import service_names
from ratoon.runtime.settings import settings_class
from ratoon.service import readme

ROOT = Path(__file__).parents[2]
HEADINGS = ["## Purpose", "## RPCs", "## Topics", "## Settings"]

each_service = pytest.mark.parametrize("service", service_names())
domain_files = sorted(ROOT.glob("services/*/src/ratoon_*/domain/**/*.py"))


def home(service: str) -> Path:
    return ROOT / "services" / service


def descriptor(service: str, file: str) -> FileDescriptor | None:
    try:
        return importlib.import_module(f"ratoon.{service}.v1.{service}_{file}_pb2").DESCRIPTOR
    except ModuleNotFoundError:
        return None


@each_service
@pytest.mark.parametrize(
    "part", ["__main__.py", "settings.py", "bootstrap.py", "domain", "application", "entrypoints"]
)
def test_every_service_has_the_same_parts(service, part):
    assert (home(service) / f"src/ratoon_{service}" / part).exists()


@each_service
def test_the_readme_has_the_four_headings_on_one_screen(service):
    lines = (home(service) / "README.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("## ")] == HEADINGS


@each_service
def test_the_readme_names_every_rpc_and_every_topic(service):
    text = (home(service) / "README.md").read_text()
    rpc_file, event_file = descriptor(service, "service"), descriptor(service, "events")
    rpcs = (
        [method.name for each in rpc_file.services_by_name.values() for method in each.methods]
        if rpc_file
        else []
    )
    messages = event_file.message_types_by_name.values() if event_file else []
    topics = [topic for message in messages if (topic := message.GetOptions().Extensions[options_pb2.topic])]
    assert [name for name in [*rpcs, *topics] if f"`{name}`" not in text] == []


@each_service
def test_the_readmes_settings_are_the_services(service):
    text = (home(service) / "README.md").read_text()
    settings = settings_class(service)
    assert readme.updated(text, settings) == text, "run: python -m ratoon.service.readme services/*/README.md"


def test_the_settings_of_the_job_worker_are_those_in_the_service_readme():
    path = ROOT / "libs/service/README.md"
    assert readme.updated(path.read_text(), readme.settings_beside(path)) == path.read_text()


@pytest.mark.parametrize("path", domain_files, ids=lambda path: str(path.relative_to(ROOT / "services")))
def test_the_domain_imports_the_standard_library_the_rules_of_tasks_and_jobs_and_itself_alone(path):
    package = path.relative_to(ROOT).parts[3]
    assert [name for name in imported(path) if not is_pure(name, package)] == []


@pytest.mark.parametrize("path", domain_files, ids=lambda path: str(path.relative_to(ROOT / "services")))
def test_the_domain_does_no_io(path):
    """Values come in as arguments: no files, clocks, sockets or environment of its own."""
    assert not imported(path) & {
        "os",
        "pathlib",
        "shutil",
        "socket",
        "subprocess",
        "sqlite3",
        "tempfile",
        "time",
        "urllib.request",
    }


def imported(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.add(node.module or "")
    return modules


def is_pure(name: str, package: str) -> bool:
    if name.partition(".")[0] in sys.stdlib_module_names:
        return True
    return f"{name}.".startswith((f"{package}.domain.", "ratoon.operations.job_machine.", "ratoon.tasks."))
