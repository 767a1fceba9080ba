"""Model folders of this machine before they are uploaded: what they lack, and which of their files are no model's."""

import json
from dataclasses import dataclass
from pathlib import Path

from ratoon.chassis.model_tree import FolderFiles, inspect_model_tree, kept_and_left_out
from ratoon.sdk.errors import RatoonSdkError

_RECIPE = "recipe.json"


class UnfitModel(RatoonSdkError):
    """The folder holds no model that can be trained or served; the text says why, file by file."""


@dataclass(frozen=True)
class ModelFolderFiles:
    """The files of a folder: those of the model, and those that are left out."""

    model: tuple[str, ...]
    left_out: tuple[str, ...]


def checked_model(folder: Path) -> ModelFolderFiles:
    """Look at a model or adapter folder; UnfitModel with every reason when it cannot be used."""
    files = FolderFiles(folder)
    found = inspect_model_tree(files)
    reasons = [problem.message for problem in found.problems]
    if found.is_adapter and not _names_base(folder / _RECIPE):
        reasons.append(
            "The adapter does not say which base model it goes with: upload the base first, and write its digest into "
            f'{_RECIPE} as {{"base_artifact_digest": "…"}}.'
        )
    if reasons:
        listed = "".join(f"\n- {reason}" for reason in reasons)
        raise UnfitModel(f"{folder} holds no model that can be trained or served:{listed}")
    return ModelFolderFiles(*map(tuple, kept_and_left_out(files.sizes())))


def _names_base(recipe: Path) -> bool:
    try:
        return bool(json.loads(recipe.read_text(encoding="utf-8")).get("base_artifact_digest"))
    except (OSError, ValueError, AttributeError, RecursionError):
        return False
