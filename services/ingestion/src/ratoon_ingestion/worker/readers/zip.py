"""Zip archives by their directory. Encrypted, damaged and overblown members are counted rejections."""

import struct
import zipfile
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.charset import decode_names
from ratoon_ingestion.worker.documents.packages import BROKEN_ZIP
from ratoon_ingestion.worker.readers.items import (
    HEAD_BYTES,
    Limits,
    Rejection,
    SourceSpec,
    Unfolded,
    bomb,
    clean_path,
    max_bytes,
)

_SMALL = 1 << 20
"""Members below this many unpacked bytes may be packed as well as they like."""
_TAIL = 66_000
_END, _END_64 = b"PK\x05\x06", b"PK\x06\x06"
_LOCAL_HEADER = 30
_UTF8_NAME = 0x800
_UNICODE_PATH = 0x7075


def zip_members(
    source: SourceSpec, stream: BinaryIO, limits: Limits, unfolded: Unfolded
) -> Iterator[tuple[str, bytes] | Rejection]:
    """Path and bytes of each member."""
    if _directory_bytes(stream) > limits.directory_bytes:
        raise bomb(source, f"lists its members in more than {limits.directory_bytes:,} bytes")
    with zipfile.ZipFile(stream) as archive:
        infos = archive.infolist()
        unfolded.add_members(len(infos))
        if _overlap(infos):
            raise bomb(source, "has members that share their bytes")
        for info, path in zip(infos, _paths(infos, source.encoding), strict=True):
            if info.filename.endswith("/"):
                continue
            member = _refused(info, path, limits) or _member(archive, info, path, source, limits)
            unfolded.add_bytes(0 if isinstance(member, Rejection) else len(member[1]))
            yield member


def _directory_bytes(stream: BinaryIO) -> int:
    """Size of the archive's directory by its own record; 0 when that record is missing."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _TAIL))
    tail = stream.read(_TAIL)
    stream.seek(0)
    end, end_64 = tail.rfind(_END), tail.rfind(_END_64)
    if end_64 >= 0 and len(tail) >= end_64 + 48:
        return int.from_bytes(tail[end_64 + 40 : end_64 + 48], "little")
    return int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0


def _overlap(infos: Sequence[zipfile.ZipInfo]) -> bool:
    """Whether two members lie in the same bytes, so that a small archive unfolds to any number of copies."""
    end = 0
    for info in sorted(infos, key=lambda each: each.header_offset):
        if info.header_offset < end:
            return True
        end = info.header_offset + _LOCAL_HEADER + info.compress_size
    return False


def _paths(infos: Sequence[zipfile.ZipInfo], encoding: str) -> list[str]:
    """The members' paths. Names that do not say that they are UTF-8 are in one encoding, which is guessed."""
    untold = [info for info in infos if not info.flag_bits & _UTF8_NAME]
    guessed = decode_names(
        [info.orig_filename.encode("cp437", errors="replace") for info in untold], encoding
    )
    names = {id(info): name.text for info, name in zip(untold, guessed, strict=True)}
    return [
        clean_path(_unicode_path(info) or names.get(id(info)) or info.filename or "unnamed") for info in infos
    ]


def _unicode_path(info: zipfile.ZipInfo) -> str:
    """The name in Info-ZIP's extra field, which says it in UTF-8; empty when there is none."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        if kind == _UNICODE_PATH and size > 5:
            return extra[9 : 4 + size].decode("utf-8", errors="replace")
        extra = extra[4 + size :]
    return ""


def _refused(info: zipfile.ZipInfo, path: str, limits: Limits) -> Rejection | None:
    """Why a member is not even opened."""
    if info.flag_bits & 0x1:
        return Rejection(path, Rejected.ENCRYPTED)
    if (info.external_attr >> 16) & 0o170000 == 0o120000:
        return Rejection(path, Rejected.NOT_A_FILE, "a link")
    if info.file_size > max(_SMALL, limits.ratio * info.compress_size):
        return Rejection(path, Rejected.COMPRESSION_RATIO, f"{info.compress_size} to {info.file_size} bytes")
    return None


def _member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str, source: SourceSpec, limits: Limits
) -> tuple[str, bytes] | Rejection:
    try:
        with archive.open(info) as content:
            head = content.read(HEAD_BYTES)
            if info.file_size > (bound := max_bytes(source, head, limits)):
                return Rejection(path, Rejected.TOO_LARGE, f"{info.file_size} bytes")
            payload = head + content.read(bound + 1 - len(head))
    except (*BROKEN_ZIP, RuntimeError, ValueError) as error:
        return Rejection(path, Rejected.DAMAGED_MEMBER, _damage(error))
    if len(payload) > bound:
        return Rejection(path, Rejected.TOO_LARGE, "larger than the archive says")
    return path, payload


def _damage(error: Exception) -> str:
    """What is wrong with a member."""
    if isinstance(error, NotImplementedError):
        return "it is compressed by an unknown method"
    if isinstance(error, EOFError):
        return "it is truncated"
    return "its bytes do not match its header or its checksum"
