"""Names in the source of an installed package, read without importing it."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def names_in(module: str) -> frozenset[str]:
    """Return what a module defines or imports: `name`, `Class.member`, `function(parameter)`.

    Members of a class are its methods, its annotated fields and what its methods assign to `self`; inherited ones are
    those of the class that defines them. LookupError when the module is not installed.
    """
    return frozenset(_names(ast.parse(_source(module).read_text()), ""))


def _source(module: str) -> Path:
    package, _, rest = module.partition(".")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LookupError(f"The package {package} is not installed.")
    path = (
        Path(spec.submodule_search_locations[0], *rest.split(".")) if rest else Path(str(spec.origin)).parent
    )
    file_of_module = next(
        (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None
    )
    if file_of_module is None:
        raise LookupError(f"The module {module} does not exist in the installed version of {package}.")
    return file_of_module


def _names(parent: ast.AST, prefix: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name
            yield from _names(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _function(node, prefix)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (prefix + (alias.asname or alias.name) for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.If | ast.Try):
            yield from _names(node, prefix)


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, prefix: str) -> Iterator[str]:
    yield prefix + node.name
    parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    yield from (f"{prefix}{node.name}({parameter.arg})" for parameter in parameters)
    assigned = (
        inner
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store)
    )
    yield from (
        prefix + each.attr
        for each in assigned
        if isinstance(each.value, ast.Name) and each.value.id == "self"
    )
