"""Rules of every Containerfile, and the start programs of the bundled servers."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

IMAGES = Path(__file__).resolve().parents[2] / "charts" / "images"
FILES = sorted(IMAGES.glob("*/Containerfile"))


def instructions(path: Path) -> list[tuple[str, str]]:
    """(instruction, rest), continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", path.read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def start_program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"start_{name}", IMAGES / name / "start.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_an_image_runs_as_an_unnamed_user_and_needs_no_shell(path: Path) -> None:
    steps = instructions(path)
    assert [rest for name, rest in steps if name == "USER"] == ["10001:10001"]
    last = {name: rest for name, rest in steps if name in {"CMD", "ENTRYPOINT"}}
    assert last and all(rest.startswith("[") for rest in last.values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_an_image_is_labelled_and_its_base_is_an_argument(path: Path) -> None:
    steps = instructions(path)
    labels = " ".join(rest for name, rest in steps if name == "LABEL")
    assert {"title", "description", "version"} <= set(re.findall(r"image\.(\w+)=", labels))
    stages = {rest.rpartition(" AS ")[0] or rest for name, rest in steps if name == "FROM"}
    assert stages in ({"${BASE}"}, {"scratch"})


def test_nothing_is_installed_but_by_a_lock_or_by_debian() -> None:
    steps = [rest for path in FILES for name, rest in instructions(path) if name == "RUN"]
    commands = [command for step in steps for command in step.split("&&")]
    installing = [command for command in commands if re.search(r"\bpip (install|sync)\b", command)]
    assert installing
    assert [command for command in installing if "--require-hashes" not in command] == []


def test_a_role_is_created_once_and_its_password_follows_its_file(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "ratoon_registry").write_text("it's\n")
    script = start_program("postgresql").statements(tmp_path)
    assert "ALTER ROLE \"ratoon_registry\" PASSWORD 'it''s';" in script
    assert script.count("\\gexec") == 2
    assert '"..data"' not in script


def test_kafkas_log_folder_is_read_from_its_configuration(tmp_path: Path) -> None:
    path = tmp_path / "server.properties"
    path.write_text("node.id=1\nlog.dirs = /var/lib/kafka/log\n")
    assert start_program("kafka").setting(str(path), "log.dirs") == "/var/lib/kafka/log"
