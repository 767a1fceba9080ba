"""Data of one's own as a source: a folder becomes an archive, the format follows from the name."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratoon.sdk.client import Client
from ratoon.sdk.errors import RatoonSdkError

_BY_SUFFIX = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet", ".mbox": "mbox"}
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
FORMATS = ("mail-archive", "mbox", "text-archive", "jsonl", "csv", "parquet")


def create_source(
    client: Client,
    parent: str,
    path: Path,
    format: str = "auto",
    license: str = "",
    columns: Mapping[str, str] | None = None,
    labels_by_folder: Mapping[str, str] | None = None,
    source_id: str = "",
) -> dict[str, Any]:
    """Upload a file or folder and create a source of it in `parent` (projects/{project}).

    Without `source_id` an id is made up. Sub-folders of a folder are labels of their own name unless
    `labels_by_folder` says otherwise.
    """
    if not path.exists():
        raise RatoonSdkError(f"{path} does not exist.")
    chosen = _format(path) if format == "auto" else format
    if chosen not in FORMATS:
        raise RatoonSdkError(f"The format {format!r} is none of {', '.join(FORMATS)}.")
    folders = (
        {each.name: each.name for each in sorted(path.iterdir()) if each.is_dir()} if path.is_dir() else {}
    )
    digest = client.upload(archive(path) if path.is_dir() else path)
    body = {
        "displayName": path.name,
        "format": f"FORMAT_{chosen.upper().replace('-', '_')}",
        "digest": digest,
        "license": license,
        "labelsByFolder": dict(labels_by_folder if labels_by_folder is not None else folders),
        "columns": {key: value for key, value in (columns or {}).items() if value},
    }
    request_id = f"source-{digest[:32]}-{chosen}-{source_id}".rstrip("-")
    return client.create(f"{parent}/sources", body, source_id, request_id)


def archive(folder: Path) -> bytes:
    """A folder as a tar archive with the same bytes for the same files, whenever and by whomever it is made."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise RatoonSdkError(f"{folder} holds no files.")
    return archive_of((path.relative_to(folder).as_posix(), path.read_bytes()) for path in files)


def archive_of(members: Any) -> bytes:
    """A tar archive of (name, bytes) pairs, deterministic."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _format(path: Path) -> str:
    if path.is_dir() or path.name.endswith(_ARCHIVES):
        return "text-archive"
    if path.suffix in _BY_SUFFIX:
        return _BY_SUFFIX[path.suffix]
    raise RatoonSdkError(
        f"The format of {path.name} is not clear from its name; say --format with {', '.join(FORMATS)}."
    )
