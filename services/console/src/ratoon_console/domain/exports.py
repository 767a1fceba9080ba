"""Exports: what can be exported, and the export that a form describes."""

from collections.abc import Mapping, Sequence

from ratoon_console.domain.errors import BadForm
from ratoon_console.domain.words import JSON

FORMATS = {
    "FORMAT_HUGGING_FACE": "Hugging Face dataset",
    "FORMAT_PARQUET": "Parquet",
    "FORMAT_JSONL": "JSON Lines",
    "FORMAT_CSV": "CSV",
    "FORMAT_LABEL_STUDIO": "Label Studio tasks",
    "FORMAT_TOKENS": "token files",
    "FORMAT_MEGATRON": "Megatron-LM",
}
"""Formats of exports, as pages name them."""
_PARTS = ("PART_TRAIN", "PART_VALIDATION")
_READABLE = ("STATE_READY", "STATE_REDACTED")


def origins(resources: Sequence[JSON]) -> list[str]:
    """Return the names of the versions and splits that can be exported."""
    return [each["name"] for each in resources if each.get("state") in _READABLE]


def export_of(fields: Mapping[str, str]) -> JSON:
    """Return the export of a form; BadForm without a format that is known, or without a part of a split."""
    format_, origin = fields.get("format", ""), fields.get("of", "")
    if format_ not in FORMATS:
        raise BadForm(f"The format {format_!r} is none of {', '.join(FORMATS)}. Go back and choose one.")
    is_split = "/splits/" in origin
    export: JSON = {"format": format_, "split" if is_split else "datasetVersion": origin}
    if is_split:
        export["parts"] = [part for part in _PARTS if fields.get(part) == "yes"]
        if not export["parts"]:
            raise BadForm("No part of the split is selected. Go back and select one.")
    texts = (("tokenizer_digest", "tokenizerDigest"), ("end_token", "endToken"))
    export |= {name: text for key, name in texts if (text := fields.get(key, "").strip())}
    return export | ({"escapeFormulas": True} if fields.get("escape_formulas") == "yes" else {})


def file_of(export: JSON, path: str) -> JSON | None:
    """Return the file of an export that is READY; None if it has none with this path."""
    return next((file for file in export.get("files", []) if file["path"] == path), None)
