"""Archives and trees of files, each member an item. Nothing is ever unpacked to a disk.

Links and devices, metadata of operating systems, archives within archives, and members that are too large are
counted rejections. An archive that unfolds beyond the bounds, or breaks off, is an error that names it.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from ratoon.chassis.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.readers.items import (
    Item,
    Kind,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
    clean_path,
)
from ratoon_ingestion.worker.readers.tar import BROKEN_TAR, tar_members
from ratoon_ingestion.worker.readers.zip import BROKEN_ZIP, zip_members

_METADATA = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", ".git", ".svn")
_NESTED = (
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
    b"\x28\xb5\x2f\xfd",
)


def read_archive(
    source: SourceSpec, store: ArtifactStore, kind: Kind, limits: Limits
) -> Iterator[Item | Rejection]:
    """The members of a tar, a zip or a tree of the store."""
    with store.open(source.digest) as stream:
        for member in _members(source, store, stream, limits):
            yield member if isinstance(member, Rejection) else _item(source, *member, kind)


def _members(
    source: SourceSpec, store: ArtifactStore, stream: BinaryIO, limits: Limits
) -> Iterator[tuple[str, bytes] | Rejection]:
    start = stream.read(512)
    stream.seek(0)
    count = 0
    try:
        if start.startswith(b'{"files":['):
            members = _tree_members(source, store, limits)
        elif start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            members = zip_members(source, stream, limits)
        else:
            members = tar_members(source, stream, start, limits)
        for member in members:
            count += 1
            yield member
    except (*BROKEN_TAR, *BROKEN_ZIP) as error:
        raise SourceUnreadable(
            "ARCHIVE_DAMAGED",
            f"The archive of {source.name} breaks off after {count} items ({error or type(error).__name__}). "
            "Make it again and upload it whole.",
        ) from error


def _tree_members(
    source: SourceSpec, store: ArtifactStore, limits: Limits
) -> Iterator[tuple[str, bytes] | Rejection]:
    for file in store.tree(source.digest):
        path = clean_path(file.path)
        if file.size > limits.item_bytes:
            yield Rejection(path, Rejected.TOO_LARGE, f"{file.size} bytes")
        else:
            yield path, store.read(file.sha256)


def _item(source: SourceSpec, path: str, payload: bytes, kind: Kind) -> Item | Rejection:
    if any(part in _METADATA or part.startswith("._") for part in PurePosixPath(path).parts):
        return Rejection(path, Rejected.METADATA_FILE)
    if payload.startswith(_NESTED) or payload[257:262] == b"ustar":
        return Rejection(path, Rejected.NESTED_ARCHIVE)
    return Item(path, kind, payload, source.label_of(path))
