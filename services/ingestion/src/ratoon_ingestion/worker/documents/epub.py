"""EPUB: the chapters in the order of the spine."""

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

from lxml import etree

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.charset import decode, embedded_charset
from ratoon_ingestion.worker.documents.document import Document, NotReadable, Pages
from ratoon_ingestion.worker.documents.packages import Package
from ratoon_ingestion.worker.markup import text_of

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_MAX_CHAPTER_BYTES = 8 << 20


def read_epub(payload: bytes) -> Document:
    """Return the chapters of an EPUB; NotReadable if it is damaged, encrypted or has no text."""
    package = Package(payload, "EPUB")
    names = _spine(package)
    if set(names) & _encrypted(package):
        raise NotReadable(Rejected.ENCRYPTED, "the EPUB has copy protection")
    pages = Pages()
    for name in names:
        pages.add(_chapter(package, name))
    if not any(pages.texts):
        raise NotReadable(Rejected.NO_TEXT, f"the {len(names)} chapters of the EPUB have no text")
    return Document("epub", tuple(pages.texts), {"pages": str(len(names))})


def _chapter(package: Package, name: str) -> str:
    data = package.part(name)
    if len(data) > _MAX_CHAPTER_BYTES:
        raise NotReadable(Rejected.TOO_LARGE, f"a chapter has {len(data):,} bytes")
    return text_of(decode(data, embedded_charset(data)).text)


def _spine(package: Package) -> list[str]:
    """Return the names of the chapters, without the table of contents."""
    path = next((each.get("full-path") for each in _all(package.xml(_CONTAINER), "rootfile")), None)
    if not path:
        raise NotReadable(Rejected.DAMAGED_MEMBER, "the EPUB names no package document")
    root = package.xml(path)
    items = {each.get("id"): each for each in _all(root, "item")}
    chapters = [items.get(each.get("idref")) for each in _all(root, "itemref")]
    names = [
        posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(each.get("href", ""))))
        for each in chapters
        if each is not None
        and each.get("media-type") in _PAGES
        and "nav" not in each.get("properties", "").split()
    ]
    missing = [name for name in names if name not in package.names]
    if missing:
        raise NotReadable(Rejected.DAMAGED_MEMBER, f"the EPUB lacks its chapter {missing[0][:100]}")
    return list(dict.fromkeys(names))


def _encrypted(package: Package) -> set[str]:
    """Return the names of the parts that are encrypted; fonts often are in books without protection."""
    if _ENCRYPTION not in package.names:
        return set()
    references = _all(package.xml(_ENCRYPTION), "CipherReference")
    return {unquote(each.get("URI", "")).lstrip("/") for each in references}


def _all(root: etree._Element, name: str) -> Iterator[etree._Element]:
    yield from root.iter(f"{{*}}{name}")
