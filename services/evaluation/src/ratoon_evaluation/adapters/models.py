"""What a stored model answers from: two artifacts with the same content are the same model."""

import hashlib
from functools import cache

from ratoon.process.errors import FailedPrecondition, NotFound
from ratoon.storage.artifacts import ArtifactStore, manifest_bytes

_MODEL_CARD = "README.md"
"""The file that registration writes into a model; no answer depends on it."""


class StoredModels:
    """Reads the manifests of models."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
        self.content = cache(self._content)

    def _content(self, model: str) -> str:
        """Return a digest over the files of a model without its card; that of the model itself if it is gone."""
        try:
            files = [file for file in self._artifacts.tree(model) if file.path != _MODEL_CARD]
        except (NotFound, FailedPrecondition):
            return model
        return hashlib.sha256(manifest_bytes(files)).hexdigest()
