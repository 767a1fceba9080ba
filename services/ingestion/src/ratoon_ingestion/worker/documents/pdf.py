"""PDF: the text of each page in reading order."""

import io
import logging
import re
from collections.abc import Sequence
from typing import Any

from pypdf import PageObject, PasswordType, PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError, WrongPasswordError

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.documents.columns import Fragment, in_columns
from ratoon_ingestion.worker.documents.document import Document, NotReadable, Pages

logging.getLogger("pypdf").setLevel(logging.CRITICAL)

_MAX_PAGES = 20_000
_MAX_OPERATIONS = 5_000_000
"""Drawing operations of a document; hostile documents have any number of them."""
_LIGATURES = str.maketrans(
    {
        "\ufb00": "ff",
        "\ufb01": "fi",
        "\ufb02": "fl",
        "\ufb03": "ffi",
        "\ufb04": "ffl",
        "\ufb05": "st",
        "\ufb06": "st",
    }
)
_UNMAPPED = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]|\(cid:\d+\)")
"""Glyphs for which a PDF names no character, or a character of another set."""
_SOFT_BREAK = re.compile(r"\u00ad[^\S\n]*\n[^\S\n]*(?=\w)")
_HYPHEN_BREAK = re.compile(r"(?<![\w-])([^\W\d_]{2,})[-\u2010][^\S\n]*\n[^\S\n]*([^\W\d_]{2,})(?![\w-])")
_COMPOUND = re.compile(r"[^\W\d_]{2,}[-\u2010][^\W\d_]{2,}")


def read_pdf(payload: bytes) -> Document:
    """Return the text of a PDF; NotReadable if it needs a password, is damaged or has no text."""
    try:
        return _read(PdfReader(io.BytesIO(payload), strict=False))
    except (NotReadable, MemoryError):
        raise
    except (FileNotDecryptedError, WrongPasswordError, DependencyError) as error:
        raise _locked() from error
    except Exception as error:  # the library raises any exception on damaged or hostile files
        detail = str(error)[:120] if isinstance(error, PyPdfError) else type(error).__name__
        raise NotReadable(Rejected.DAMAGED_MEMBER, f"the PDF is damaged or truncated ({detail})") from error


def _read(reader: PdfReader) -> Document:
    if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
        raise _locked()
    count = len(reader.pages)
    if count > _MAX_PAGES:
        raise NotReadable(Rejected.TOO_LARGE, f"it has {count:,} pages, more than {_MAX_PAGES:,}")
    pages, budget, unmapped = Pages(), _Budget(), list[int]()
    for page in reader.pages:
        text = _page_text(page, budget)
        unmapped.append(len(_UNMAPPED.findall(text)))
        pages.add(text.translate(_LIGATURES))
    texts = rejoined(pages.texts)
    empty = sum(not text for text in texts)
    if empty == count:
        raise NotReadable(Rejected.NO_TEXT, f"none of its {count} pages has text: a scan?")
    return Document("pdf", tuple(texts), _attributes(count, empty, sum(unmapped)), tuple(unmapped))


def _attributes(count: int, empty: int, unmapped: int) -> dict[str, str]:
    attributes = {"pages": str(count)}
    if empty:
        attributes["pages_without_text"] = str(empty)
    if unmapped:
        attributes["unmapped_characters"] = str(unmapped)
    return attributes


def _locked() -> NotReadable:
    return NotReadable(Rejected.ENCRYPTED, "the PDF needs a password: save it without one")


class _Budget:
    """Drawing operations that a document may still have."""

    def __init__(self) -> None:
        self._left = _MAX_OPERATIONS

    def spend(self, *_: Any) -> None:
        """Count one operation."""
        self._left -= 1
        if self._left < 0:
            raise NotReadable(Rejected.TOO_LARGE, f"it has more than {_MAX_OPERATIONS:,} drawing operations")


def _page_text(page: PageObject, budget: _Budget) -> str:
    """Return the text of a page, column by column."""
    fragments = list[Fragment]()

    def add(text: str, matrix: Sequence[float], place: Sequence[float], _font: Any, size: float) -> None:
        if text.strip():
            fragments.append(Fragment.of(text, matrix, place, size))

    text = page.extract_text(visitor_operand_before=budget.spend, visitor_text=add)
    return in_columns(fragments) or text


def rejoined(pages: Sequence[str]) -> list[str]:
    """Return pages in which words that a line end divides are whole.

    A hyphen at a line end stays where the word occurs with it inside a line.
    """
    compounds = {match.casefold() for page in pages for match in _COMPOUND.findall(page)}

    def join(match: re.Match[str]) -> str:
        first, second = match.groups()
        if not second[0].islower() or f"{first}-{second}".casefold() in compounds:
            return f"{first}-{second}"
        return first + second

    joined = (_HYPHEN_BREAK.sub(join, _SOFT_BREAK.sub("", page)) for page in pages)
    return [page.replace("\u00ad", "") for page in joined]
