"""The shape that every room shares, and what its README says of it."""

import ast
import importlib
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor

from ratoon.chassis import readme
from ratoon.chassis.services import service_names
from ratoon.chassis.settings import settings_class
from ratoon.common.v1 import options_pb2

ROOT = Path(__file__).parents[2]
HEADINGS = ["## Purpose", "## RPCs", "## Topics", "## Settings"]

each_room = pytest.mark.parametrize("room", service_names())
domain_files = sorted(ROOT.glob("services/*/src/ratoon_*/domain/**/*.py"))


def home(room: str) -> Path:
    return ROOT / "services" / room


def descriptor(room: str, file: str) -> FileDescriptor | None:
    try:
        return importlib.import_module(f"ratoon.{room}.v1.{room}_{file}_pb2").DESCRIPTOR
    except ModuleNotFoundError:
        return None


@each_room
@pytest.mark.parametrize(
    "part", ["__main__.py", "settings.py", "bootstrap.py", "domain", "application", "entrypoints"]
)
def test_every_room_has_the_same_parts(room, part):
    assert (home(room) / f"src/ratoon_{room}" / part).exists()


@each_room
def test_the_readme_has_the_four_headings_on_one_screen(room):
    lines = (home(room) / "README.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("## ")] == HEADINGS


@each_room
def test_the_readme_names_every_rpc_and_every_topic(room):
    text = (home(room) / "README.md").read_text()
    service, events = descriptor(room, "service"), descriptor(room, "events")
    rpcs = (
        [method.name for each in service.services_by_name.values() for method in each.methods]
        if service
        else []
    )
    messages = events.message_types_by_name.values() if events else []
    topics = [topic for message in messages if (topic := message.GetOptions().Extensions[options_pb2.topic])]
    assert [name for name in [*rpcs, *topics] if f"`{name}`" not in text] == []


@each_room
def test_the_readmes_settings_are_the_rooms(room):
    text = (home(room) / "README.md").read_text()
    settings = settings_class(room)
    assert readme.updated(text, settings) == text, "run: python -m ratoon.chassis.readme services/*/README.md"


def test_the_settings_of_the_job_worker_are_those_in_the_chassis_readme():
    path = ROOT / "libs/chassis/README.md"
    assert readme.updated(path.read_text(), readme.settings_beside(path)) == path.read_text()


@pytest.mark.parametrize("path", domain_files, ids=lambda path: str(path.relative_to(ROOT / "services")))
def test_the_domain_imports_the_standard_library_the_rules_of_tasks_and_jobs_and_itself_alone(path):
    package = path.relative_to(ROOT).parts[3]
    assert [name for name in imported(path) if not is_pure(name, package)] == []


@pytest.mark.parametrize("path", domain_files, ids=lambda path: str(path.relative_to(ROOT / "services")))
def test_the_domain_does_not_look_at_the_world(path):
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
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
    return found


def is_pure(name: str, package: str) -> bool:
    if name.partition(".")[0] in sys.stdlib_module_names:
        return True
    return f"{name}.".startswith((f"{package}.domain.", "ratoon.operations.job_machine.", "ratoon.tasks."))
