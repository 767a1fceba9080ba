"""Descriptions of model artifacts: their files, inspected in the artifact store before anything loads them."""

import json
from collections.abc import Mapping
from typing import Any

from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.model_tree import Inspection, inspect_stored_model
from ratoon_training.application.commands import BaseModel
from ratoon_training.domain.errors import BadBaseModel
from ratoon_training.domain.recipes import Architecture

_NAMES = {
    "hidden_size": ("hidden_size", "n_embd", "d_model"),
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "heads": ("num_attention_heads", "n_head", "n_heads"),
}
"""Names under which config.json files state a shape."""
_OWN_TEMPLATE = (
    "{{ '<s>' }}{% for message in messages %}{% if message['role'] == 'assistant' %}{{ '<|assistant|>' + "
)
"""Prefix of the chat template of models from scratch, in every release."""
_USUAL_POSITIONS = 2048
"""Positions of a model whose config.json states none."""


class StoredModels:
    """Model trees of the artifact store."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def describe(self, digest: str) -> BaseModel:
        """Architecture, labels, cut and rank of a model; NotFound, or BadBaseModel with every reason why it is none."""
        files = {file.path: file.sha256 for file in self._store.tree(digest)}
        inspection = inspect_stored_model(self._store, digest)
        if problems := inspection.base_problems:
            messages = " ".join(problem.message for problem in problems)
            raise BadBaseModel(
                f"The base model {digest[:12]} cannot be trained: {messages}", problems[0].reason
            )
        recipe = self._object(files, "recipe.json")
        limit = self._object(files, "ratoon.json")
        return BaseModel(
            _architecture(inspection),
            tuple(recipe.get("labels", ())),
            int(limit.get("max_prompt_characters", 0) or recipe.get("max_chars", 0)),
            inspection.rank,
            self._text(files, "chat_template.jinja").startswith(_OWN_TEMPLATE),
        )

    def _text(self, files: Mapping[str, str], name: str) -> str:
        """Return a text among the files; empty if it is missing."""
        return self._store.read(files[name]).decode("utf-8", errors="replace") if name in files else ""

    def _object(self, files: Mapping[str, str], name: str) -> dict[str, Any]:
        """Return a JSON object among the files; empty if it is missing."""
        value: dict[str, Any] = json.loads(self._store.read(files[name])) if name in files else {}
        return value


def _architecture(inspection: Inspection) -> Architecture:
    config = inspection.config
    nested = config.get("text_config")
    stated = {**config, **nested} if isinstance(nested, dict) else config
    shape = {field: _first(stated, names) for field, names in _NAMES.items()}
    if lacking := [_NAMES[field][0] for field, value in shape.items() if not value]:
        raise BadBaseModel(f"The base model's config.json lacks {', '.join(lacking)}.", "CONFIG_INCOMPLETE")
    return Architecture(
        vocab_size=inspection.vocabulary,
        max_positions=inspection.positions or _USUAL_POSITIONS,
        tied=bool(stated.get("tie_word_embeddings", False)),
        **shape,
    )


def _first(stated: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """The first of these names that states a whole number above 0; 0: none does."""
    numbers = (stated.get(name) for name in names)
    return next((number for number in numbers if isinstance(number, int) and number > 0), 0)
