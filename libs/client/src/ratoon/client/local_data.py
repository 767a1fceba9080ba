"""Create sources from local data: archive directories, upload files, request previews."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratoon.client._client import Ratoon
from ratoon.client._errors import RatoonError

if TYPE_CHECKING:
    from ratoon.client.types import Source, SourcePreview

_BY_SUFFIX = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet", ".mbox": "mbox"}
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
FORMATS = (
    "mail-archive",
    "mbox",
    "text-archive",
    "jsonl",
    "csv",
    "parquet",
    "text",
    "document",
    "excel",
    "arrow",
    "warc",
    "wikipedia",
    "media-archive",
)
SAMPLES = ("line", "paragraph", "document", "page")
"""Parts of a text file, and `page` of a document, that may be one record."""


@dataclass(frozen=True)
class Upload:
    """Uploaded data and how to read it: a source without id and licence. `format` may be empty."""

    file_name: str
    digest: str
    format: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column names by role, the fields of `SourceColumns`: `text`, `label`, `prompt`, `answer`, …"""
    labels_by_folder: Mapping[str, str] = field(default_factory=dict)
    encoding: str = ""
    attributes: Sequence[str] = ()
    sample_by: str = ""
    """Of a text file or a document, the part that is one record, of SAMPLES. Empty: a line, or the document."""
    archive_depth: int | None = None
    """Levels of archives within archives that are read. None: the default of the server."""

    def fields(self) -> dict[str, Any]:
        """Return the fields of a source, as `client.sources.create` takes them."""
        from ratoon.client.types import SourceFormat, SourceSampleBy

        columns: dict[str, Any] = {role: name for role, name in self.columns.items() if name}
        if self.attributes:
            columns["attributes"] = list(self.attributes)
        fields: dict[str, Any] = {
            "display_name": self.file_name,
            "digest": self.digest,
            "labels_by_folder": dict(self.labels_by_folder),
            "columns": columns,
        }
        if self.format:
            fields["format"] = SourceFormat(f"FORMAT_{self.format.upper().replace('-', '_')}")
        if self.sample_by:
            fields["sample_by"] = SourceSampleBy(f"SAMPLE_BY_{self.sample_by.upper()}")
        if self.archive_depth is not None:
            fields["archive_depth"] = self.archive_depth
        return fields | ({"encoding": self.encoding} if self.encoding else {})


def create_source(
    client: Ratoon,
    parent: str,
    path: Path,
    format: str = "auto",
    license: str = "",
    columns: Mapping[str, str] | None = None,
    labels_by_folder: Mapping[str, str] | None = None,
    source_id: str = "",
    encoding: str = "",
    attributes: Sequence[str] = (),
    sample_by: str = "",
    archive_depth: int | None = None,
) -> "Source":
    """Upload a file or directory and create a source from it in `parent` (projects/{project}).

    Without `source_id`, the server generates an id. Subdirectories are labels with their own names unless
    `labels_by_folder` maps them. The same data with the same settings give the same source; other settings give
    another source.
    """
    upload = upload_data(
        client, path, format, columns, labels_by_folder, encoding, attributes, sample_by, archive_depth
    )
    if not upload.format:
        upload = with_format(upload, format_of(path) or format_name(preview(client, parent, upload).format))
    return create_uploaded(client, parent, upload, license, source_id)


def upload_data(
    client: Ratoon,
    path: Path,
    format: str = "auto",
    columns: Mapping[str, str] | None = None,
    labels_by_folder: Mapping[str, str] | None = None,
    encoding: str = "",
    attributes: Sequence[str] = (),
    sample_by: str = "",
    archive_depth: int | None = None,
) -> Upload:
    """Upload a file, or a directory as an archive."""
    if not path.exists():
        raise RatoonError(f"{path} does not exist.")
    if format not in ("auto", *FORMATS):
        raise RatoonError(f"Unknown format {format!r}. Available: {', '.join(FORMATS)}.")
    if sample_by not in ("", *SAMPLES):
        raise RatoonError(f"Unknown sample_by {sample_by!r}. Available: {', '.join(SAMPLES)}.")
    folders = (
        {each.name: each.name for each in sorted(path.iterdir()) if each.is_dir()} if path.is_dir() else {}
    )
    return Upload(
        file_name=path.resolve().name,
        digest=client.blobs.upload(archive(path) if path.is_dir() else path),
        format="" if format == "auto" else format,
        columns=columns or {},
        labels_by_folder=labels_by_folder if labels_by_folder is not None else folders,
        encoding=encoding,
        attributes=attributes,
        sample_by=sample_by,
        archive_depth=archive_depth,
    )


def preview(
    client: Ratoon, parent: str, upload: Upload, records: int = 5, steps: Sequence[str] = ()
) -> "SourcePreview":
    """Return a preview of uploaded data: format, columns, character encoding, first records, labels, rejections.

    The records are those after the given steps of curation (`NAME` or `NAME:PARAMETER=VALUE;…`).
    """
    return client.sources.preview(parent, **upload.fields(), record_count=records, steps=list(steps) or None)


def with_format(upload: Upload, format: str) -> Upload:
    """Return the upload with a format; raise RatoonError if the format is unknown."""
    if format not in FORMATS:
        raise RatoonError(
            f"The format of {upload.file_name} is not recognized. Set it with --format: {', '.join(FORMATS)}."
        )
    return replace(upload, format=format)


def create_uploaded(
    client: Ratoon, parent: str, upload: Upload, license: str = "", source_id: str = ""
) -> "Source":
    """Create a source from uploaded data. The same request again returns the same source."""
    fields = upload.fields() | {"license": license}
    request = json.dumps([source_id, fields], sort_keys=True, ensure_ascii=False)
    request_id = f"source-{hashlib.sha256(request.encode()).hexdigest()[:40]}"
    return client.sources.create(parent, **fields, source_id=source_id or None, request_id=request_id)


def format_of(path: Path) -> str:
    """Return the format for a file name; empty if the name does not determine it."""
    if path.is_dir() or path.name.endswith(_ARCHIVES):
        return "text-archive"
    return _BY_SUFFIX.get(path.suffix, "")


def archive(folder: Path) -> bytes:
    """Return a directory as a deterministic tar archive: the same files always give the same bytes.

    State directories of Ratoon in it are left out: they hold keys.
    """
    states = _state_directories(folder)
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and states.isdisjoint((folder, *path.parents))
    )
    if not files:
        raise RatoonError(f"{folder} contains no files.")
    return archive_of((path.relative_to(folder).as_posix(), path.read_bytes()) for path in files)


def _state_directories(folder: Path) -> set[Path]:
    return {key.parent.parent for key in folder.rglob("keys/operator.key")}


def archive_of(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a deterministic tar archive of (name, bytes) pairs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def format_name(value: str) -> str:
    """Return the name of a format as `create_source` takes it: `mail-archive` for FORMAT_MAIL_ARCHIVE."""
    return str(value).removeprefix("FORMAT_").replace("_", "-").lower()
