"""Archives within archives, level by level, and single files that are compressed."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, cast

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.documents.packages import BROKEN_ZIP
from ratoon_ingestion.worker.filetypes import archive_kind, office_kind
from ratoon_ingestion.worker.readers.items import (
    Exhausted,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
    Unfolded,
    clean_path,
)
from ratoon_ingestion.worker.readers.tar import BROKEN_TAR, tar_members
from ratoon_ingestion.worker.readers.zip import zip_members

Member = tuple[str, bytes]

_COMPRESSED: Mapping[str, Callable[[Any], Any]] = {
    "application/gzip": lambda stream: gzip.GzipFile(fileobj=stream),
    "application/bzip2": bz2.BZ2File,
    "application/xz": lzma.LZMAFile,
}
_READ = ("application/zip", "application/tar", *_COMPRESSED)
_TAR_START = 512
_FAULTS = (*BROKEN_TAR, *BROKEN_ZIP, RuntimeError, ValueError)


def is_nested(payload: bytes) -> bool:
    """Return whether a member is an archive or a compressed file that can be read; office documents are none."""
    return archive_kind(payload) in _READ and office_kind(payload) is None


def nested_members(
    source: SourceSpec, path: str, payload: bytes, limits: Limits, unfolded: Unfolded, depth: int
) -> Iterator[Member | Rejection]:
    """Yield the members of an archive and, `depth` - 1 levels further, those of the archives in it.

    A damaged archive is one rejection, after the members that could be read; so is one that is a bomb by itself.
    """
    try:
        for member in _members(source, payload, limits, unfolded):
            name = member.path if isinstance(member, Rejection) else member[0]
            inside = clean_path(f"{path}/{name}") if name else path
            if isinstance(member, Rejection):
                yield Rejection(inside, member.reason, member.detail)
            elif depth > 1 and is_nested(member[1]):
                yield from nested_members(source, inside, member[1], limits, unfolded, depth - 1)
            else:
                yield inside, member[1]
    except Exhausted:
        raise
    except SourceUnreadable as error:
        yield Rejection(path, Rejected.COMPRESSION_RATIO, str(error)[:200])
    except _FAULTS as error:
        yield Rejection(
            path, Rejected.DAMAGED_MEMBER, f"a damaged or truncated archive ({type(error).__name__})"
        )


def _members(
    source: SourceSpec, payload: bytes, limits: Limits, unfolded: Unfolded
) -> Iterator[Member | Rejection]:
    """Yield members with their paths in the archive; the path of a single compressed file is empty."""
    kind = archive_kind(payload) or ""
    if kind == "application/zip":
        yield from zip_members(source, io.BytesIO(payload), limits, unfolded)
    elif kind == "application/tar" or _is_packed_tar(kind, payload):
        yield from tar_members(source, io.BytesIO(payload), payload[:_TAR_START], limits, unfolded)
    else:
        yield _unpacked(kind, payload, limits, unfolded)


def _opened(kind: str, payload: bytes) -> IO[bytes]:
    return cast(IO[bytes], _COMPRESSED[kind](io.BytesIO(payload)))


def _is_packed_tar(kind: str, payload: bytes) -> bool:
    try:
        return archive_kind(_opened(kind, payload).read(_TAR_START)) == "application/tar"
    except (EOFError, OSError, lzma.LZMAError, zlib.error):
        return False


def _unpacked(kind: str, payload: bytes, limits: Limits, unfolded: Unfolded) -> Member | Rejection:
    data = _opened(kind, payload).read(limits.item_bytes + 1)
    unfolded.add_bytes(len(data))
    if len(data) > limits.item_bytes:
        return Rejection("", Rejected.TOO_LARGE, f"more than {limits.item_bytes} bytes")
    return "", data
