"""Checks of local model directories before the upload: missing files, and files that are not part of a model."""

import json
from dataclasses import dataclass
from pathlib import Path

from ratoon.client import RatoonError
from ratoon.storage.model_tree import FolderFiles, inspect_model_tree, partition_files

_RECIPE = "recipe.json"


class UnfitModel(RatoonError):
    """The directory does not contain a usable model; the message lists the reasons."""


@dataclass(frozen=True)
class ModelFolderFiles:
    """Files of a directory: those of the model, and those that are skipped."""

    model: tuple[str, ...]
    left_out: tuple[str, ...]


def checked_model(folder: Path) -> ModelFolderFiles:
    """Check a model or adapter directory; raise UnfitModel with all reasons if it cannot be used."""
    files = FolderFiles(folder)
    inspection = inspect_model_tree(files)
    reasons = [problem.message for problem in inspection.problems]
    if inspection.is_adapter and not _names_base(folder / _RECIPE):
        reasons.append(
            "The adapter does not name its base model. Upload the base model first, and add its digest to "
            f'{_RECIPE} as {{"base_artifact_digest": "…"}}.'
        )
    if reasons:
        listed = "".join(f"\n- {reason}" for reason in reasons)
        raise UnfitModel(f"{folder} does not contain a model that can be trained or served:{listed}")
    return ModelFolderFiles(*map(tuple, partition_files(files.sizes())))


def _names_base(recipe: Path) -> bool:
    try:
        return bool(json.loads(recipe.read_text(encoding="utf-8")).get("base_artifact_digest"))
    except (OSError, ValueError, AttributeError, RecursionError):
        return False
