"""Descriptions of model artifacts: their files, inspected in the artifact store before anything loads them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.model_tree import (
    ENCODERS,
    Inspection,
    StoredFiles,
    embedding_rows,
    inspect_model_tree,
    inspect_stored_model,
    is_encoder,
)
from ratoon.storage.models import ADAPTER_CONFIG, NEURAL_CONFIG
from ratoon.storage.safetensors_header import Tensor
from ratoon_training.adapters.base_shapes import architecture_of, shape_of
from ratoon_training.application.commands import BaseModel, NeuralBase
from ratoon_training.domain.errors import BadBaseModel
from ratoon_training.domain.neural import Activation, EncoderKind, Network, Neural
from ratoon_training.domain.recipes import task_of_json

_OWN_TEMPLATE = (
    "{{ '<s>' }}{% for message in messages %}{% if message['role'] == 'assistant' %}{{ '<|assistant|>' + "
)
"""Prefix of the chat template of models from scratch, in every release."""


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
        tensors = self._whole_tensors(inspection, recipe)
        architecture = architecture_of(
            inspection.config, tensors, embedding_rows(tensors) or inspection.vocabulary, inspection.positions
        )
        return BaseModel(
            architecture,
            tuple(recipe.get("labels", ())),
            int(limit.get("max_prompt_characters", 0) or recipe.get("max_chars", 0)),
            inspection.rank,
            self._text(files, "chat_template.jinja").startswith(_OWN_TEMPLATE),
            task_of_json(recipe["task"]) if recipe.get("task") else None,
            shape_of(architecture, inspection.config, tensors),
            inspection.tokens,
        )

    def describe_neural(self, digest: str, any_base: bool) -> NeuralBase | None:
        """Return what a small neural model is trained on from; None if the base is none and `any_base`.

        BadBaseModel if it is none otherwise.
        """
        files = {file.path: file.sha256 for file in self._store.tree(digest)}
        if NEURAL_CONFIG in files:
            about = self._object(files, NEURAL_CONFIG)
            return NeuralBase(task_of_json(about["task"]), _sizes(about.get("shape") or {}))
        config = self._object(files, "config.json")
        if is_encoder(config) and ADAPTER_CONFIG not in files:
            return NeuralBase(None, _encoder_sizes(config))
        if any_base:
            return None
        raise BadBaseModel(
            f"The base model {digest[:12]} is neither a small neural model nor an encoder "
            f"({', '.join(ENCODERS)}): name one, leave base_artifact_digest out, or choose another method.",
            "BASE_UNFIT",
        )

    def _whole_tensors(self, inspection: Inspection, recipe: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Return the tensors of the whole model: those of an adapter's base."""
        if not inspection.is_adapter:
            return inspection.tensors
        return inspect_model_tree(StoredFiles(self._store, str(recipe["base_artifact_digest"]))).tensors

    def _text(self, files: Mapping[str, str], name: str) -> str:
        """Return a text among the files; empty if it is missing."""
        return self._store.read(files[name]).decode("utf-8", errors="replace") if name in files else ""

    def _object(self, files: Mapping[str, str], name: str) -> dict[str, Any]:
        """Return a JSON object among the files; empty if it is missing."""
        value: dict[str, Any] = json.loads(self._store.read(files[name])) if name in files else {}
        return value


def _sizes(shape: Mapping[str, Any]) -> Neural | None:
    """Return the network in `neural.json` of a small neural model; None if it describes none."""
    if not shape:
        return None
    if encoder := shape.get("encoder"):
        sizes = _encoder_sizes(encoder)
        return sizes and replace(sizes, max_tokens=int(shape["max_tokens"]))
    return Neural(
        network=Network(shape["network"]),
        vocab_size=int(shape["vocab_size"]),
        hidden_size=int(shape["hidden_size"]),
        layers=int(shape["layers"]),
        max_tokens=int(shape["max_tokens"]),
        widths=tuple(shape["widths"]),
        bidirectional=bool(shape["bidirectional"]),
        activation=Activation(str(shape["activation"]).upper()),
    ).complete()


def _encoder_sizes(config: Mapping[str, Any]) -> Neural | None:
    """Return the sizes in `config.json` of an encoder, whose fields have two names; None if it lacks one."""
    names = {
        "vocab_size": ("vocab_size", "vocab_size"),
        "hidden_size": ("hidden_size", "dim"),
        "layers": ("num_hidden_layers", "n_layers"),
        "heads": ("num_attention_heads", "n_heads"),
    }
    sizes = {field: int(config.get(name) or config.get(other) or 0) for field, (name, other) in names.items()}
    if not all(sizes.values()):
        return None
    return Neural(
        network=Network.ENCODER,
        encoder=EncoderKind(str(config["model_type"]).upper()),
        vocab_size=sizes["vocab_size"],
        hidden_size=sizes["hidden_size"],
        layers=sizes["layers"],
        heads=sizes["heads"],
        max_tokens=int(config.get("max_position_embeddings") or 512),
    ).complete()
