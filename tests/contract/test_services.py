"""Services register themselves by entry points, and libraries know no service by its name."""

import ast
import configparser
import tomllib
from pathlib import Path

import pytest

from ratoon.runtime.secret_files import secret_files
from ratoon.runtime.services import load, load_optional, module_of, service_names
from ratoon.security.identity import ISSUER_FOR_OTHERS

ROOT = Path(__file__).parents[2]
REQUIRED = ("services", "settings", "resources", "migrations")
OPTIONAL = ("topics", "secrets", "retentions", "gc_roots")
LIBRARIES = (
    "process",
    "security",
    "runtime",
    "storage",
    "operations",
    "kubernetes",
    "service",
    "events",
    "tasks",
)
each_service = pytest.mark.parametrize("service", service_names())


def test_every_service_is_registered():
    directories = {path.parents[1].name for path in ROOT.glob("services/*/migrations/versions")}
    assert set(service_names()) == directories


@each_service
def test_what_a_service_registers_can_be_loaded(service):
    assert all(load(f"ratoon.{group}", service) is not None for group in REQUIRED)
    for group in OPTIONAL:
        load_optional(f"ratoon.{group}", service)


@each_service
@pytest.mark.parametrize(
    ("group", "file"),
    [
        ("workers", "worker/__main__.py"),
        ("retentions", "adapters/retention.py"),
        ("gc_roots", "adapters/gc_roots.py"),
        ("secrets", "secrets.py"),
    ],
)
def test_what_a_service_has_is_registered(service, group, file):
    exists = (ROOT / f"services/{service}/src/ratoon_{service}" / file).exists()
    assert bool(module_of(f"ratoon.{group}", service)) == exists


def test_rules_of_imports_and_types_cover_every_service():
    packages = {f"ratoon_{name}" for name in service_names()}
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    lists = {
        f"{section} {option}": set(value.split())
        for section in rules.sections()
        for option, value in rules.items(section)
    }
    missing = {name: packages - items for name, items in lists.items() if len(packages & items) > 2}
    assert len(missing) > 5
    assert {name: packages for name, packages in missing.items() if packages} == {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    sources = {f"$MYPY_CONFIG_FILE_DIR/services/{name}/src" for name in service_names()}
    assert sources <= set(project["tool"]["mypy"]["mypy_path"])


@each_service
def test_public_halves_follow_from_new_secrets(service):
    for file in secret_files(service):
        assert bool(file.public_name) == (file.public_half(content := file.create()) != content)


def test_an_unknown_service_is_named():
    with pytest.raises(LookupError, match="unheard"):
        load("ratoon.settings", "unheard")


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_names_no_service(library):
    names = {*service_names(), *(f"ratoon_{name}" for name in service_names())}
    names -= {ISSUER_FOR_OTHERS}  # the one service that may speak for callers, by the rules of tokens
    mentions = [
        (str(path.relative_to(ROOT)), node.lineno, node.value)
        for path in sorted((ROOT / "libs" / library).glob("src/**/*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert mentions == []
