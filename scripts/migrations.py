"""Record of the released migrations: `python scripts/migrations.py {check,release}`.

Owns which change of a released migration counts: a change of its code, or of the code of Ratoon that it calls.
Docstrings, comments, annotations and the place of a module do not count. `check` compares the migrations with the
last release, `release` records them as those of a release.
"""

import argparse
import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "services/released_migrations.json"
"""Migrations of the last release, by service."""

Definition = ast.FunctionDef | ast.ClassDef | ast.Assign


class MigrationError(Exception):
    """A problem of the migrations; the text says what to do."""


class History(TypedDict):
    """Migrations of one service: Alembic's heads, and the digest of each script by revision."""

    heads: list[str]
    scripts: dict[str, str]


def main() -> int:
    """Run the command named on the command line; 0 on success."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["check", "release"])
    command = parser.parse_args().command
    try:
        check()
        if command == "release":
            RECORD.write_text(json.dumps(histories(ROOT), indent=2) + "\n")
            print(f"migrations: {RECORD.relative_to(ROOT)} holds the migrations of this release; commit it")
    except MigrationError as error:
        print(f"migrations: {error}", file=sys.stderr)
        return 1
    return 0


def check() -> None:
    """Raise `MigrationError` unless each released migration exists unchanged and new ones follow it."""
    if not RECORD.exists():
        raise MigrationError(f"{RECORD} is missing; restore it from git: nothing else says what was released")
    if problems := breaks(histories(ROOT), json.loads(RECORD.read_text())):
        raise MigrationError(
            "databases of the last release can no longer be upgraded; undo the changes and write new migrations:\n  "
            + "\n  ".join(problems)
        )


def breaks(current: dict[str, History], released: dict[str, History]) -> list[str]:
    """Return how the migrations differ from the released ones other than by additions, one sentence each."""
    nothing = History(heads=[], scripts={})
    problems = []
    for service, then in released.items():
        scripts = current.get(service, nothing)["scripts"]
        for revision, digest in then["scripts"].items():
            if revision not in scripts:
                problems.append(f"{service}: the released migration {revision} was removed.")
            elif scripts[revision] != digest:
                problems.append(
                    f"{service}: the released migration {revision} was edited, or code that it calls."
                )
    for service, now in current.items():
        if len(now["heads"]) > 1:
            heads = ", ".join(now["heads"])
            problems.append(
                f"{service}: the migrations have the heads {heads}; a new one must follow the last one."
            )
    return problems


def histories(root: Path) -> dict[str, History]:
    """Return the migrations of each service in the tree at `root`."""
    homes = sorted(root.glob("services/*/migrations/versions"))
    return {home.parts[-3]: history(root, home) for home in homes}


def history(root: Path, home: Path) -> History:
    """Return the migrations in one directory of scripts."""
    scripts = [ast.parse(path.read_text()) for path in sorted(home.glob("*.py"))]
    by_revision = {revision: script for script in scripts for revision in constant(script, "revision")}
    below = {revision for script in scripts for revision in constant(script, "down_revision")}
    return History(
        heads=sorted(by_revision.keys() - below),
        scripts={revision: digest(root, script) for revision, script in sorted(by_revision.items())},
    )


def constant(script: ast.Module, name: str) -> tuple[str, ...]:
    """Return the revisions that a constant of a script names: none, one, or several (a merge)."""
    node = definitions(script).get(name)
    value = ast.literal_eval(node.value) if isinstance(node, ast.Assign) else None
    return (value,) if isinstance(value, str) else tuple(value or ())


def digest(root: Path, script: ast.Module) -> str:
    """Return the SHA-256 of the code that a script runs: its own and that of Ratoon which it calls."""
    code = [*sorted(called(root, script)), ast.unparse(Code().visit(script))]
    return hashlib.sha256("\n".join(code).encode()).hexdigest()


class Code(ast.NodeTransformer):
    """Reduce a tree to what it runs: remove docstrings, imports and the annotations of functions."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Remove a docstring."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node

    def visit_Import(self, node: ast.Import) -> None:
        """Remove an import."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Remove an import; what it brings of Ratoon is digested itself."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Remove the annotation of the result."""
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """Remove the annotation of an argument."""
        node.annotation = None
        return node


def called(root: Path, script: ast.Module) -> set[str]:
    """Return the code of each definition of Ratoon that a script imports, and of those that these use in turn."""
    code_of_calls: set[str] = set()
    followed: set[tuple[str, str]] = set()
    pending = set(imports(script).values())
    while pending:
        followed |= pending
        steps = [follow(root, module, name) for module, name in pending]
        code_of_calls.update(code for code, _ in steps if code)
        pending = {used for _, uses in steps for used in uses} - followed
    return code_of_calls


def follow(root: Path, module: str, name: str) -> tuple[str, set[tuple[str, str]]]:
    """Return the code of one definition (empty where the module imports it), and (module, name) of what it uses."""
    tree = source(root, module)
    defined = definitions(tree)
    known = imports(tree) | {other: (module, other) for other in defined}
    if name not in known:
        raise MigrationError(
            f"a migration imports {name} of {module}, which defines no such function or constant"
        )
    if name not in defined:
        return "", {known[name]}
    node = Code().visit(defined[name])
    used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return ast.unparse(node), {known[other] for other in used & known.keys()}


def source(root: Path, module: str) -> ast.Module:
    """Return the parsed source of a module of Ratoon."""
    path = module.replace(".", "/")
    names = (f"{path}.py", f"{path}/__init__.py")
    for file in (each for name in names for each in root.glob(f"*/*/src/{name}")):
        return ast.parse(file.read_text())
    raise MigrationError(f"a migration imports {module}, which no library or service has")


def imports(module: ast.Module) -> dict[str, tuple[str, str]]:
    """Return (module, name) of what a module imports from Ratoon, by its name in the module."""
    nodes = [node for node in module.body if isinstance(node, ast.ImportFrom)]
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in nodes
        for alias in node.names
        if node.module and node.module.split(".")[0].split("_")[0] == "ratoon"
    }


def definitions(module: ast.Module) -> dict[str, Definition]:
    """Return the functions, classes and constants of a module by name."""
    return {name: node for node in module.body if isinstance(node, Definition) for name in names(node)}


def names(node: Definition) -> Iterator[str]:
    """Yield the names that a definition binds."""
    if isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    else:
        yield node.name


if __name__ == "__main__":
    sys.exit(main())
