"""What readers yield: items with their provenance, and rejections; and the bounds within which they read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePosixPath

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Columns, Format, SampleBy
from ratoon_ingestion.worker.charset import EncodingRefused, named_codec
from ratoon_ingestion.worker.filetypes import archive_kind

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_PATH_CHARS = 512
HEAD_BYTES = 8_192
"""First bytes of a member of an archive, from which its type is known."""
_ARCHIVE_SUFFIX = re.compile(r"\.(?:zip|tar|tgz|tbz2?|txz|tar\.(?:gz|bz2|xz))$", re.IGNORECASE)
_MAILDIR = frozenset({"cur", "new", "tmp"})
"""Folders of a Maildir that say where a mail stands, not what it is."""


class Kind(StrEnum):
    """How an item's bytes are decoded."""

    MAIL = "mail"
    TEXT = "text"
    CELL = "cell"
    """UTF-8 by now: the table that it is of was decoded as a whole."""
    GUESSED_CELL = "guessed_cell"
    """The same, where the table's charset had to be guessed."""
    LOSSY_CELL = "lossy_cell"
    """The same, where characters could not be decoded and were replaced."""
    EXAMPLE = "example"
    """A record as JSON, in UTF-8: a conversation, an instruction, a preference or a rated answer."""
    GUESSED_EXAMPLE = "guessed_example"
    LOSSY_EXAMPLE = "lossy_example"
    DOCUMENT = "document"
    """A PDF, DOCX or EPUB file."""
    MARKDOWN = "markdown"
    """A text of any charset that front matter may precede."""
    HTML = "html"
    """A web page, in UTF-8."""
    PAGE = "page"
    """The text of a page of a document, in UTF-8."""
    MEDIA = "media"
    """An image, audio or video file (`readers.media.MediaPayload`)."""
    WIKITEXT = "wikitext"
    """The markup of a wiki's page, in UTF-8."""

    @property
    def is_example(self) -> bool:
        """Return whether the payload is a record as JSON."""
        return self in (Kind.EXAMPLE, Kind.GUESSED_EXAMPLE, Kind.LOSSY_EXAMPLE)

    @property
    def guessed(self) -> "Kind":
        """Return the kind of such an item from a table whose charset was guessed."""
        return Kind.GUESSED_EXAMPLE if self.is_example else Kind.GUESSED_CELL

    @property
    def lossy(self) -> "Kind":
        """Return the kind of such an item in which characters were replaced."""
        return Kind.LOSSY_EXAMPLE if self.is_example else Kind.LOSSY_CELL


@dataclass(frozen=True)
class RowSettings:
    """Join, groups and sort of the rows of a table."""

    other: "SourceSpec | None" = None
    """The other source of a join; None: no join."""
    key: str = ""
    other_key: str = ""
    """Empty: the same as `key`."""
    inner: bool = False
    """Rows without a partner are left out."""
    sort_by: tuple[str, ...] = ()
    """Columns, each descending after `-`."""
    group_by: tuple[str, ...] = ()
    separator: str = ""
    """Text between the texts of a group; empty: a line break."""


@dataclass(frozen=True)
class SourceSpec:
    """A source as the worker sees it: its resource name, its blob (or tree) and how to read it."""

    name: str
    digest: str
    format: Format
    licence: str = ""
    labels_by_folder: Mapping[str, str] = field(default_factory=dict)
    """Folder name to label; empty: the folder that holds an item is its label."""
    columns: Columns = field(default_factory=Columns)
    encoding: str = ""
    """Charset of what does not declare its own, by a WHATWG label; empty: detected."""
    sample_by: SampleBy = SampleBy.LINE
    """Of a text file or a document, the part that is one record."""
    archive_depth: int | None = None
    """Levels of archives within archives that are read; None: none, and no documents, as in release 0.1."""
    rows: RowSettings | None = None
    """What is done with the rows of a table; None: nothing."""
    withdrawn: str = ""
    """Digest of the list of withdrawn items; empty: none."""
    whole_rows: bool = False
    """Read all columns of a table, not the configured ones alone."""

    def label_of(self, path: str) -> str | None:
        """The label that an item's path gives it, if any."""
        folders = PurePosixPath(path).parts[:-1]
        if self.format is Format.MAIL_ARCHIVE and folders and folders[-1] in _MAILDIR:
            folders = folders[:-1]
        if self.archive_depth is not None:
            folders = tuple(_ARCHIVE_SUFFIX.sub("", name) for name in folders)
        if not self.labels_by_folder:
            return folders[-1] if folders else None
        return next((self.labels_by_folder[name] for name in folders if name in self.labels_by_folder), None)


