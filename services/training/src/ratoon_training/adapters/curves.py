"""Exact curves of runs in the artifact store."""

import json
from collections.abc import Mapping
from typing import Any

from ratoon.storage.artifacts import ArtifactStore


class StoredCurves:
    """Curves by the digest of the blob that a run stores at its end."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def read(self, digest: str) -> Mapping[str, Any]:
        """Return the columns and rows of steps and epochs; empty for a classical model, which has none."""
        blob: dict[str, Any] = json.loads(self._artifacts.read(digest))
        curves: dict[str, Any] = blob.get("curves", {})
        return curves
