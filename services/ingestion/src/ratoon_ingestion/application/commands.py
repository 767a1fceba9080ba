"""Commands of ingestion."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ratoon_ingestion.domain.assignment import Folds, Part, Ratios, SplitMode
from ratoon_ingestion.domain.connections import Connection
from ratoon_ingestion.domain.curation import CurationConfig
from ratoon_ingestion.domain.sources import ARCHIVE_DEPTH, Columns, Format, Rows, SampleBy
from ratoon_ingestion.domain.splits import Replay


@dataclass(frozen=True)
class CreateSource:
    """Name a blob that was uploaded, in `parent` (projects/{project}), and how to read it."""

    parent: str
    source_id: str
    format: Format
    digest: str
    display_name: str = ""
    licence: str = ""
    labels_by_folder: Mapping[str, str] = field(default_factory=dict)
    columns: Columns = field(default_factory=Columns)
    request_id: str = ""
    encoding: str = ""
    sample_by: SampleBy = SampleBy.LINE
    archive_depth: int = ARCHIVE_DEPTH
    rows: Rows | None = None


@dataclass(frozen=True)
class CreateConnection:
    """Create a connection; its name is set by the handler."""

    parent: str
    connection_id: str
    connection: Connection
    request_id: str = ""


@dataclass(frozen=True)
class UpdateConnection:
    """Change these fields of a connection that was read with this etag."""

    name: str
    changes: Mapping[str, object]
    etag: str = ""


@dataclass(frozen=True)
class UpdateSource:
    """Change these fields of a source that was read with this etag."""

    name: str
    changes: Mapping[str, object]
    etag: str = ""


@dataclass(frozen=True)
class PreviewSource:
    """Preview an uploaded blob as a source of `parent` (projects/{project}); no format: detect it."""

    parent: str
    digest: str
    format: Format | None
    file_name: str = ""
    labels_by_folder: Mapping[str, str] = field(default_factory=dict)
    columns: Columns = field(default_factory=Columns)
    encoding: str = ""
    sample_by: SampleBy = SampleBy.LINE
    record_count: int = 5
    curation: CurationConfig | None = None
    archive_depth: int = ARCHIVE_DEPTH
    rows: Rows | None = None


@dataclass(frozen=True)
class CreateDataset:
    """Begin a line of dataset versions in `parent` (projects/{project})."""

    parent: str
    dataset_id: str
    display_name: str = ""
    request_id: str = ""


@dataclass(frozen=True)
class CreateVersion:
    """Curate sources into a version of `parent` (a dataset); an empty id takes the next number."""

    parent: str
    version_id: str
    sources: tuple[str, ...]
    curation: CurationConfig
    request_id: str = ""


@dataclass(frozen=True)
class CreateSplit:
    """Part a version of `parent` (a dataset); without a label set the sources' own labels count."""

    parent: str
    split_id: str
    dataset_version: str
    label_set_digest: str = ""
    mode: SplitMode = SplitMode.STRATIFIED
    folds: Folds = Folds()
    ratios: Ratios = field(default_factory=Ratios)
    seed: int = 0
    replay: Replay = field(default_factory=Replay)
    group_attribute: str = ""
    request_id: str = ""


@dataclass(frozen=True)
class CreateErasure:
    """Erase records from everything of `parent` (projects/{project}); `purpose` says why and names no person."""

    parent: str
    erasure_id: str
    record_ids: tuple[str, ...]
    purpose: str
    request_id: str = ""
    shared_attachments: bool = False


@dataclass(frozen=True)
class OpenSplit:
    """Hand out a part of a split to `reader` for `purpose`, and log that `principal` requested it."""

    name: str
    part: Part
    reader: str
    purpose: str
    principal: str
