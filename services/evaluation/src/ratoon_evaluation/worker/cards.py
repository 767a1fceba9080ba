"""Architecture and training of a model as its folder describes them, for the report.

It trusts nothing it reads there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

JSON = dict[str, Any]

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


def read_card(folder: Path, digest: str, parameters: int) -> Card:
    """Read config.json, recipe.json and training.json; files that are absent leave their lines out."""
    config = _json(folder / "config.json")
    diagnosis = _json(folder / "training.json").get("diagnosis", "")
    return Card(
        digest=digest,
        parameters=parameters,
        bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        architecture={name: config[name] for name in _ARCHITECTURE if name in config},
        recipe=flat(_json(folder / "recipe.json")),
        diagnosis=diagnosis if isinstance(diagnosis, str) else json.dumps(diagnosis, sort_keys=True),
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


def _json(path: Path) -> JSON:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
