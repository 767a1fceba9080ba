"""Sources: raw items in one blob, and how to read them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from ratoon_ingestion.domain.errors import BadSource

CHANGEABLE = (
    "display_name",
    "licence",
    "labels_by_folder",
    "columns",
    "encoding",
    "format",
    "sample_by",
    "archive_depth",
    "rows",
)
"""What an update may change."""
_HOW_IT_IS_READ = ("columns", "encoding", "format", "sample_by", "archive_depth", "rows")
_NEWER = (("archive_depth", None), ("rows", None))
_MAX_KEYS, _COLUMN_CHARS, _SEPARATOR_CHARS = 16, 200, 100
_ROLES = ("text", "label", "id", "time")
EXAMPLE_ROLES = ("messages", "prompt", "answer", "rejected", "system", "tools", "weight")
"""Columns of conversations, instructions and preferences."""
_ENCODING_CHARS = 40
ARCHIVE_DEPTH, MAX_ARCHIVE_DEPTH = 3, 10
"""Levels of archives within archives that are read by default, and at most."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Format(StrEnum):
    """How a source's blob is read."""

    MAIL_ARCHIVE = "MAIL_ARCHIVE"
    MBOX = "MBOX"
    TEXT_ARCHIVE = "TEXT_ARCHIVE"
    JSONL = "JSONL"
    CSV = "CSV"
    PARQUET = "PARQUET"
    TEXT = "TEXT"
    DOCUMENT = "DOCUMENT"
    EXCEL = "EXCEL"
    ARROW = "ARROW"
    WARC = "WARC"
    WIKIPEDIA = "WIKIPEDIA"
    MEDIA_ARCHIVE = "MEDIA_ARCHIVE"
    LABEL_STUDIO = "LABEL_STUDIO"

    @property
    def is_table(self) -> bool:
        """Return whether the blob has rows with columns."""
        return self in (Format.JSONL, Format.CSV, Format.PARQUET, Format.EXCEL, Format.ARROW)


class SampleBy(StrEnum):
    """Part of a text file that is one record."""

    LINE = "LINE"
    PARAGRAPH = "PARAGRAPH"
    """Lines up to a blank line."""
    DOCUMENT = "DOCUMENT"
    """The whole file."""
    PAGE = "PAGE"
    """Of PDF files each page, of EPUB files each chapter; of other files the whole."""


def parts_of(format: Format, sample_by: SampleBy) -> SampleBy | None:
    """Return the part of a file that is one record; None where the format leaves no choice or it is the whole file."""
    if format is Format.TEXT:
        return sample_by
    has_pages = format in (Format.DOCUMENT, Format.TEXT_ARCHIVE)
    return sample_by if has_pages and sample_by is SampleBy.PAGE else None


@dataclass(frozen=True)
class Columns:
    """Which fields of a table hold what; the `attributes` are stored with the record, for slices."""

    text: str = "text"
    label: str = "label"
    id: str = "id"
    time: str = "time"
    attributes: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    """Those of `text`, `label`, `id` and `time` that were named: these columns must exist, as the attributes must."""
    messages: str = ""
    """The messages of a conversation; empty, as with the other columns of EXAMPLE_ROLES: detected."""
    prompt: str = ""
    answer: str = ""
    rejected: str = ""
    system: str = ""
    tools: str = ""
    weight: str = ""

    @property
    def of_rows(self) -> dict[str, str]:
        """Return the columns of `text`, `label`, `id` and `time` that were named, or are not the default."""
        defaults = Columns()
        return {
            role: name
            for role in _ROLES
            if (name := getattr(self, role)) != getattr(defaults, role) or role in self.named
        }

    @property
    def of_examples(self) -> dict[str, str]:
        """Return the named columns of EXAMPLE_ROLES by their role; these columns must exist."""
        return {role: name for role in EXAMPLE_ROLES if (name := getattr(self, role))}


@dataclass(frozen=True)
class Rows:
    """What is done with the rows of a table: a join with another source by a key, groups, and a sort."""

    other: str = ""
    """Resource name of the other source; empty: no join."""
    key: str = ""
    other_key: str = ""
    inner: bool = False
    sort_by: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    separator: str = ""
    partner: "Source | None" = None
    """The other source itself, in jobs alone."""

    def __post_init__(self) -> None:
        if bool(self.other) != bool(self.key):
            raise BadSource("rows.join needs both source and key.")
        if not (self.other or self.sort_by or self.group_by):
            raise BadSource("rows is set, but has neither join nor sort_by nor group_by.")
        for name in ("sort_by", "group_by"):
            columns = getattr(self, name)
            if len(columns) > _MAX_KEYS or not all(column.strip("-") for column in columns):
                raise BadSource(f"rows.{name} must name at most {_MAX_KEYS} columns, none of them empty.")
        if any(
            len(column) > _COLUMN_CHARS
            for column in (*self.sort_by, *self.group_by, self.key, self.other_key)
        ):
            raise BadSource(f"A column of rows has a name of more than {_COLUMN_CHARS} characters.")
        if len(self.separator) > _SEPARATOR_CHARS:
            raise BadSource(f"rows.separator has more than {_SEPARATOR_CHARS} characters.")


