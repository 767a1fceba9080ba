"""Every table of the kinds of task is complete, and each kind stands in a module of its name."""

import importlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from ratoon.common.v1.task_pb2 import TaskSpec
from ratoon.tasks.kind import Kind
from ratoon.tasks.kinds import KINDS, SPECS

ROOT = Path(__file__).parents[2]
TABLES = sorted(ROOT.glob("services/*/src/**/kinds/table.py"))


def service(path: Path) -> str:
    return path.relative_to(ROOT / "services").parts[0]


def table(path: Path) -> Mapping[Kind, object]:
    module = ".".join(path.relative_to(ROOT / "services" / service(path) / "src").with_suffix("").parts)
    return importlib.import_module(module).KINDS


each_table = pytest.mark.parametrize("path", TABLES, ids=service)


def test_the_kinds_of_the_library_are_those_of_the_contract():
    (oneof,) = TaskSpec.DESCRIPTOR.oneofs
    assert {field.name for field in oneof.fields} == set(Kind) == set(KINDS) == set(SPECS)


def test_each_kind_is_a_module_of_its_name():
    for kind, module in KINDS.items():
        assert module.__name__ == f"ratoon.tasks.{kind}"
        assert SPECS[kind].__module__ == module.__name__


@each_table
def test_a_table_names_every_kind(path):
    assert set(table(path)) == set(Kind)


@each_table
def test_a_supported_kind_is_a_module_of_its_name_and_others_have_no_module(path):
    supported = {kind: module for kind, module in table(path).items() if module is not None}
    assert {module.__name__.rpartition(".")[2] for module in supported.values()} == set(supported)
    beside = {each.stem for each in path.parent.glob("*.py")} - {"__init__", path.stem}
    assert beside == set(supported)


@each_table
def test_the_documentation_says_which_kinds_a_service_supports(path):
    supported = {kind for kind, module in table(path).items() if module is not None}
    (row,) = [
        line
        for line in (ROOT / "docs/adding-a-task.md").read_text().splitlines()
        if line.startswith(f"| `{service(path)}` |")
    ]
    assert {kind for kind in Kind if f"`{kind}`" in row} == supported
