"""Serving with real engines, whose models have fewer positions than its setting."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


def _load_module(name: str):
    spec = importlib.util.spec_from_file_location(f"serving_{name}", Path(__file__).parents[1] / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Iterator[object]:
    """State directory with models of 512 positions, where engines are set to 2,048."""
    real = _load_module("real")

    class ShortModels(real.SignedModels):
        def _begin(self, name: str, folder: Path) -> None:
            if name.startswith("v"):
                config = json.loads((folder / "config.json").read_text())
                (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 512}))
            super()._begin(name, folder)

    real.SignedModels = ShortModels
    created = real.Installation(tmp_path_factory.mktemp("serving"))
    yield created
    created.end_processes()
