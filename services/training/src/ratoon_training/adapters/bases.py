"""What a model artifact says about itself: its config.json and recipe.json, read from the artifact store."""

import json
from typing import Any

from ratoon.chassis.artifacts import ArtifactStore
from ratoon.chassis.models import ADAPTER_CONFIG
from ratoon_training.application.commands import BaseModel
from ratoon_training.domain.errors import BadBaseModel
from ratoon_training.domain.recipes import Architecture


class StoredModels:
    """Model trees of the artifact store."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def describe(self, digest: str) -> BaseModel:
        """Architecture, labels, cut and rank of a model folder; NotFound, or BadBaseModel when it is no model."""
        files = {file.path: file.sha256 for file in self._store.tree(digest)}
        if "config.json" not in files or not any(path.endswith(".safetensors") for path in files):
            raise BadBaseModel(f"Artifact {digest} is no model folder with config.json and safetensors.")
        config = self._json(files["config.json"])
        recipe = self._json(files["recipe.json"]) if "recipe.json" in files else {}
        adapter = self._json(files[ADAPTER_CONFIG]) if ADAPTER_CONFIG in files else {}
        return BaseModel(
            _architecture(config),
            tuple(recipe.get("labels", ())),
            int(recipe.get("max_chars", 0)),
            int(adapter.get("r", 0)),
        )

    def _json(self, digest: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self._store.read(digest))
        return value


def _architecture(config: dict[str, Any]) -> Architecture:
    try:
        return Architecture(
            vocab_size=config["vocab_size"],
            hidden_size=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            max_positions=config["max_position_embeddings"],
            tied=bool(config.get("tie_word_embeddings", False)),
        )
    except KeyError as missing:
        raise BadBaseModel(f"The base model's config.json lacks {missing}.") from None