@dataclass(frozen=True)
class Limits:
    """Bounds on what one source may unfold to; bytes."""

    item_bytes: int = 8 << 20
    document_bytes: int = 64 << 20
    """Size of a document, and of an archive within an archive."""
    members: int = 2_000_000
    directory_bytes: int = 64 << 20
    """What an archive's list of its members may take."""
    total_bytes: int = 16 << 30
    ratio: int = 300
    """Unpacked by packed size, watched from `ratio_floor` unpacked bytes on."""
    ratio_floor: int = 64 << 20
    scan_bytes: int = 0
    """Bytes of a table from which to detect its charset; 0: all of them."""


@dataclass(frozen=True)
class Item:
    """One raw item and where it came from."""

    path: str
    kind: Kind
    payload: bytes
    label: str | None = None
    time: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    layout: str = field(default="", compare=False)
    """Layout of the row of a table that the item was."""
    mark: str = field(default="", compare=False)
    """Mark of the row or message of a connection that the item was."""


@dataclass(frozen=True)
class Rejection:
    """One item that could not even be read, and why."""

    path: str
    reason: Rejected
    detail: str = ""


class SourceUnreadable(Exception):
    """A source that cannot be read to its end, so that items would be lost: the build fails."""

    code = "FAILED_PRECONDITION"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def bomb(source: SourceSpec, what: str) -> SourceUnreadable:
    """The refusal of an archive that unfolds too far; `what` says how."""
    return SourceUnreadable(
        "ARCHIVE_UNFOLDS_TOO_FAR",
        f"The archive of {source.name} {what}: it is refused as a decompression bomb. Split it, or upload "
        "the texts as JSON lines.",
    )


class Exhausted(SourceUnreadable):
    """An archive that, with the archives within it, unfolds beyond the bounds."""


class Unfolded:
    """What an archive and the archives within it unfolded to."""

    def __init__(self, source: SourceSpec, limits: Limits) -> None:
        self._source, self._limits = source, limits
        self._bytes = self._members = 0

    def add_members(self, count: int) -> None:
        """Count members; Exhausted if they are too many."""
        self._members += count
        if self._members > self._limits.members:
            raise _exhausted(self._source, f"holds more than {self._limits.members:,} members")

    def add_bytes(self, count: int) -> None:
        """Count decompressed bytes; Exhausted if they are too many."""
        self._bytes += count
        if self._bytes > self._limits.total_bytes:
            raise _exhausted(self._source, f"decompresses to more than {self._limits.total_bytes:,} bytes")


def max_bytes(source: SourceSpec, head: bytes, limits: Limits) -> int:
    """Return how large a member of an archive may be that begins with these bytes."""
    if source.archive_depth is None:
        return limits.item_bytes
    is_large = head.startswith((b"%PDF-", b"\xd0\xcf\x11\xe0")) or archive_kind(head) is not None
    return max(limits.item_bytes, limits.document_bytes) if is_large else limits.item_bytes


def _exhausted(source: SourceSpec, what: str) -> Exhausted:
    error = bomb(source, what)
    return Exhausted(error.reason, str(error))


def check_encoding(source: SourceSpec) -> None:
    """SourceUnreadable when the source names an encoding that there is not."""
    try:
        if source.encoding:
            named_codec(source.encoding)
    except EncodingRefused as error:
        raise SourceUnreadable(error.reason, f"{source.name} cannot be read: {error}") from error


def clean_path(raw: str) -> str:
    """A path as provenance only: relative, without `..`, printable, at most 512 characters."""
    printable = _UNPRINTABLE.sub("?", raw.replace("\\", "/"))
    parts = [part for part in PurePosixPath(printable).parts if part not in ("/", "..", ".")]
    return "/".join(parts)[-_PATH_CHARS:] or "unnamed"


def as_time(value: object) -> datetime | None:
    """A time in UTC from a datetime, an ISO 8601 string or Unix seconds; None when it is none of them."""
    try:
        if isinstance(value, str):
            stripped = value.strip()
            value = (
                float(stripped)
                if stripped.replace(".", "", 1).isdigit()
                else datetime.fromisoformat(stripped)
            )
        if isinstance(value, bool):
            return None
        if isinstance(value, int | float):
            value = datetime.fromtimestamp(value, UTC)
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
