"""The text of a document by its pages or chapters, and why a document has none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ratoon_ingestion.domain.curation import Rejected

MAX_TEXT_CHARS = 8 << 20
"""A document with a longer text is rejected."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")


class NotReadable(Exception):
    """A document that becomes no text; the message is the detail of its rejection."""

    def __init__(self, reason: Rejected, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Document:
    """The text of a document."""

    kind: str
    """`pdf`, `docx` or `epub`."""
    pages: tuple[str, ...]
    """Texts of its pages or chapters in reading order; those without text are empty."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    unmapped: tuple[int, ...] = ()
    """Of each page of a PDF, the number of glyphs for which the file names no character."""

    @property
    def text(self) -> str:
        """Return the text of all pages."""
        return "\n\n".join(page for page in self.pages if page)


class Pages:
    """Texts of pages, as far as they stay within the bound."""

    def __init__(self) -> None:
        self.texts = list[str]()
        self._chars = 0

    def add(self, text: str) -> None:
        """Add a page; NotReadable if the document becomes too long."""
        self._chars += len(text)
        if self._chars > MAX_TEXT_CHARS:
            raise NotReadable(Rejected.TOO_LARGE, f"its text has more than {MAX_TEXT_CHARS:,} characters")
        self.texts.append(plain(text))


def plain(text: str) -> str:
    """Return a text without control characters, white space at line ends and runs of blank lines."""
    text = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n"))
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", lines).strip()
