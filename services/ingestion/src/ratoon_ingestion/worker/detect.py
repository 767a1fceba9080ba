"""Which format a blob has, from its first bytes and, where these leave it open, from the name of the file."""

import bz2
import io
import json
import re
import struct
import tarfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import PurePosixPath
from typing import BinaryIO

from ratoon_ingestion.domain.sources import Format
from ratoon_ingestion.media import media_of
from ratoon_ingestion.worker.documents.read import is_encrypted_office, is_old_workbook
from ratoon_ingestion.worker.filetypes import office_kind
from ratoon_ingestion.worker.mail import is_markup
from ratoon_ingestion.worker.readers import SourceUnreadable
from ratoon_ingestion.worker.readers.encodings import encoding_of

_HEAD = 64 << 10
_MEMBERS = 5
_BY_SUFFIX = {
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSONL,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".tab": Format.CSV,
    ".parquet": Format.PARQUET,
    ".mbox": Format.MBOX,
    ".mbx": Format.MBOX,
    ".md": Format.DOCUMENT,
    ".markdown": Format.DOCUMENT,
    ".htm": Format.DOCUMENT,
    ".html": Format.DOCUMENT,
    ".xhtml": Format.DOCUMENT,
}
_TEXTS = (".txt", ".text")
_DELIMITERS = ",;\t|"
_TABLE_LINES = 20
_MAIL = re.compile(
    rb"\A\s*(?:[!-9;-~]{1,70}:[^\n]*\n(?:[ \t][^\n]*\n)*){0,40}?"
    rb"(?:From|Received|Subject|Message-ID|Return-Path|Delivered-To|MIME-Version):",
    re.IGNORECASE,
)
_BY_KIND = {
    "application/docx": Format.DOCUMENT,
    "application/epub": Format.DOCUMENT,
    "application/xlsx": Format.EXCEL,
}
_OFFICE = ("application/pptx", "application/office", "application/opendocument")
_SPREADSHEET = b"application/vnd.oasis.opendocument.spreadsheet"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_BYTES = 64 << 20
_TAIL = 8 << 10
_SIGNED = {
    b"PAR1": Format.PARQUET,
    b'{"files":[': Format.TEXT_ARCHIVE,
    b"%PDF-": Format.DOCUMENT,
    b"ARROW1": Format.ARROW,
    b"FEA1": Format.ARROW,
    b"\xff\xff\xff\xff": Format.ARROW,
}
_WEB_ARCHIVE = (b"WARC/", b"filedesc:")
_DUMP = re.compile(rb"\A\s*(?:<\?xml[^>]{0,200}\?>\s*)?<mediawiki[\s>]")
_BROKEN = (
    IndexError,
    struct.error,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    ValueError,
)
FORMATS = (
    "mail-archive, mbox, text-archive, jsonl, csv, parquet, text, document, excel, arrow, warc, wikipedia and "
    "media-archive"
)


def detected(stream: BinaryIO, file_name: str) -> Format:
    """The format of a blob; SourceUnreadable, with the formats that there are, when it is none of them."""
    head = stream.read(_HEAD)
    if not head:
        raise SourceUnreadable(
            "SOURCE_EMPTY", f"{file_name or 'The file'} is empty. Check what was uploaded."
        )
    stream.seek(0)
    format = _of_bytes(head, stream) or _by_name(file_name, head) or _of_text(head)
    if format is None and _MAIL.match(head):
        raise SourceUnreadable(
            "FORMAT_UNKNOWN",
            f"{file_name or 'The file'} is a single mail: import the directory or archive that contains it.",
        )
    if format is None:
        raise SourceUnreadable(
            "FORMAT_UNKNOWN",
            f"The format of {file_name or 'the file'} cannot be detected. Ratoon reads {FORMATS}: name "
            "one of them.",
        )
    return format


def _of_bytes(head: bytes, stream: BinaryIO) -> Format | None:
    if (
        signed := next((format for sign, format in _SIGNED.items() if head.startswith(sign)), None)
    ) is not None:
        return signed
    if (special := _of_stream(head) or _of_office(head, stream)) is not None:
        return special
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06") or head[257:262] == b"ustar":
        return _archive(stream)
    if head.startswith((b"BZh", b"\xfd7zXZ\x00")):
        return _archive(stream)
    if head.startswith(b"\x1f\x8b"):
        return _packed(head, stream)
    if re.match(rb"\s*From [^\n]*\d\d:\d\d", head):
        return Format.MBOX
    return None


def _of_stream(head: bytes) -> Format | None:
    """Return the format of a web archive or a dump, plain or packed."""
    for data in (head, _unpacked(head)):
        if data.startswith(_WEB_ARCHIVE):
            return Format.WARC
        if _DUMP.match(data):
            return Format.WIKIPEDIA
    return None


