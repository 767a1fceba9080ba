"""Architecture and training of a model as its folder describes them, for the report.

It trusts nothing it reads there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from ratoon.storage.models import CLASSICAL_CONFIG, NEURAL_CONFIG, ModelFolder

JSON = dict[str, Any]

_MAX_HEADER_BYTES = 100_000_000
_TIED = "lm_head.weight"
"""Tensor that is the embedding again in a model with tied embeddings."""
_BUFFERS = (".rotary_emb.inv_freq", ".attn.bias", ".masked_bias", ".attention.bias")
"""Ends of the names of tensors that are no parameters, in files of older releases of transformers."""
_ARCHITECTURE = (
    "architectures",
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "max_position_embeddings",
    "tie_word_embeddings",
)


@dataclass(frozen=True)
class Card:
    """A model in a few lines: parameters, bytes on disk, architecture, and how it was trained."""

    digest: str
    parameters: int
    bytes: int
    architecture: JSON = field(default_factory=dict)
    recipe: JSON = field(default_factory=dict)
    diagnosis: str = ""

    @property
    def is_small(self) -> bool:
        """Return whether it is a classical or a small neural model, by its architecture."""
        return bool({"estimator", "network"} & self.architecture.keys())


def read_card(model: ModelFolder, digest: str) -> Card:
    """Read config.json, recipe.json and training.json; files that are absent leave their lines out."""
    folder = model.path
    config = _json(folder / "config.json")
    classical = _json(folder / CLASSICAL_CONFIG)
    neural = _json(folder / NEURAL_CONFIG)
    diagnosis = _json(folder / "training.json").get("diagnosis", "")
    return Card(
        digest=digest,
        parameters=_parameters(model.whole),
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        architecture={
            **{name: config[name] for name in _ARCHITECTURE if name in config},
            **{name: classical[name] for name in ("features", "estimator", "columns") if name in classical},
            **(
                {"network": neural["network"], **flat(neural.get("shape", {}))} if "network" in neural else {}
            ),
        },
        recipe=flat(_json(folder / "recipe.json")),
        diagnosis=diagnosis if isinstance(diagnosis, str) else json.dumps(diagnosis, sort_keys=True),
    )


def of_baseline(value: JSON) -> Card:
    """Return the card of the best classical model."""
    return Card(
        digest="",
        parameters=value["parameters"],
        bytes=value["bytes"],
        architecture={"model": value["title"], "columns": value["columns"]},
    )


def flat(value: JSON, prefix: str = "") -> JSON:
    """Nested objects as dotted names, so that every training parameter is one line."""
    lines: JSON = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            lines |= flat(inner, f"{prefix}{name}.")
        else:
            lines[prefix + name] = inner
    return lines


def _parameters(folder: Path) -> int:
    """Return the number of parameters by the headers of the weights; tied ones count once."""
    headers = [_header(path) for path in folder.glob("*.safetensors")]
    shapes = {
        name: tensor["shape"]
        for header in headers
        for name, tensor in header.items()
        if name != "__metadata__"
    }
    if _json(folder / "config.json").get("tie_word_embeddings"):
        shapes.pop(_TIED, None)
    return sum(prod(shape) for name, shape in shapes.items() if not name.endswith(_BUFFERS))


def _header(path: Path) -> JSON:
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header: JSON = json.loads(stream.read(min(length, _MAX_HEADER_BYTES)))
    return header


def _json(path: Path) -> JSON:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
