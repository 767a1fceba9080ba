"""DOCX: headers, paragraphs, tables, footnotes and footers as text."""

import io
import re
from collections.abc import Iterator
from typing import Any

import docx
from docx.opc.exceptions import PackageNotFoundError
from lxml import etree

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.documents.document import Document, NotReadable, Pages
from ratoon_ingestion.worker.documents.packages import Package, parsed_xml

_NOTES = re.compile(r"/(?:footnotes|endnotes)$")
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_LEFT_OUT = frozenset({_FALLBACK, f"{_W}del", f"{_W}moveFrom", f"{_W}rPr", f"{_W}pPr", f"{_W}instrText"})
"""Deleted text, formats, field codes, and the second form of drawings, whose text would stand twice."""
_SPACES = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_MAX_DEPTH = 200


def read_docx(payload: bytes) -> Document:
    """Return the text of a DOCX file; NotReadable if it is damaged or has no text."""
    Package(payload, "DOCX")
    try:
        document = docx.Document(io.BytesIO(payload))
        texts = list(_texts(document))
    except (NotReadable, MemoryError):
        raise
    except Exception as error:  # the library raises any exception on damaged or hostile files
        detail = "no document in it" if isinstance(error, PackageNotFoundError) else type(error).__name__
        raise NotReadable(
            Rejected.DAMAGED_MEMBER, f"the DOCX file is damaged or truncated ({detail})"
        ) from error
    pages = Pages()
    pages.add("\n".join(texts))
    if not pages.texts[0]:
        raise NotReadable(Rejected.NO_TEXT, "the DOCX file has no text")
    return Document("docx", tuple(pages.texts))


def _texts(document: Any) -> Iterator[str]:
    """Return headers, the body, notes and footers; headers and footers that are the same are named once."""
    yield from dict.fromkeys(_of_sections(document, "header"))
    yield from _blocks(document.element.body, 0)
    for part in _notes(document):
        yield from _blocks(parsed_xml(part.blob), 0)
    yield from dict.fromkeys(_of_sections(document, "footer"))


def _of_sections(document: Any, kind: str) -> Iterator[str]:
    for section in document.sections:
        for name in (f"first_page_{kind}", kind, f"even_page_{kind}"):
            part = getattr(section, name)
            if not part.is_linked_to_previous:
                yield from _blocks(part._element, 0)


def _notes(document: Any) -> Iterator[Any]:
    for relation in document.part.rels.values():
        if not relation.is_external and _NOTES.search(relation.reltype):
            yield relation.target_part


def _blocks(element: etree._Element, depth: int) -> Iterator[str]:
    """Return paragraphs, and rows of tables with their cells between tabs."""
    if depth > _MAX_DEPTH:
        raise NotReadable(Rejected.DAMAGED_MEMBER, f"its parts are nested deeper than {_MAX_DEPTH} levels")
    for child in element:
        if child.tag in _LEFT_OUT or not isinstance(child.tag, str):
            continue
        if child.tag == f"{_W}p":
            if text := "".join(_runs(child, depth)).strip():
                yield text
            for box in child.iter(f"{_W}txbxContent"):
                if not any(each.tag == _FALLBACK for each in box.iterancestors()):
                    yield from _blocks(box, depth + 1)
        elif child.tag == f"{_W}tr":
            cells = (
                " ".join(_blocks(cell, depth + 1)) for cell in child.iter(f"{_W}tc") if _row_of(cell) is child
            )
            if row := "\t".join(cells).strip("\t"):
                yield row
        else:
            yield from _blocks(child, depth + 1)


def _row_of(cell: etree._Element) -> etree._Element | None:
    return next(cell.iterancestors(f"{_W}tr"), None)


def _runs(element: etree._Element, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise NotReadable(Rejected.DAMAGED_MEMBER, f"its parts are nested deeper than {_MAX_DEPTH} levels")
    for child in element:
        if child.tag in _LEFT_OUT or child.tag == f"{_W}txbxContent" or not isinstance(child.tag, str):
            continue
        if child.tag == f"{_W}t":
            yield child.text or ""
        elif child.tag in _SPACES:
            yield _SPACES[child.tag]
        else:
            yield from _runs(child, depth + 1)
