"""Migrations expand before they contract: a contraction is declared, or the previous version would break."""

import ast
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(ROOT.glob("services/*/migrations/versions/*.py"))
TAKING = {"drop_table", "drop_column", "drop_constraint", "rename_table"}


def calls(tree: ast.AST) -> list[ast.Call]:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in nodes if isinstance(call.func, ast.Attribute)]


def faults(source: str) -> list[str]:
    """Return the steps of a script's upgrade that break the version without it."""
    module = ast.parse(source)
    ups = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"]
    return [fault for up in ups for call in calls(up) if (fault := fault_of(call))]


def fault_of(call: ast.Call) -> str:
    name = call.func.attr
    keywords = {keyword.arg for keyword in call.keywords}
    if name in TAKING:
        return name
    if name == "alter_column" and keywords & {"new_column_name", "nullable", "type_"}:
        return name
    column = (
        next((each for each in call.args if isinstance(each, ast.Call)), None)
        if name == "add_column"
        else None
    )
    if column is None:
        return ""
    options = {keyword.arg: keyword.value for keyword in column.keywords}
    required = isinstance(options.get("nullable"), ast.Constant) and options["nullable"].value is False
    return (
        "add_column that a writer without it cannot fill"
        if required and "server_default" not in options
        else ""
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
def test_a_contraction_is_detected(up):
    assert faults(f"def upgrade():\n    {up}\n")


def test_what_adds_is_let_through():
    column = "op.add_column('a', sa.Column('b', sa.String, nullable=False, server_default=''))"
    assert faults(f"def upgrade():\n    {column}\n    op.create_table('c')\n") == []


@pytest.fixture(scope="module")
def migrations() -> ModuleType:
    spec = importlib.util.spec_from_file_location("migrations", ROOT / "scripts/migrations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FIRST = """\"\"\"First tables.\"\"\"

from alembic import op
from ratoon.store.tables import create_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    \"\"\"Create them.\"\"\"
    create_v1(op, "things")
"""
TABLES = """LENGTH = 80


def create_v1(op, name: str) -> None:
    _create(op, name)


def _create(op, name):
    op.create_table(name, LENGTH)


def create_v2(op, name):
    create_v1(op, name)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Tree with one service, its two migrations, and the library that they call."""
    for name, text in [
        ("services/one/migrations/versions/0001_first.py", FIRST),
        ("services/one/migrations/versions/0002_more.py", 'revision = "0002"\ndown_revision = "0001"\n'),
        ("libs/store/src/ratoon/store/tables.py", TABLES),
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def versions(tree: Path) -> Path:
    return tree / "services/one/migrations/versions"


def test_every_migration_of_the_last_release_exists_unchanged(migrations):
    released = json.loads(migrations.RECORD.read_text())
    assert all(then["heads"] and then["scripts"] for then in released.values())
    migrations.check()


def test_the_record_names_the_heads(migrations, tree):
    assert migrations.histories(tree)["one"]["heads"] == ["0002"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("services/one/migrations/versions/0001_first.py", '"things"', '"others"'),
        (
            "services/one/migrations/versions/0001_first.py",
            "import create_v1",
            "import create_v2 as create_v1",
        ),
        ("services/one/migrations/versions/0002_more.py", 'down_revision = "0001"', "down_revision = None"),
        ("libs/store/src/ratoon/store/tables.py", "_create(op, name)\n", "_create(op, name + 's')\n"),
        ("libs/store/src/ratoon/store/tables.py", "op.create_table(name, ", "op.create_table(name, 1, "),
        ("libs/store/src/ratoon/store/tables.py", "LENGTH = 80", "LENGTH = 90"),
    ],
)
def test_an_edited_migration_is_refused(migrations, tree, file, old, new):
    released = migrations.histories(tree)
    replace(tree / file, old, new)
    assert any("was edited" in each for each in migrations.breaks(migrations.histories(tree), released))


def test_a_removed_migration_is_refused(migrations, tree):
    released = migrations.histories(tree)
    (versions(tree) / "0002_more.py").unlink()
    breaks = migrations.breaks(migrations.histories(tree), released)
    assert breaks == ["one: the released migration 0002 was removed."]


def test_a_removed_service_is_refused(migrations, tree):
    assert len(migrations.breaks({}, migrations.histories(tree))) == 2


def test_an_added_migration_passes(migrations, tree):
    released = migrations.histories(tree)
    (versions(tree) / "0003_new.py").write_text('revision = "0003"\ndown_revision = "0002"\n')
    assert migrations.breaks(migrations.histories(tree), released) == []


def test_an_added_migration_that_does_not_follow_the_released_ones_is_refused(migrations, tree):
    released = migrations.histories(tree)
    (versions(tree) / "0003_new.py").write_text('revision = "0003"\ndown_revision = "0001"\n')
    (message,) = migrations.breaks(migrations.histories(tree), released)
    assert "heads 0002, 0003" in message


def test_words_and_places_may_change(migrations, tree):
    released = migrations.histories(tree)
    first, tables = versions(tree) / "0001_first.py", tree / "libs/store/src/ratoon/store/tables.py"
    replace(first, "Create them.", "Create the tables.")
    replace(first, "store.tables", "store")
    replace(tables, "name: str", "name: 'Name'")
    tables.with_name("__init__.py").write_text("from ratoon.store.schema import create_v1\n")
    tables.rename(tables.with_name("schema.py"))
    first.rename(first.with_name("0001_tables.py"))
    assert migrations.breaks(migrations.histories(tree), released) == []


def test_a_function_that_exists_nowhere_is_named(migrations, tree):
    replace(versions(tree) / "0001_first.py", "import create_v1", "import create_v3")
    with pytest.raises(migrations.MigrationError, match="create_v3"):
        migrations.histories(tree)


def test_a_release_records_what_the_check_then_finds_unchanged(migrations, tree, monkeypatch):
    record = tree / "services/released_migrations.json"
    monkeypatch.setattr(migrations, "ROOT", tree)
    monkeypatch.setattr(migrations, "RECORD", record)
    monkeypatch.setattr("sys.argv", ["migrations.py", "release"])
    assert migrations.main() == 1
    record.write_text("{}")
    assert migrations.main() == 0
    assert json.loads(record.read_text()) == migrations.histories(tree)
    replace(versions(tree) / "0001_first.py", '"things"', '"others"')
    assert migrations.main() == 1
