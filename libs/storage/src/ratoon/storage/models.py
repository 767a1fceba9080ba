"""Model directories of the artifact store: whole models, and adapters with the base model that they go with.

An adapter's directory holds `adapter_config.json`, and its `recipe.json` names the base by digest. It loads nothing.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from ratoon.process.errors import FailedPrecondition
from ratoon.storage.artifacts import ArtifactStore

ADAPTER_CONFIG = "adapter_config.json"
"""File that distinguishes an adapter from a whole model."""
CLASSICAL_CONFIG = "classical.json"
"""File that distinguishes a classical model from a language model."""
NEURAL_CONFIG = "neural.json"
"""File that distinguishes a small neural model from a language model."""
SMALL_CONFIGS = (CLASSICAL_CONFIG, NEURAL_CONFIG)
"""Files that distinguish small models, which are served without vLLM."""


@dataclass(frozen=True)
class ModelFolder:
    """A model on this machine; for an adapter `path` is the adapter's directory and `base` that of its base model."""

    path: Path
    base: Path | None = None
    base_digest: str = ""

    @property
    def is_small(self) -> bool:
        """Return whether it is a classical or a small neural model, which writes no texts."""
        return is_small(self.path)

    @property
    def whole(self) -> Path:
        """The directory with all weights: the base model's, or the model's own."""
        return self.base or self.path


def is_small(folder: Path) -> bool:
    """Return whether a directory holds a classical or a small neural model."""
    return any((folder / name).exists() for name in SMALL_CONFIGS)


def base_digest(folder: Path) -> str:
    """The digest of the base model that an adapter's directory goes with; empty for a whole model."""
    if not (folder / ADAPTER_CONFIG).exists():
        return ""
    recipe = folder / "recipe.json"
    named = json.loads(recipe.read_text()).get("base_artifact_digest") if recipe.exists() else ""
    if not named:
        raise FailedPrecondition(
            "The adapter does not say which base model it goes with: recipe.json needs base_artifact_digest.",
            reason="BASE_UNKNOWN",
        )
    return str(named)


def fetch_model(store: ArtifactStore, digest: str, folder: Path) -> ModelFolder:
    """A model as directories below `folder`, each named by its digest; bases that are there already are kept."""
    path = store.fetch_tree(digest, folder / digest)
    base = base_digest(path)
    return ModelFolder(path, store.fetch_tree(base, folder / base) if base else None, base)
