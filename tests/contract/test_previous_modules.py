"""Modules that processes and pod templates of the last release start by name still run."""

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALIASES = sorted((ROOT / "libs/chassis/src/ratoon/chassis").glob("[a-z]*.py"))


def test_the_modules_that_the_last_release_starts_are_here():
    assert {path.stem for path in ALIASES} == {"host", "job_worker", "secrets", "upkeep", "warm"}


@pytest.mark.parametrize("path", ALIASES, ids=lambda path: path.stem)
def test_an_alias_runs_a_module_that_can_be_started(path):
    targets = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    [target] = [value for value in targets if str(value).startswith("ratoon.") and " " not in str(value)]
    spec = find_spec(target)
    assert spec is not None
    assert spec.origin is not None
    assert '__name__ == "__main__"' in Path(spec.origin).read_text()
