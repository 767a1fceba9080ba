"""Migrations expand before they contract: what takes something away says so, or a version beside it would break."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(ROOT.glob("services/*/migrations/versions/*.py"))
TAKING = {"drop_table", "drop_column", "drop_constraint", "rename_table"}


def calls(tree: ast.AST) -> list[ast.Call]:
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in found if isinstance(call.func, ast.Attribute)]


def faults(source: str) -> list[str]:
    """What in a script's way up a version without it could not live with."""
    module = ast.parse(source)
    ups = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"]
    return [fault for up in ups for call in calls(up) if (fault := fault_of(call))]


def fault_of(call: ast.Call) -> str:
    name = call.func.attr
    given = {keyword.arg for keyword in call.keywords}
    if name in TAKING:
        return name
    if name == "alter_column" and given & {"new_column_name", "nullable", "type_"}:
        return name
    column = (
        next((each for each in call.args if isinstance(each, ast.Call)), None)
        if name == "add_column"
        else None
    )
    if column is None:
        return ""
    told = {keyword.arg: keyword.value for keyword in column.keywords}
    required = isinstance(told.get("nullable"), ast.Constant) and told["nullable"].value is False
    return (
        "add_column that a writer without it cannot fill" if required and "server_default" not in told else ""
    )


def contracts(source: str) -> bool:
    names = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return any(
        target.id == "contracts" for node in names for target in node.targets if isinstance(target, ast.Name)
    )


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parts[-4]}-{path.stem}")
def test_a_migration_only_adds_or_says_that_it_contracts(path):
    source = path.read_text()
    assert contracts(source) or faults(source) == []


@pytest.mark.parametrize(
    "up",
    [
        "op.drop_column('a', 'b')",
        "op.rename_table('a', 'b')",
        "op.alter_column('a', 'b', nullable=False)",
        "op.add_column('a', sa.Column('b', sa.String, nullable=False))",
    ],
)
def test_what_takes_away_is_seen(up):
    assert faults(f"def upgrade():\n    {up}\n")


def test_what_adds_is_let_through():
    column = "op.add_column('a', sa.Column('b', sa.String, nullable=False, server_default=''))"
    assert faults(f"def upgrade():\n    {column}\n    op.create_table('c')\n") == []


def test_no_migration_of_a_release_was_changed():
    """Since the last tag; before the first there is nothing to hold."""
    tag = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    if not tag:
        pytest.skip("there is no release yet")
    command = [
        "git",
        "diff",
        "--name-status",
        "--diff-filter=DMR",
        tag,
        "--",
        "services/*/migrations/versions",
    ]
    changed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert changed == ""
