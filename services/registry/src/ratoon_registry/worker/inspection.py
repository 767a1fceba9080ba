"""Whether a folder is a model that may be loaded: safetensors only, known files, no code. It loads nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

_WEIGHTS = re.compile(r"(adapter_)?model(-\d{5}-of-\d{5})?\.safetensors")
_KNOWN = frozenset(
    {
        "README.md",
        "adapter_config.json",
        "added_tokens.json",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "merges.txt",
        "model.safetensors.index.json",
        "ratoon.json",
        "recipe.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.json",
        "vocab.json",
    }
)
_NEEDED = ("config.json", "tokenizer.json", "tokenizer_config.json")
_PICKLED = frozenset(
    {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".h5", ".msgpack"}
)


class UnfitArtifact(ValueError):
    """The artifact may not count as a model; `reason` says which rule it breaks."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def inspect(folder: Path) -> None:
    """Raise UnfitArtifact unless the folder holds weights as safetensors, a tokenizer, and nothing unknown."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    for name in names:
        _check_name(name)
    for name in _NEEDED:
        if name not in names:
            raise UnfitArtifact("FILE_MISSING", f"{name} is missing; a model needs {', '.join(_NEEDED)}.")
    weights = [name for name in names if _WEIGHTS.fullmatch(name)]
    if not weights:
        raise UnfitArtifact(
            "WEIGHTS_MISSING", "There is no safetensors file; save the weights as safetensors."
        )
    for name in weights:
        _check_weights(folder / name)
    for name in ("config.json", "tokenizer_config.json"):
        _check_no_code(folder / name)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of the artifact; UnfitArtifact when it is anything else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnfitArtifact("JSON_DAMAGED", f"{path.name} is no JSON: {error}.") from error
    if not isinstance(value, dict):
        raise UnfitArtifact("JSON_DAMAGED", f"{path.name} holds no JSON object.")
    return value


def _check_name(name: str) -> None:
    suffix = Path(name).suffix.lower()
    if suffix in _PICKLED:
        raise UnfitArtifact("PICKLE_FOUND", f"{name} may hold pickled code; save the weights as safetensors.")
    if suffix in {".py", ".so", ".sh"}:
        raise UnfitArtifact(
            "CODE_FOUND", f"{name} is code; a model's architecture must be one of transformers'."
        )
    if name not in _KNOWN and not _WEIGHTS.fullmatch(name):
        raise UnfitArtifact("UNKNOWN_FILE", f"{name} is no file of a model; leave it out of the artifact.")


def _check_weights(path: Path) -> None:
    try:
        with safe_open(path, framework="numpy") as tensors:
            if not tensors.keys():
                raise UnfitArtifact("WEIGHTS_MISSING", f"{path.name} holds no tensor.")
    except SafetensorError as error:
        raise UnfitArtifact(
            "WEIGHTS_DAMAGED", f"{path.name} is no whole safetensors file: {error}."
        ) from error


def _check_no_code(path: Path) -> None:
    if "auto_map" in read_json(path):
        raise UnfitArtifact("CODE_FOUND", f"{path.name} asks for code of its own (auto_map); remove that.")
