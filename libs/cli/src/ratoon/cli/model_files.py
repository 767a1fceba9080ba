"""Commands that write models as files for other programs, and download them."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ratoon.cli.context import Session, session
from ratoon.cli.names import name_argument, patterns
from ratoon.cli.output import as_json, follow, say, show
from ratoon.client import RatoonError
from ratoon.client.schema import find_method

_DIGEST_CHARS = 64
_SUCCEEDED = "STATE_SUCCEEDED"


class ModelFormat(StrEnum):
    """Format of the files."""

    HUGGING_FACE = "hugging-face"
    ADAPTER = "adapter"
    GGUF = "gguf"
    ONNX = "onnx"
    TENSORRT = "tensorrt"
    CORE_ML = "core-ml"
    TFLITE = "tflite"


class DownloadFormat(StrEnum):
    """Format of downloaded files."""

    ARTIFACT = "artifact"
    HUGGING_FACE = "hugging-face"
    ADAPTER = "adapter"
    GGUF = "gguf"
    ONNX = "onnx"


class GgufType(StrEnum):
    """Number format of the weights in a GGUF file."""

    F16 = "f16"
    Q8_0 = "q8_0"
    Q4_K_M = "q4_k_m"


Version = Annotated[
    str, name_argument(help="Version id such as v1.0, full resource name, or digest of a model artifact.")
]
Type = Annotated[
    GgufType | None, typer.Option("--type", help="Number format of a GGUF file.", show_default="f16")
]


@dataclass(frozen=True)
class _File:
    path: str
    digest: str
    size: int


def export(
    context: typer.Context,
    version: Version,
    format: Annotated[ModelFormat, typer.Option(help="Format of the files.")] = ModelFormat.HUGGING_FACE,
    type: Type = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory to download the files to.", show_default="none")
    ] = None,
) -> None:
    """Write a version as files for another program, and compare them with it.

    The export fails, with the cause by name, if the program that reads the files does not find the same model in them.

    Example:
      ratoon models export v1.0 --format gguf --type q8_0 --out models/
    """
    chosen = session(context)
    ended = _exported(chosen, version, format.name, type)
    if out is not None:
        download_files(chosen, _files_of(ended), out)
    show(ended, chosen.output)


def download(
    context: typer.Context,
    version: Version,
    directory: Annotated[Path, typer.Argument(help="Directory to write; files that are complete are kept.")],
    format: Annotated[
        DownloadFormat,
        typer.Option(help="Format of the files; `artifact`: the files as they are registered."),
    ] = DownloadFormat.HUGGING_FACE,
    type: Type = None,
) -> None:
    """Download a version as a directory that transformers, peft and vLLM read without Ratoon.

    An earlier export of the same version and format is used again. Repeat an interrupted download to resume it; each
    file is verified by its digest.

    Example:
      ratoon models download v1.0 models/tickets
      ratoon models download v1.0 models/tickets --format gguf --type q4_k_m
    """
    chosen = session(context)
    if format is DownloadFormat.ARTIFACT:
        _, digest = _source(chosen, version)
        files = [
            _File(str(row["path"]), str(row["sha256"]), int(row["size"]))
            for row in json.loads(chosen.client.blobs.download(digest))["files"]
        ]
    else:
        files = _files_of(_exported(chosen, version, format.name, type, again=True))
    download_files(chosen, files, directory)
    show({"directory": str(directory), "files": len(files)}, chosen.output)


def _exported(
    chosen: Session, version: str, format: str, kind: GgufType | None, *, again: bool = False
) -> dict[str, Any]:
    """Return an export that has succeeded: an earlier one if `again`, else a new one."""
    from ratoon.client.types import ModelExportFormat, ModelExportGgufType

    if kind is not None and format != ModelFormat.GGUF.name:
        raise typer.BadParameter("--type goes with --format gguf.")
    name, digest = _source(chosen, version)
    desired: dict[str, Any] = {"format": f"FORMAT_{format}", "sourceDigest": digest}
    if format == ModelFormat.GGUF.name:
        desired["ggufType"] = f"GGUF_TYPE_{(kind or GgufType.F16).name}"
    exports = chosen.client.model_exports
    if again:
        for each in exports.list(chosen.parent()):
            known = as_json(each)
            if known.get("state") == _SUCCEEDED and desired.items() <= known.items():
                return known
    fields: dict[str, Any] = {"source_version": name} if name else {}
    if "ggufType" in desired:
        fields["gguf_type"] = ModelExportGgufType(desired["ggufType"])
    created = exports.create(
        chosen.parent(), source_digest=digest, format=ModelExportFormat(desired["format"]), **fields
    )
    return follow(chosen.client, created.name, chosen.output)


def _source(chosen: Session, version: str) -> tuple[str, str]:
    """Return the name of a version, empty for an artifact, and the digest of its files."""
    if len(version) == _DIGEST_CHARS and set(version) <= set("0123456789abcdef"):
        return "", version
    method = find_method("model_versions", "get")
    assert method is not None
    full = "/" in version
    name = (
        chosen.scope().resolve(version, patterns(method)["name"])
        if full
        else chosen.version(version, "models")
    )
    return name, str(chosen.client.model_versions.get(name).artifact_digest)


def _files_of(export: dict[str, Any]) -> list[_File]:
    return [
        _File(str(file["path"]), str(file["digest"]), int(file.get("sizeBytes", 0)))
        for file in export.get("files", ())
    ]


def download_files(chosen: Session, files: Sequence[_File], directory: Path) -> None:
    """Download files into a directory; complete ones are kept, partial ones resumed."""
    for file, path in list(_places(files, directory.resolve())):
        if path.is_file() and path.stat().st_size == file.size and _digest(path) == file.digest:
            say(f"{path}: complete.")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        chosen.client.blobs.download_to(file.digest, path)
        say(f"{path}: {file.size:,} bytes.")


def _places(files: Sequence[_File], root: Path) -> Iterator[tuple[_File, Path]]:
    for file in files:
        path = (root / file.path).resolve()
        if not path.is_relative_to(root):
            raise RatoonError(f"The export names a file outside of its directory: {file.path!r}.")
        yield file, path


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
