"""Private names of vLLM, Ray and Alembic are used in one module each, with a test of the pinned version."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOXES = {
    "libs/operations/src/ratoon/operations/ray/internals.py",
    "libs/storage/src/ratoon/storage/alembic_internals.py",
    "libs/engine/src/ratoon/engine/vllm_internals.py",
    "services/evaluation/src/ratoon_evaluation/worker/vllm_batch.py",
    "services/training/src/ratoon_training/worker/compression/answering.py",
    "services/training/src/ratoon_training/worker/ray_internals.py",
}
BUILT_ON = {
    "libs/engine/src/ratoon/engine/loader.py",
    "services/training/src/ratoon_training/worker/trainer.py",
}
"""Subclasses of vLLM's loader and of Ray's trainer; the names that they override are in the modules above."""
LIBRARIES = ("alembic", "ray", "vllm")
PRIVATE_CALLS = {"_upgrade_revs", "_downgrade_revs", "_run_in_subprocess", "get_mp_context"}

sources = sorted([*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")])
with_a_library = [path for path in sources if any(library in path.read_text() for library in LIBRARIES)]


@pytest.mark.parametrize("path", with_a_library, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_names_of_a_library_are_used_in_its_one_module(path):
    if str(path.relative_to(ROOT)) not in BOXES | BUILT_ON:
        assert list(private_uses(path.read_text())) == []


@pytest.mark.parametrize(
    "code",
    [
        "from ray._private.node import Node",
        "import vllm.v1.engine.utils as utils",
        "from ray.train.v2._internal.callbacks import datasets",
        "from vllm.platforms import current_platform",
        "scripts._upgrade_revs('head', 'base')",
    ],
)
def test_a_private_use_is_detected(code):
    assert list(private_uses(code))


def private_uses(code: str) -> Iterator[str]:
    """Yield the private imports and calls in a source. Every import of vLLM counts: it promises no Python API."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and node.attr in PRIVATE_CALLS:
            yield node.attr
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from filter(is_private, names)


def is_private(module: str) -> bool:
    library, *parts = module.split(".")
    return library in LIBRARIES and (library == "vllm" or any(part.startswith("_") for part in parts))