@dataclass(frozen=True)
class Source:
    """A blob (or, for archives, an artifact tree) by its sha256, its format and its licence."""

    name: str
    create_time: datetime
    update_time: datetime
    format: Format
    digest: str = field(metadata={"restricted": True})
    display_name: str = ""
    licence: str = ""
    labels_by_folder: Mapping[str, str] = field(default_factory=dict)
    """Folder name to label; empty: the folder that holds an item is its label."""
    columns: Columns = field(default_factory=Columns)
    encoding: str = ""
    """Charset of what does not declare its own, by a WHATWG label; empty: detected."""
    revision: int = 0
    sample_by: SampleBy = SampleBy.LINE
    """Of a text file or a document, the part that is one record."""
    connection: str = ""
    """Connection whose reading created the source; empty: a request did."""
    consent: str = ""
    """Basis on which the data may be used."""
    domain: str = ""
    """Tag of the domain."""
    archive_depth: int | None = None
    """Levels of archives within archives that are read; None (release 0.1): none, and no documents."""
    blob: str = ""
    """Name of the blob among those of its connection's readings."""
    withdrawn: str = ""
    """Digest of the list of its withdrawn items; empty: none."""
    withdrawn_count: int = 0
    rows: Rows | None = None
    """What is done with the rows of a table; None: nothing."""

    @property
    def etag(self) -> str:
        """The mark of what can be changed: equal exactly when that is."""
        values = {field: getattr(self, field) for field in CHANGEABLE}
        settings = tuple(value for field, value in values.items() if (field, value) not in _NEWER)
        return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]

    def __post_init__(self) -> None:
        if len(self.encoding) > _ENCODING_CHARS:
            raise BadSource(f"encoding {self.encoding[:20]!r}… is not the name of a charset.")
        if self.archive_depth is not None and not 0 <= self.archive_depth <= MAX_ARCHIVE_DEPTH:
            raise BadSource(
                f"archive_depth is {self.archive_depth}; it must be from 0 to {MAX_ARCHIVE_DEPTH}."
            )
        if self.rows is not None and not self.format.is_table:
            raise BadSource(
                f"rows goes with tables (JSONL, CSV, Parquet, Excel, Arrow), not with {self.format}."
            )
        if not _DIGEST.fullmatch(self.digest):
            raise BadSource(f"digest {self.digest!r} is not a sha256 digest in lowercase hex.")


def rewritten(source: Source, digest: str) -> Source:
    """The source with a blob that lacks what was erased."""
    return replace(source, digest=digest)


def changed(source: Source, changes: Mapping[str, object]) -> Source:
    """The source with other settings; `columns` is a mapping of what changes of them, empty names take the defaults."""
    known = {field: value for field, value in changes.items() if field in CHANGEABLE}
    if len(known) < len(changes):
        unknown = ", ".join(sorted(set(changes) - set(known)))
        raise BadSource(f"These fields of a source cannot be changed: {unknown}.")
    if isinstance(columns := known.get("columns"), Mapping):
        known["columns"] = _with_columns(source.columns, columns)
    return replace(source, **cast(dict[str, Any], known))


def read_otherwise(before: Source, after: Source) -> bool:
    """Whether the same blob would give other texts."""
    return any(getattr(before, field) != getattr(after, field) for field in _HOW_IT_IS_READ)


def _with_columns(columns: Columns, changes: Mapping[str, Any]) -> Columns:
    defaults = Columns()
    names = {role: changes[role] or getattr(defaults, role) for role in _ROLES if role in changes}
    named = {role for role in columns.named if role not in changes} | {
        role for role in names if changes[role]
    }
    attributes = tuple(changes.get("attributes", columns.attributes))
    names |= {role: changes[role] for role in EXAMPLE_ROLES if role in changes}
    return replace(
        columns, **names, attributes=attributes, named=tuple(role for role in _ROLES if role in named)
    )
