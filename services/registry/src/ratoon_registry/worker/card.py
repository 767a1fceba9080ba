"""The model card: what a version is, in a page that travels with its weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ratoon.jobs.v1.registry_jobs_pb2 import VerificationSpec
from ratoon_registry.worker.inspection import read_json

CARD = "README.md"

_ARCHITECTURE = (
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "vocab_size",
    "max_position_embeddings",
)


_PIPELINES = {
    "transformers": "text-generation",
    "scikit-learn": "text-classification",
    "pytorch": "text-classification",
}
_USES = {
    "transformers": "The chat template holds the preprocessing: send the raw text as the user's message.",
    "scikit-learn": "The files hold the preprocessing: send the raw text, or the JSON of a row, as the user's message.",
    "pytorch": "The files hold the preprocessing: send the raw text as the user's message.",
}


_NOT_KNOWN = VerificationSpec.TrainingUsage()


def model_card(
    folder: Path,
    details: VerificationSpec.Card,
    parameters: int,
    size_bytes: int,
    library: str = "transformers",
    usage: VerificationSpec.TrainingUsage = _NOT_KNOWN,
) -> str:
    """The card in Markdown; the same input gives the same text, so the artifact keeps its digest."""
    config = read_json(folder / "config.json") if (folder / "config.json").exists() else {}
    recipe = read_json(folder / "recipe.json") if (folder / "recipe.json").exists() else {}
    compression = recipe.pop("compression", None)
    scores = {name: f"{value:.4g}" for name, value in sorted(details.scores.items())}
    architecture = {name: config[name] for name in _ARCHITECTURE if name in config}
    sections = [
        f"---\nlibrary_name: {library}\npipeline_tag: {_PIPELINES[library]}\ntags: [ratoon]\n---",
        f"# {details.name or 'A language model'}",
        details.changelog.strip(),
        _table("Size", {"parameters": f"{parameters:,}", "bytes of weights": f"{size_bytes:,}"}),
        _table("Scores", scores),
        _compared(compression) if isinstance(compression, dict) else "",
        _table("Architecture", architecture),
        _table(
            "Training", {name: json.dumps(value, sort_keys=True) for name, value in sorted(recipe.items())}
        ),
        _table("Energy and cost of the training", dict(_usage(usage))),
        f"## Use\n{_USES[library]} "
        "Verify the signature and the golden prompts of its registration before you trust it.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _usage(usage: VerificationSpec.TrainingUsage) -> Iterator[tuple[str, str]]:
    """Yield what the training took, each with how it is known."""
    if usage.energy_wh:
        yield "energy", f"{usage.energy_wh:,.4g} Wh. {usage.energy_basis}".strip()
    if usage.device_hours:
        yield "device hours", f"{usage.device_hours:,.4g}"
    if usage.cost:
        yield (
            "cost",
            f"{usage.cost:,.4g} {usage.currency}, by the prices of the operator".replace(" ,", ","),
        )


def _compared(compression: dict[str, Any]) -> str:
    """Return the measurements of a compressed model beside those of its source."""
    sides = [compression.get(side) for side in ("source", "compressed")]
    if not all(isinstance(side, dict) for side in sides):
        return ""
    flat = [{**side, **side.get("metrics", {})} for side in sides if isinstance(side, dict)]
    names = [name for name in flat[1] if name != "metrics"]
    rows = [
        f"| {_cell(name)} | {_number(flat[0].get(name, ''))} | {_number(flat[1][name])} |" for name in names
    ]
    method = _cell(str(compression.get("method", "")).lower())
    head = ["## Compression", f"| {method} | source | this model |", "|---|---|---|"]
    return "\n".join([*head, *rows])


def _number(value: Any) -> str:
    return (
        f"{value:,.4g}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else _cell(value)
    )


def _table(title: str, rows: Mapping[str, Any]) -> str:
    if not rows:
        return ""
    lines = [f"| {name} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join([f"## {title}", "| | |", "|---|---|", *lines])


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
