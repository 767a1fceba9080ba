"""The page of cases of the field names tests that exist, and tests that name their case."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guides" / "training-cases.md"
ROWS = [line.split("|")[1:-1] for line in PAGE.read_text().splitlines() if "::test_" in line]
NAMED = [(cells[0].strip(), test) for cells in ROWS for test in re.findall(r"`([^`]+::test_\w+)`", cells[2])]


@cache
def sources_of(path: Path) -> dict[str, str]:
    """Return the source of each test of a file by its name."""
    text = path.read_text()
    tests = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    return {node.name: ast.get_source_segment(text, node) or "" for node in tests}


@pytest.mark.parametrize(("case", "test"), NAMED)
def test_a_case_has_its_test(case, test):
    path, name = test.split("::")
    source = sources_of(ROOT / path)[name]
    if re.fullmatch(r"T\d\d", case):
        assert case.lower() in source.lower()


def test_the_page_has_rows():
    assert len({case for case, _ in NAMED}) > 40
