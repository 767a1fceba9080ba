"""Tables as UTF-8, from any charset: detected once for a whole blob, then decoded as it is read."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.charset import Encoding, EncodingRefused, How, choose_for
from ratoon_ingestion.worker.readers.items import Limits, SourceSpec, SourceUnreadable

_CHUNK = 1 << 20
_HEAD = 4096
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OTHER_KINDS = (
    (
        b"PK\x03\x04",
        "a ZIP archive or an Excel workbook (.xlsx)",
        "Import it with the format excel or text-archive.",
    ),
    (b"\xd0\xcf\x11\xe0", "an old Office document (.xls)", "Import it with the format excel."),
    (b"PAR1", "a Parquet file", "Import it with the format parquet."),
    (b"ARROW1", "an Arrow file", "Import it with the format arrow."),
    (b"Obj\x01", "an Avro file", "Save it as Parquet or JSON lines and import that."),
    (b"%PDF-", "a PDF document", "Import it with the format document."),
    (b"SQLite format 3", "a SQLite database", "Export the table as CSV and import that."),
    (b"BZh", "packed with bzip2", "Unpack it and import the file inside."),
    (b"\xfd7zXZ\x00", "packed with xz", "Unpack it and import the file inside."),
    (b"\x28\xb5\x2f\xfd", "packed with Zstandard", "Unpack it and import the file inside."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it and import the file inside."),
    (b"Rar!", "a RAR archive", "Unpack it and import the file inside."),
    (b"\x89PNG", "an image (PNG)", "Name a file of texts."),
    (b"\xff\xd8\xff", "an image (JPEG)", "Name a file of texts."),
    (b"GIF8", "an image (GIF)", "Name a file of texts."),
    (b"\x7fELF", "a program", "Name a file of texts."),
)
_GZIP = b"\x1f\x8b"


@contextmanager
def opened(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Iterator[tuple[BinaryIO, Encoding]]:
    """A table's bytes as UTF-8 (with its byte order mark, if it has one), unpacked if it is packed with gzip."""
    with store.open(source.digest) as stream:
        _check_kind(source, stream.read(64))
    try:
        with _unpacked(source, store, limits) as stream:
            encoding = encoding_of(stream, source.encoding, limits.scan_bytes)
        with _unpacked(source, store, limits) as stream:
            yield _as_utf8(stream, encoding.codec), encoding
    except EncodingRefused as error:
        raise SourceUnreadable("ENCODING_UNKNOWN", f"{source.name} cannot be read: {error}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceUnreadable(
            "ARCHIVE_DAMAGED",
            f"{source.name} is packed with gzip and damaged or truncated. Pack it again and upload all of it.",
        ) from error


def encoding_of(stream: BinaryIO, override: str, scan_bytes: int = 0) -> Encoding:
    """The charset of a table: its byte order mark, else the one that was named, else UTF-8 if it fits, else a guess."""
    head = stream.read(_HEAD)
    for bom, codec in _BOMS:
        if head.startswith(bom):
            return Encoding(codec, How.BOM)
    if not override and (codec := _wide(head)):
        return Encoding(codec, How.DETECTED)
    encoding = choose_for(_chunks(stream, head, scan_bytes), override=override)
    return Encoding("utf-8", encoding.how) if encoding.codec == "ascii" else encoding


def _chunks(stream: BinaryIO, head: bytes, scan_bytes: int) -> Iterator[bytes]:
    """The stream from its start, up to a bound (0: none), which falls on the end of a line."""
    scanned, chunk = 0, head
    while chunk:
        scanned += len(chunk)
        if scan_bytes and scanned >= scan_bytes:
            yield chunk[: chunk.rfind(b"\n") + 1] or chunk
            return
        yield chunk
        chunk = stream.read(_CHUNK)


def _check_kind(source: SourceSpec, head: bytes) -> None:
    for magic, kind, way_out in _OTHER_KINDS:
        if head.startswith(magic):
            raise SourceUnreadable(
                "NOT_A_TABLE", f"{source.name} is {kind}, not {source.format.value}. {way_out}"
            )


@contextmanager
def _unpacked(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Iterator[BinaryIO]:
    with store.open(source.digest) as stream:
        packed = stream.read(2) == _GZIP
        stream.seek(0)
        if packed:
            yield cast(BinaryIO, _Bounded(gzip.GzipFile(fileobj=stream), source, limits.total_bytes))
        else:
            yield stream


class _Bounded(io.RawIOBase):
    """What a packed stream unfolds to, up to a bound."""

    def __init__(self, stream: gzip.GzipFile, source: SourceSpec, limit: int) -> None:
        self._stream, self._source, self._left = stream, source, limit

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes; SourceUnreadable beyond the bound."""
        data = self._stream.read(_CHUNK if size < 0 else size)
        self._left -= len(data)
        if self._left < 0:
            raise SourceUnreadable(
                "ARCHIVE_UNFOLDS_TOO_FAR",
                f"{self._source.name} decompresses to too many bytes: it is refused as a decompression "
                "bomb. Split it.",
            )
        return data


class _Utf8(io.RawIOBase):
    """A stream of some charset as one of UTF-8; what cannot be decoded is replaced."""

    def __init__(self, stream: BinaryIO, codec: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(codec)(errors="replace")
        self._ready = bytearray()
        self._ended = False

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, none at the end."""
        while not self._ended and len(self._ready) < max(size, 1):
            chunk = self._stream.read(_CHUNK)
            self._ended = not chunk
            text = self._decoder.decode(chunk, final=self._ended)
            self._ready += text.encode("utf-8", errors="replace")
        taken = bytes(self._ready[:size] if size >= 0 else self._ready)
        del self._ready[: len(taken)]
        return taken


def _as_utf8(stream: BinaryIO, codec: str) -> BinaryIO:
    return stream if codec == "utf-8" else cast(BinaryIO, _Utf8(stream, codec))


def _wide(head: bytes) -> str:
    """UTF-16 without a mark: its line ends, delimiters and digits have a zero byte, always on the same side.

    UTF-8 with a few NUL characters has such bytes as well, but remains valid.
    """
    zeros = head.count(0)
    if zeros < max(2, len(head) // 50) or (zeros < len(head) * 0.3 and _is_utf8(head)):
        return ""
    odd = head[1::2].count(0)
    if odd >= 0.95 * zeros:
        return "utf-16-le"
    return "utf-16-be" if zeros - odd >= 0.95 * zeros else ""


def _is_utf8(head: bytes) -> bool:
    """Return whether bytes are UTF-8 up to a last character that may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
