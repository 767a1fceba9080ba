"""Zip archives by their directory. Encrypted, damaged and overblown members are counted rejections."""

import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.readers.items import Limits, Rejection, SourceSpec, bomb, clean_path

BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)
"""What a damaged or too modern archive makes the library raise."""
_SMALL = 1 << 20
"""Members below this many unpacked bytes may be packed as well as they like."""


def zip_members(
    source: SourceSpec, stream: BinaryIO, limits: Limits
) -> Iterator[tuple[str, bytes] | Rejection]:
    """Path and bytes of each member."""
    unpacked = 0
    with zipfile.ZipFile(stream) as archive:
        infos = archive.infolist()
        if len(infos) > limits.members:
            raise bomb(source, f"holds more than {limits.members:,} members")
        for info in infos:
            if info.is_dir():
                continue
            member = _refused(info, limits) or _member(archive, info, limits)
            unpacked += 0 if isinstance(member, Rejection) else len(member[1])
            if unpacked > limits.total_bytes:
                raise bomb(source, f"unfolds to more than {limits.total_bytes:,} bytes")
            yield member


def _refused(info: zipfile.ZipInfo, limits: Limits) -> Rejection | None:
    """Why a member is not even opened."""
    path = clean_path(info.filename)
    if info.flag_bits & 0x1:
        return Rejection(path, Rejected.ENCRYPTED)
    if (info.external_attr >> 16) & 0o170000 == 0o120000:
        return Rejection(path, Rejected.NOT_A_FILE, "a link")
    if info.file_size > max(_SMALL, limits.ratio * info.compress_size):
        return Rejection(path, Rejected.COMPRESSION_RATIO, f"{info.compress_size} to {info.file_size} bytes")
    if info.file_size > limits.item_bytes:
        return Rejection(path, Rejected.TOO_LARGE, f"{info.file_size} bytes")
    return None


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limits: Limits) -> tuple[str, bytes] | Rejection:
    path = clean_path(info.filename)
    try:
        with archive.open(info) as content:
            payload = content.read(limits.item_bytes + 1)
    except (*BROKEN_ZIP, RuntimeError) as error:
        return Rejection(path, Rejected.DAMAGED_MEMBER, str(error)[:200])
    if len(payload) > limits.item_bytes:
        return Rejection(path, Rejected.TOO_LARGE, "larger than the archive says")
    return path, payload
