"""What a stored model answers from: two artifacts with the same content are the same model."""

import hashlib
import json
from functools import cache

from ratoon.process.errors import FailedPrecondition, NotFound
from ratoon.storage.artifacts import ArtifactStore, manifest_bytes
from ratoon_evaluation.domain.plan import Weights

_CONFIG, _WEIGHTS = "config.json", ".safetensors"
_MODEL_CARD = "README.md"
"""The file that registration writes into a model; no answer depends on it."""


class StoredModels:
    """Reads the manifests of models."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
        self.content = cache(self._content)

    def weights(self, model: str) -> Weights:
        """Return the size of the weights of a model; those of an adapter are counted without its base."""
        files = {file.path: file for file in self._artifacts.tree(model)}
        size = sum(file.size for file in files.values() if file.path.endswith(_WEIGHTS))
        config = json.loads(self._artifacts.read(files[_CONFIG].sha256)) if _CONFIG in files else {}
        stored = str(config.get("dtype") or config.get("torch_dtype") or "")
        return Weights(size, 2 if stored.endswith("16") else 4)

    def _content(self, model: str) -> str:
        """Return a digest over the files of a model without its card; that of the model itself if it is gone."""
        try:
            files = [file for file in self._artifacts.tree(model) if file.path != _MODEL_CARD]
        except (NotFound, FailedPrecondition):
            return model
        return hashlib.sha256(manifest_bytes(files)).hexdigest()
