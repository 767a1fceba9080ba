"""Which reader reads which document, by content."""

from collections.abc import Callable, Mapping

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.documents.document import Document, NotReadable
from ratoon_ingestion.worker.filetypes import office_kind

_PDF, _OLE = b"%PDF-", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PDF_START = 1_024
"""Bytes in which the signature of a PDF stands; some programs write others before it."""
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_WORKBOOKS = ("Workbook".encode("utf-16-le"), "Book\0\0".encode("utf-16-le"))


def document_kind(payload: bytes) -> str | None:
    """Return `pdf`, `docx`, `epub` or `ole` (an old or an encrypted office document); None for other files."""
    if _PDF in payload[:_PDF_START] and not payload.startswith((b"PK", b"From ", b"<")):
        return "pdf" if payload.startswith(_PDF) or b"\nxref" in payload or b"\rxref" in payload else None
    if payload.startswith(_OLE):
        return "ole"
    kind = (office_kind(payload) or "").removeprefix("application/")
    return kind if kind in ("docx", "epub") else None


def read_document(payload: bytes) -> Document:
    """Return the text of a document; NotReadable says why there is none."""
    reader = _READERS.get(document_kind(payload) or "")
    if reader is None:
        raise NotReadable(Rejected.NOT_TEXT, "not a document that can be read")
    return reader(payload)


def is_encrypted_office(payload: bytes) -> bool:
    """Return whether a file is an office document with a password."""
    return payload.startswith(_OLE) and _ENCRYPTED in payload


def is_old_workbook(payload: bytes) -> bool:
    """Return whether a file is a workbook of Excel 97 to 2003."""
    return payload.startswith(_OLE) and any(name in payload for name in _WORKBOOKS)


def _pdf(payload: bytes) -> Document:
    from ratoon_ingestion.worker.documents.pdf import read_pdf  # slow to import, as the two others are

    return read_pdf(payload)


def _docx(payload: bytes) -> Document:
    from ratoon_ingestion.worker.documents.word import read_docx

    return read_docx(payload)


def _epub(payload: bytes) -> Document:
    from ratoon_ingestion.worker.documents.epub import read_epub

    return read_epub(payload)


def _ole(payload: bytes) -> Document:
    if is_encrypted_office(payload):
        raise NotReadable(Rejected.ENCRYPTED, "an office document with a password: save it without one")
    raise NotReadable(Rejected.NOT_TEXT, "an office document of before 2007: save it as DOCX, XLSX or PDF")


_READERS: Mapping[str, Callable[[bytes], Document]] = {
    "pdf": _pdf,
    "docx": _docx,
    "epub": _epub,
    "ole": _ole,
}
