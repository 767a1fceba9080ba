"""`ratoon datasets diff` and `ratoon datasets export`: compare versions, and write them to files of this machine."""

from collections.abc import Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from ratoon.cli.columns import COLUMNS
from ratoon.cli.context import Session, session
from ratoon.cli.datasets import Version
from ratoon.cli.names import name_argument
from ratoon.cli.output import as_json, follow, say, show, show_rows
from ratoon.client import RatoonError

_SHOWN = 200


class ExportFormat(StrEnum):
    """Format of exported files."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"
    MEGATRON = "megatron"
    TOKENS = "tokens"
    HUGGING_FACE = "hugging-face"
    LABEL_STUDIO = "label-studio"


class PartName(StrEnum):
    """Part of a split."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Kind(StrEnum):
    """Kind of a difference."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


def diff(
    context: typer.Context,
    base: Annotated[str, name_argument(help="Version to compare with: id (v1) or name as tables print it.")],
    version: Version,
    base_split: Annotated[str, typer.Option(help="Split of the first version.", show_default="none")] = "",
    split: Annotated[str, typer.Option(help="Split of the second version.", show_default="none")] = "",
    kind: Annotated[
        list[Kind] | None, typer.Option(help="Kind of difference to list (repeatable).", show_default="all")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of differences to list.")] = 20,
) -> None:
    """Compare two versions: records that were added, removed or changed, or that moved between parts of two splits.

    Example:
      ratoon datasets diff v1 v2 --kind changed
    """
    from ratoon.client.types import RecordDifferenceKind

    chosen = session(context)
    name, other = chosen.version(version, "datasets"), chosen.version(base, "datasets")
    splits = {"split": _split(chosen, split), "base_split": _split(chosen, base_split)}
    chosen_splits: dict[str, Any] = {field: value for field, value in splits.items() if value}
    counts = as_json(chosen.client.dataset_versions.diff(name, base=other, **chosen_splits))
    differences = islice(
        chosen.client.record_differences.list(
            name,
            base=other,
            kinds=[RecordDifferenceKind(f"KIND_{each.name}") for each in kind or ()],
            **chosen_splits,
        ),
        limit,
    )
    rows = [_short(as_json(each)) for each in differences]
    if not chosen.output.is_for_people:
        show({**counts, "recordDifferences": rows}, chosen.output)
        return
    say(_counted(counts))
    show_rows(rows, COLUMNS["record_differences"], chosen.output, "No record differs.")


def _split(chosen: Session, name: str) -> str:
    return chosen.name(name, f"datasets/{chosen.project}/splits") if name else ""


def _counted(counts: dict[str, Any]) -> str:
    changes = counts.get("counts", {})
    named = ", ".join(f"{int(changes.get(each.name, 0)):,} {each}" for each in Kind)
    return f"{named}; {int(counts.get('unchangedCount', 0)):,} unchanged."


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """Return a difference with the starts of its texts."""
    texts: dict[str, Any] = {field: row[field][:_SHOWN] for field in ("text", "baseText") if field in row}
    return {**row, **texts, "kind": row["kind"].removeprefix("KIND_").lower()}


def export(
    context: typer.Context,
    version: Annotated[
        str, typer.Argument(help="Version id (v1) or name as tables print it.", show_default="none")
    ] = "",
    split: Annotated[
        str, typer.Option(help="Split to export in place of a version.", show_default="none")
    ] = "",
    part: Annotated[
        list[PartName] | None,
        typer.Option(help="Part of the split (repeatable).", show_default="train and validation"),
    ] = None,
    format: Annotated[ExportFormat, typer.Option(help="Format of the files.")] = ExportFormat.PARQUET,
    out: Annotated[
        Path | None, typer.Option(help="Directory to download the files to.", show_default="none")
    ] = None,
    tokenizer: Annotated[
        str,
        typer.Option(
            help="Digest of a base model or tokenizer.json; for megatron and tokens.", show_default="none"
        ),
    ] = "",
    end_token: Annotated[
        str, typer.Option(help="Token that ends each record.", show_default="that of the tokenizer")
    ] = "",
    escape_formulas: Annotated[
        bool, typer.Option("--escape-formulas", help="Put an apostrophe before formulas in CSV.")
    ] = False,
    reader: Annotated[str, typer.Option(help="Reader of the sealed test part.", show_default="none")] = "",
    purpose: Annotated[str, typer.Option(help="Purpose of the export; logged for the test part.")] = "",
) -> None:
    """Export a version, or parts of a split, as files for other tools, and download them.

    Example:
      ratoon datasets export v3 --format hugging-face --out tickets
    """
    from ratoon.client.types import ExportFormat as Written

    if bool(version) == bool(split):
        raise typer.BadParameter("Name either a version or --split.")
    chosen = session(context)
    source = chosen.version(version, "datasets") if version else _split(chosen, split)
    dataset = source.rsplit("/", 2)[0]
    settings: dict[str, Any] = {
        "dataset_version" if version else "split": source,
        "parts": [f"PART_{each.name}" for each in part or ()],
        "tokenizer_digest": tokenizer,
        "end_token": end_token,
        "escape_formulas": escape_formulas,
        "reader": reader,
        "purpose": purpose,
    }
    fields = {name: value for name, value in settings.items() if value}
    created = chosen.client.exports.create(dataset, format=Written(f"FORMAT_{format.name}"), **fields)
    ended = follow(chosen.client, created.name, chosen.output)
    if out is not None:
        opening: dict[str, Any] = (
            {"reader": reader, "purpose": purpose} if PartName.TEST in (part or ()) else {}
        )
        opened = as_json(chosen.client.exports.open(created.name, **opening))
        _download(chosen, opened.get("files", []), out)
    show(ended, chosen.output)


def _download(chosen: Session, files: Sequence[dict[str, Any]], folder: Path) -> None:
    """Download the files of an export; each is verified by its digest."""
    root = folder.resolve()
    for file in files:
        path = (root / file["path"]).resolve()
        if not path.is_relative_to(root):
            raise RatoonError(f"The export names a file outside of its directory: {file['path']!r}.")
        path.parent.mkdir(parents=True, exist_ok=True)
        chosen.client.blobs.download_to(file["digest"], path)
        say(f"{path}: {int(file.get('sizeBytes', 0)):,} bytes.")