def _unpacked(head: bytes) -> bytes:
    """Return the beginning of what is packed with gzip or bzip2; empty if nothing is."""
    with suppress(zlib.error, OSError, ValueError):
        if head.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
        if head.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(head, _HEAD)
    return b""


def _of_office(head: bytes, stream: BinaryIO) -> Format | None:
    """Return the format of an office document or a book; None for other files."""
    if head.startswith(_OLE):
        return _old_office(stream)
    if not head.startswith(b"PK"):
        return None
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - _TAIL))
    kind = office_kind(head[:_TAIL] + stream.read(_TAIL))
    stream.seek(0)
    if kind in _OFFICE and _SPREADSHEET not in head[:_TAIL]:
        raise SourceUnreadable(
            "NOT_A_TABLE",
            f"The file is an office document that cannot be read ({kind}). Save it as PDF, DOCX, XLSX or CSV, and "
            "import that.",
        )
    return Format.EXCEL if kind in _OFFICE else _BY_KIND.get(kind or "")


def _old_office(stream: BinaryIO) -> Format:
    payload = stream.read(_OLE_BYTES)
    stream.seek(0)
    if is_encrypted_office(payload):
        raise SourceUnreadable(
            "ENCRYPTED", "The file is an office document with a password. Save it without one."
        )
    if is_old_workbook(payload):
        return Format.EXCEL
    raise SourceUnreadable(
        "NOT_A_TABLE",
        "The file is an office document of before 2007. Save it as DOCX or PDF, and import that.",
    )


def _packed(head: bytes, stream: BinaryIO) -> Format | None:
    unpacked = _unpacked(head)
    if not unpacked:
        return None  # damaged: its reader reports it, if the name identifies the format
    return _archive(stream) if unpacked[257:262] == b"ustar" else _of_text(unpacked)


def _archive(stream: BinaryIO) -> Format:
    """Mails, media or texts: what most of the first members are."""
    try:
        starts = _members(stream)
    except _BROKEN:
        starts = []
    if sum(media_of(start, len(start)) is not None for start in starts) * 2 > len(starts):
        return Format.MEDIA_ARCHIVE
    mails = sum(_MAIL.match(start) is not None for start in starts)
    return Format.MAIL_ARCHIVE if mails * 2 > len(starts) else Format.TEXT_ARCHIVE


def _members(stream: BinaryIO) -> list[bytes]:
    starts: list[bytes] = []
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as archive:
            for info in archive.infolist():
                if not info.is_dir() and not info.flag_bits & 1 and len(starts) < _MEMBERS:
                    with archive.open(info) as member:
                        starts.append(member.read(4096))
        return starts
    stream.seek(0)
    with tarfile.open(fileobj=stream, mode="r|*") as tar:
        for entry in tar:
            if entry.isfile() and (content := tar.extractfile(entry)) is not None:
                starts.append(content.read(4096))
            if len(starts) >= _MEMBERS:
                break
    return starts


def _by_name(file_name: str, head: bytes) -> Format | None:
    plain = file_name.lower().removesuffix(".gz")
    suffix = PurePosixPath(plain).suffix
    return _of_text_file(head) if suffix in _TEXTS else _BY_SUFFIX.get(suffix)


def _of_text_file(head: bytes) -> Format:
    """The format of a file that is named as a text: a table if its lines have equally many delimiters, or are JSON."""
    whole = _decoded(head).splitlines()
    lines = [line for line in whole[: min(_TABLE_LINES, len(whole) - (len(head) >= _HEAD))] if line.strip()]
    if lines and all(map(_is_json, lines)):
        return Format.JSONL
    counts = ({line.count(delimiter) for line in lines} for delimiter in _DELIMITERS)
    is_table = len(lines) > 1 and any(len(each) == 1 and each != {0} for each in counts)
    return Format.CSV if is_table else Format.TEXT


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _decoded(head: bytes) -> str:
    encoding = encoding_of(io.BytesIO(head), "")
    return head.decode(encoding.codec, errors="replace").lstrip("\ufeff \t\r\n")


def _of_text(head: bytes) -> Format | None:
    """JSON by its first bracket; HTML by its first tag; CSV when a delimiter stands in the first line."""
    text = _decoded(head)
    if is_markup(text):
        return Format.DOCUMENT
    if text[:1] in ("{", "["):
        return Format.JSONL
    if "\x00" in text[:1000]:
        return None
    first = text.splitlines()[0] if text else ""
    return Format.CSV if any(delimiter in first for delimiter in _DELIMITERS) else None
