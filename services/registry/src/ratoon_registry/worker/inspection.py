"""Which artifact may count as a model: sound files, safetensors only, no code. It loads nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.model_problem import Problem
from ratoon.storage.model_tree import Inspection, inspect_stored_model
from ratoon.storage.models import ModelFolder

TOKENIZER = "tokenizer.json"
_SOME = 3
"""Maximum number of problems that one failure names."""


class UnfitArtifact(ValueError):
    """The artifact may not count as a model; `reason` says which rule it breaks."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def inspect(store: ArtifactStore, digest: str) -> Inspection:
    """Inspect an artifact, and an adapter's base, before they are fetched; UnfitArtifact when they are no model."""
    inspection = inspect_stored_model(store, digest)
    _refuse(inspection.problems)
    return inspection


def left_out(inspection: Inspection) -> str:
    """A sentence that names the files which are no part of the version; empty when there is none."""
    names = inspection.left_out
    more = f" and {len(names) - _SOME} more" if len(names) > _SOME else ""
    return (
        f"Left out because they are not part of a model: {', '.join(names[:_SOME])}{more}." if names else ""
    )


def drop_redundant_tokenizer(folder: ModelFolder) -> None:
    """Drop an adapter's copy of its base's tokenizer if it is written in another way; UnfitArtifact for another one."""
    own = folder.path / TOKENIZER
    if folder.base is None or not own.exists():
        return
    base = folder.base / TOKENIZER
    if own.read_bytes() == base.read_bytes():
        return
    if read_json(own) != read_json(base):
        raise UnfitArtifact(
            "ADAPTER_UNSUPPORTED",
            "The adapter's tokenizer.json differs from its base model's, and an engine has one tokenizer for both: "
            "leave it out if no tokens were added, or merge the adapter into its base and register the whole model.",
        )
    own.unlink()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of the artifact; UnfitArtifact when it is anything else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise UnfitArtifact("JSON_DAMAGED", f"{path.name} is not JSON: copy or save it again.") from None
    if not isinstance(value, dict):
        raise UnfitArtifact("JSON_DAMAGED", f"{path.name} contains no JSON object: copy or save it again.")
    return value


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        message = " ".join(problem.message for problem in problems[:_SOME])
        raise UnfitArtifact(problems[0].reason, message)
