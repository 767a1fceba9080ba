"""Archives and trees of files, each member an item. Nothing is ever unpacked to a disk.

Links and devices, metadata of operating systems, archives nested too deep, files that are no text, and members that are
too large are counted rejections. An archive that unfolds beyond the bounds, or breaks off, is an error that names it.
Sizes are those of the bytes read; the claims of a manifest or a header are ignored.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from ratoon.process.errors import FailedPrecondition, InvalidArgument, NotFound
from ratoon.storage.artifacts import ArtifactStore, TreeFile
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.documents import document_kind
from ratoon_ingestion.worker.documents.packages import BROKEN_ZIP
from ratoon_ingestion.worker.filetypes import archive_kind, binary_kind, office_kind
from ratoon_ingestion.worker.readers.items import (
    HEAD_BYTES,
    Item,
    Kind,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
    Unfolded,
    bomb,
    check_encoding,
    clean_path,
    max_bytes,
)
from ratoon_ingestion.worker.readers.mbox import mails_within
from ratoon_ingestion.worker.readers.nested import is_nested, nested_members
from ratoon_ingestion.worker.readers.pages import pages_of
from ratoon_ingestion.worker.readers.tar import BROKEN_TAR, tar_members
from ratoon_ingestion.worker.readers.zip import zip_members

_METADATA = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".git", ".svn", ".hg", "__pycache__")

_MARKDOWN = (".md", ".markdown", ".mdown", ".mdx", ".qmd", ".rmd")


def read_archive(
    source: SourceSpec, store: ArtifactStore, kind: Kind, limits: Limits
) -> Iterator[Item | Rejection]:
    """The members of a tar, a zip or a tree of the store."""
    check_encoding(source)
    with store.open(source.digest) as stream:
        for member in _members(source, store, stream, limits):
            entry = member if isinstance(member, Rejection) else _item(source, *member, kind)
            if isinstance(entry, Item) and kind is Kind.MAIL:
                yield from mails_within(entry, limits)
            elif isinstance(entry, Item):
                yield from pages_of(source, entry)
            else:
                yield entry


def archive_members(
    source: SourceSpec, store: ArtifactStore, limits: Limits
) -> Iterator[tuple[str, bytes] | Rejection]:
    """Yield path and content of each file of an archive or a tree, metadata of operating systems left out."""
    with store.open(source.digest) as stream:
        for member in _members(source, store, stream, limits):
            path = member.path if isinstance(member, Rejection) else member[0]
            if _is_metadata(path):
                yield Rejection(path, Rejected.METADATA_FILE)
            else:
                yield member


def _is_metadata(path: str) -> bool:
    return any(part in _METADATA or part.startswith("._") for part in PurePosixPath(path).parts)


def _members(
    source: SourceSpec, store: ArtifactStore, stream: BinaryIO, limits: Limits
) -> Iterator[tuple[str, bytes] | Rejection]:
    start = stream.read(512)
    stream.seek(0)
    count, unfolded = 0, Unfolded(source, limits)
    try:
        if start.startswith(b'{"files":['):
            members = _tree_members(source, store, limits, unfolded)
        elif start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            members = zip_members(source, stream, limits, unfolded)
        else:
            members = tar_members(source, stream, start, limits, unfolded)
        for member in members:
            count += 1
            if isinstance(member, Rejection) or not (source.archive_depth and is_nested(member[1])):
                yield member
            else:
                yield from nested_members(source, *member, limits, unfolded, source.archive_depth)
    except (*BROKEN_TAR, *BROKEN_ZIP) as error:
        raise SourceUnreadable(
            "ARCHIVE_DAMAGED",
            f"The archive of {source.name} is damaged or truncated after {count} items. Create it again "
            "and upload all of it.",
        ) from error


def _tree_members(
    source: SourceSpec, store: ArtifactStore, limits: Limits, unfolded: Unfolded
) -> Iterator[tuple[str, bytes] | Rejection]:
    if store.size(source.digest) > limits.directory_bytes:
        raise bomb(source, f"lists its files in more than {limits.directory_bytes:,} bytes")
    for file in _files(source, store):
        member = _file(source, store, file, limits)
        unfolded.add_bytes(0 if isinstance(member, Rejection) else len(member[1]))
        yield member


def _files(source: SourceSpec, store: ArtifactStore) -> list[TreeFile]:
    try:
        return store.tree(source.digest)
    except (FailedPrecondition, InvalidArgument) as error:
        raise SourceUnreadable(error.reason, f"The tree of {source.name} cannot be read: {error}") from error


def _file(
    source: SourceSpec, store: ArtifactStore, file: TreeFile, limits: Limits
) -> tuple[str, bytes] | Rejection:
    """One file of a tree; its size is that of its blob."""
    path = clean_path(file.path)
    try:
        if (size := store.size(file.sha256)) > limits.item_bytes:
            with store.open(file.sha256) as stream:
                head = stream.read(HEAD_BYTES)
            if size > max_bytes(source, head, limits):
                return Rejection(path, Rejected.TOO_LARGE, f"{size} bytes")
        return path, store.read(file.sha256)
    except NotFound:
        return Rejection(path, Rejected.DAMAGED_MEMBER, "its blob is not in the store")
    except FailedPrecondition as error:
        return Rejection(path, Rejected.DAMAGED_MEMBER, str(error)[:200])


def _item(source: SourceSpec, path: str, payload: bytes, kind: Kind) -> Item | Rejection:
    if _is_metadata(path):
        return Rejection(path, Rejected.METADATA_FILE)
    reads_documents = source.archive_depth is not None and kind is Kind.TEXT
    if reads_documents and document_kind(payload) is not None:
        return Item(path, Kind.DOCUMENT, payload, source.label_of(path))
    if (other := office_kind(payload)) is not None:
        return Rejection(path, Rejected.NOT_TEXT, f"{other}, {len(payload)} bytes")
    if (other := archive_kind(payload)) is not None:
        return Rejection(path, Rejected.NESTED_ARCHIVE, f"{other}, {len(payload)} bytes")
    if (other := binary_kind(payload)) is not None:
        return Rejection(path, Rejected.NOT_TEXT, f"{other}, {len(payload)} bytes")
    if reads_documents and path.lower().endswith(_MARKDOWN):
        kind = Kind.MARKDOWN
    return Item(path, kind, payload, source.label_of(path))
