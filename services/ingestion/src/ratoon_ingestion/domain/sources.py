"""Sources: raw items in one blob, and how to read them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from ratoon_ingestion.domain.errors import BadSource

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Format(StrEnum):
    """How a source's blob is read."""

    MAIL_ARCHIVE = "MAIL_ARCHIVE"
    MBOX = "MBOX"
    TEXT_ARCHIVE = "TEXT_ARCHIVE"
    JSONL = "JSONL"
    CSV = "CSV"
    PARQUET = "PARQUET"


@dataclass(frozen=True)
class Columns:
    """Which fields of a table hold what; the `attributes` are kept beside the record, for slices."""

    text: str = "text"
    label: str = "label"
    id: str = "id"
    time: str = "time"
    attributes: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    """Which of `text`, `label`, `id` and `time` somebody named: these columns must exist, as the attributes must."""


@dataclass(frozen=True)
class Source:
    """A blob (or, for archives, an artifact tree) by its sha256, its format and its licence."""

    name: str
    create_time: datetime
    update_time: datetime
    format: Format
    digest: str
    display_name: str = ""
    licence: str = ""
    labels_by_folder: Mapping[str, str] = field(default_factory=dict)
    """Folder name to label; empty: the folder that holds an item is its label."""
    columns: Columns = field(default_factory=Columns)
    encoding: str = ""
    """Charset of what does not declare its own, by a WHATWG label; empty: detected."""
    revision: int = 0

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.digest):
            raise BadSource(f"digest {self.digest!r} is no sha256 in lowercase hex.")


def rewritten(source: Source, digest: str) -> Source:
    """The source with a blob that lacks what was erased."""
    return replace(source, digest=digest)
