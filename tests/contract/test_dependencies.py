"""A package declares the packages of Ratoon that it imports, and no others."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = sorted(
    path.parent
    for pattern in ("libs/*/pyproject.toml", "services/*/pyproject.toml", "examples/pyproject.toml")
    for path in ROOT.glob(pattern)
)


def declared(project: Path) -> set[str]:
    table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    extras = table.get("optional-dependencies", {}).values()
    names = [*table["dependencies"], *(name for extra in extras for name in extra)]
    return {re.split(r"[\[<>=]", name)[0] for name in names if name.startswith("ratoon-")}


def imported(project: Path) -> set[str]:
    packages = set()
    for path in project.glob("src/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ratoon."):
                parts = str(node.module).split(".")
                packages.add("contracts" if parts[2:3] == ["v1"] else parts[1])
    return {f"ratoon-{name}" for name in packages - {project.name}}


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: str(project.relative_to(ROOT)))
def test_declared_packages_are_those_imported(project):
    if project.name in {"chassis", "contracts"}:  # aliases by string; generated code
        return
    assert declared(project) == imported(project)
