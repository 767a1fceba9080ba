"""Tar archives (plain, gz, bz2, xz) as a stream of members, read once and never beyond their bounds."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, Self, cast

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.charset import decode_names, decoded_as, names_encoding
from ratoon_ingestion.worker.filetypes import archive_kind, binary_kind
from ratoon_ingestion.worker.readers.items import (
    HEAD_BYTES,
    Limits,
    Rejection,
    SourceSpec,
    SourceUnreadable,
    Unfolded,
    bomb,
    clean_path,
    max_bytes,
)

_HEADER_BYTES = 1 << 20
"""What a header that holds a long name or other facts about the next member may take."""
_HEADER_TYPES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)

BROKEN_TAR = (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError)


def tar_members(
    source: SourceSpec, stream: BinaryIO, start: bytes, limits: Limits, unfolded: Unfolded
) -> Iterator[tuple[str, bytes] | Rejection]:
    """Path and bytes of each regular file; `start`, the stream's first bytes, identifies its compression."""
    unpacked = _Watched(source, stream, start, limits, unfolded)
    names = _Names(source.encoding)
    with _opened(source, unpacked, start) as archive:
        for info in archive:
            unfolded.add_members(1)
            if not info.isdir():
                yield _member(archive, info, names.path_of(info), source, limits)
            archive.members = []  # type: ignore[attr-defined] # a stream is read once: remember nothing


def _instead(start: bytes) -> str:
    """What the stream is instead of an archive; empty when unknown."""
    kind = archive_kind(start) or binary_kind(start)
    return f", but {kind}" if kind and kind != "application/octet-stream" else ""


def _opened(source: SourceSpec, unpacked: "_Watched", start: bytes) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=cast(IO[bytes], unpacked), mode="r|", tarinfo=_StrictInfo)
    except tarfile.ReadError as error:
        raise SourceUnreadable(
            "NOT_AN_ARCHIVE",
            f"The blob of {source.name} is neither a tar, a tar.gz nor a zip{_instead(start)}. Upload one of these.",
        ) from error


class _Names:
    """Names that are no UTF-8, as one program wrote them: the first ones determine their encoding."""

    _SAMPLE_NAMES = 200

    def __init__(self, encoding: str) -> None:
        self._override = encoding
        self._sample: list[bytes] = []
        self._written = names_encoding([])

    def path_of(self, info: tarfile.TarInfo) -> str:
        """The path of a member."""
        if info.name.isascii():
            return clean_path(info.name)
        raw = info.name.encode("utf-8", errors="surrogateescape")
        if len(self._sample) < self._SAMPLE_NAMES:
            self._sample.append(raw)
            self._written = names_encoding(self._sample, self._override)
        path = decoded_as(raw, self._written)
        return clean_path((decode_names([raw], self._override)[0] if path.replaced else path).text)


def _member(
    archive: tarfile.TarFile, info: tarfile.TarInfo, path: str, source: SourceSpec, limits: Limits
) -> tuple[str, bytes] | Rejection:
    if not info.isreg():
        return Rejection(path, Rejected.NOT_A_FILE, "a link, device or pipe")
    content = archive.extractfile(info)
    head = content.read(min(info.size, HEAD_BYTES)) if content else b""
    if info.size > max_bytes(source, head, limits):
        return Rejection(path, Rejected.TOO_LARGE, f"{info.size} bytes")
    payload = head + content.read(info.size - len(head)) if content else b""
    if len(payload) < info.size:
        raise EOFError(f"{path} is cut short")
    return path, payload


class _StrictInfo(tarfile.TarInfo):
    """Headers that must be whole: `tarfile` takes a missing or broken one for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        """The next header."""
        errors: Any = tarfile
        try:
            return super().fromtarfile(tarfile_)
        except errors.EOFHeaderError:
            raise
        except (errors.EmptyHeaderError, errors.TruncatedHeaderError, errors.InvalidHeaderError) as error:
            raise tarfile.ReadError(str(error)) from None

    def _proc_member(self, tarfile_: tarfile.TarFile) -> Self:
        """The member that a header begins; a header about another is read into memory, so it is bounded."""
        if self.type in _HEADER_TYPES and self.size > _HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        whole: Self = super()._proc_member(tarfile_)  # type: ignore[misc]
        return whole


class _Watched:
    """The unpacked stream, which refuses to unfold beyond the bounds."""

    def __init__(
        self, source: SourceSpec, stream: BinaryIO, start: bytes, limits: Limits, unfolded: Unfolded
    ) -> None:
        self._source, self._limits, self._unfolded = source, limits, unfolded
        self._packed = _Counted(stream)
        self._unpacked = _decompressed(self._packed, start)
        self._count = 0

    def read(self, size: int) -> bytes:
        """The next bytes; SourceUnreadable when they are too many."""
        data = self._unpacked.read(size)
        self._count += len(data)
        self._unfolded.add_bytes(len(data))
        if self._count > max(self._limits.ratio_floor, self._limits.ratio * self._packed.count):
            raise bomb(
                self._source, f"decompresses {self._packed.count:,} bytes to more than {self._count:,}"
            )
        return data


class _Counted:
    """A reader that counts what passed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        """Like any reader's."""
        data = self._stream.read(size)
        self.count += len(data)
        return data


def _decompressed(stream: _Counted, start: bytes) -> IO[bytes]:
    raw: Any = stream
    if start.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if start.startswith(b"BZh"):
        return bz2.BZ2File(raw)
    if start.startswith(b"\xfd7zXZ"):
        return lzma.LZMAFile(raw)
    return cast(IO[bytes], raw)
