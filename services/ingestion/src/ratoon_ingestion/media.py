"""Images, audio and video by their headers: media type, size, dimensions, duration. Nothing is decoded.

Sources: PNG (ISO/IEC 15948), JPEG (ITU-T T.81), GIF89a, WebP container, BMP, RIFF/WAVE, FLAC, ISO/IEC 14496-12 (MP4).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO

_HEAD, _TAIL = 1 << 20, 1 << 20
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"\x00\x00\x01\x00", "image/x-icon"),
    (8, b"WEBP", "image/webp"),
    (8, b"AIF", "audio/aiff"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/avi"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"MThd", "audio/midi"),
    (0, b"#!AMR", "audio/amr"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/matroska"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"FLV\x01", "video/flv"),
)
"""Place, signature and media type of files; each signature is enough."""
_BMP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))
_SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/tiff": ".tiff",
    "image/bmp": ".bmp",
    "image/webp": ".webp",
    "audio/wav": ".wav",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/flac": ".flac",
    "audio/midi": ".mid",
    "audio/aiff": ".aiff",
    "video/mp4": ".mp4",
    "video/matroska": ".mkv",
    "video/avi": ".avi",
    "video/mpeg": ".mpg",
}


@dataclass(frozen=True)
class Media:
    """What the header of a file says: media type, pixels, seconds; 0: not known."""

    mime_type: str
    size_bytes: int = 0
    width: int = 0
    height: int = 0
    duration_s: float = 0.0

    @property
    def group(self) -> str:
        """Return `image`, `audio`, `video`, or `file`."""
        group = self.mime_type.partition("/")[0]
        return group if group in ("image", "audio", "video") else "file"

    @property
    def suffix(self) -> str:
        """Return the suffix of a file name, with its dot."""
        return _SUFFIXES.get(self.mime_type, ".bin")


def media_of(head: bytes, size: int, tail: bytes = b"") -> Media | None:
    """Return what a file is by its beginning and, for MP4, its end; None if it is neither image, audio nor video."""
    kind = _kind(head)
    if kind is None:
        return None
    media = Media(kind, size)
    reader = _READERS.get(kind)
    if reader is None:
        return media
    try:
        return reader(media, head if kind != "video/mp4" else head + tail)
    except (struct.error, IndexError, ZeroDivisionError):
        return media


def media_in(stream: BinaryIO, size: int) -> Media | None:
    """Return what a stored file is."""
    head = stream.read(_HEAD)
    tail = b""
    if size > _HEAD and head[4:8] == b"ftyp":
        stream.seek(max(_HEAD, size - _TAIL))
        tail = stream.read(_TAIL)
    return media_of(head, size, tail)


def _kind(head: bytes) -> str | None:
    """Return the media type by the signature of a file."""
    if _is_mp3(head) or (head.startswith(b"ID3") and b"\0" in head[:10]):
        return "audio/mpeg"
    if head.startswith(b"BM") and head[6:10] == bytes(4) and head[14:18] in _BMP_HEADERS:
        return "image/bmp"
    return next((kind for at, sign, kind in SIGNATURES if head[at : at + len(sign)] == sign), None)


def _is_mp3(head: bytes) -> bool:
    """Return whether a file begins with a frame of MPEG audio, layer III."""
    return len(head) > 3 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[2] & 0xF0 not in (0, 0xF0)


def _png(media: Media, data: bytes) -> Media:
    width, height = struct.unpack(">II", data[16:24])
    return replace(media, width=width, height=height)


def _gif(media: Media, data: bytes) -> Media:
    width, height = struct.unpack("<HH", data[6:10])
    return replace(media, width=width, height=height)


def _bmp(media: Media, data: bytes) -> Media:
    width, height = struct.unpack("<ii", data[18:26])
    return replace(media, width=abs(width), height=abs(height))


def _jpeg(media: Media, data: bytes) -> Media:
    """The size stands in the first segment that starts a frame (SOF0 to SOF15 without DHT, JPG and DAC)."""
    place = 2
    while place + 9 < len(data):
        if data[place] != 0xFF:
            return media
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return replace(media, width=width, height=height)
        elif marker in (0x01, *range(0xD0, 0xD8)):
            place += 2
        else:
            place += 2 + int(struct.unpack(">H", data[place + 2 : place + 4])[0])
    return media


def _webp(media: Media, data: bytes) -> Media:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[place : place + 3], "little") + 1 for place in (24, 27))
    elif kind == b"VP8L":
        bits = struct.unpack("<I", data[21:25])[0]
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (each & 0x3FFF for each in struct.unpack("<HH", data[26:30]))
    return replace(media, width=width, height=height)


def _wav(media: Media, data: bytes) -> Media:
    place, rate = 12, 0
    while place + 8 <= len(data):
        name, size = data[place : place + 4], struct.unpack("<I", data[place + 4 : place + 8])[0]
        if name == b"fmt ":
            rate = struct.unpack("<I", data[place + 16 : place + 20])[0]
        if name == b"data":
            return replace(media, duration_s=round(min(size, media.size_bytes) / rate, 3))
        place += 8 + size + size % 2
    return media


def _flac(media: Media, data: bytes) -> Media:
    packed = int.from_bytes(data[18:26], "big")
    return replace(media, duration_s=round((packed & (1 << 36) - 1) / (packed >> 44), 3))


def _mp4(media: Media, data: bytes) -> Media:
    """Duration from the header of the movie, size from that of the first track that has one."""
    place = data.find(b"mvhd")
    if place < 0:
        return media
    is_long = data[place + 4] == 1
    at, form = (place + 24, ">IQ") if is_long else (place + 16, ">II")
    scale, duration = struct.unpack(form, data[at : at + struct.calcsize(form)])
    media = replace(media, duration_s=round(duration / scale, 3))
    place = data.find(b"tkhd")
    while place >= 0:
        at = place + (92 if data[place + 4] == 1 else 80)
        width, height = (each >> 16 for each in struct.unpack(">II", data[at : at + 8]))
        if width and height:
            return replace(media, width=width, height=height)
        place = data.find(b"tkhd", place + 4)
    return media


_READERS: dict[str, Callable[[Media, bytes], Media]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/bmp": _bmp,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "audio/wav": _wav,
    "audio/flac": _flac,
    "video/mp4": _mp4,
}
