"""A page that was fetched: its text, its links, and what it says about itself."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import lxml.html
from lxml import etree

from ratoon_ingestion.worker.charset import EncodingRefused, decode, embedded_charset
from ratoon_ingestion.worker.crawl.fetch import Answer
from ratoon_ingestion.worker.crawl.urls import canonical
from ratoon_ingestion.worker.filetypes import binary_kind
from ratoon_ingestion.worker.markup import has_endless_tags, text_of

HTML = ("text/html", "application/xhtml+xml")
PLAIN = ("text/plain",)
_MAX_LINKS = 2_000
_TITLE_CHARS = 200
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w:.+-]{2,40})", re.IGNORECASE)
_NOFOLLOW = frozenset({"nofollow", "none"})
_NOINDEX = frozenset({"noindex", "none"})


@dataclass(frozen=True)
class Page:
    """Text and links of a page; `refused` is a reason and its detail if the text may not be, or cannot be stored."""

    text: str
    links: tuple[str, ...] = ()
    title: str = ""
    canonical: str = ""
    """Address that the page names as its own; empty: none."""
    charset: str = ""
    charset_from: str = ""
    replaced_count: int = 0
    refused: tuple[str, str] | None = None

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the text."""
        return hashlib.sha256(self.text.encode("utf-8", errors="replace")).hexdigest()


def is_readable(answer: Answer) -> bool:
    """Return whether the type of an answer is one whose text is read."""
    return answer.content_type in (*HTML, *PLAIN)


def read_page(answer: Answer, url: str) -> Page:
    """Return the page of an answer."""
    if (kind := binary_kind(answer.body)) is not None:
        return Page("", refused=("NOT_TEXT", f"it is {kind}"))
    header = _CHARSET.search(answer.headers.get("content-type", ""))
    embedded = embedded_charset(answer.body)
    try:
        decoded = decode(answer.body, header[1] if header else embedded)
    except EncodingRefused as error:
        return Page("", refused=("UNDECODABLE", str(error)[:200]))
    origin = decoded.how.value
    if origin == "declared":
        origin = "header" if header else "meta"
    page = _html(decoded.text, answer.headers, url) if answer.content_type in HTML else Page(decoded.text)
    reserved = _reserved(answer.headers)
    refused = page.refused or reserved or (None if page.text.strip() else ("NO_TEXT", "it holds no text"))
    return Page(
        page.text.strip(),
        page.links,
        page.title,
        page.canonical,
        decoded.encoding.replace("_", "-"),
        origin,
        decoded.replaced,
        refused,
    )


def _html(text: str, headers: Mapping[str, str], url: str) -> Page:
    tree = None if has_endless_tags(text) else _parsed(text)
    if tree is None:
        return Page(text_of(text))
    directives = _directives(tree, headers)
    base = next((each.get("href", "") for each in tree.iter("base")), "")
    links = () if directives & _NOFOLLOW else _links(tree, canonical(base, url) or url)
    named = next(
        (
            each.get("href", "")
            for each in tree.iter("link")
            if "canonical" in each.get("rel", "").lower().split()
        ),
        "",
    )
    refused = None
    if directives & _NOINDEX:
        refused = ("NOINDEX", "it asks not to be indexed")
    elif _meta(tree, "tdm-reservation") == "1":
        refused = ("RIGHTS_RESERVED", "it reserves text and data mining")
    title = " ".join((tree.findtext(".//title") or "").split())[:_TITLE_CHARS]
    own = canonical(named, url) if named else None
    return Page(text_of(text) if refused is None else "", links, title, own or "", refused=refused)


def _parsed(text: str) -> lxml.html.HtmlElement | None:
    parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        return lxml.html.document_fromstring(text.encode("utf-8", errors="replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None


def _links(tree: lxml.html.HtmlElement, base: str) -> tuple[str, ...]:
    links: dict[str, None] = {}
    for element in tree.iter("a", "area"):
        href = element.get("href", "")
        if not href or "nofollow" in element.get("rel", "").lower().split():
            continue
        if (address := canonical(href, base)) is not None:
            links[address] = None
        if len(links) >= _MAX_LINKS:
            break
    return tuple(links)


def _directives(tree: lxml.html.HtmlElement, headers: Mapping[str, str]) -> frozenset[str]:
    return _directives_of(f"{_meta(tree, 'robots')},{headers.get('x-robots-tag', '')}")


def _directives_of(stated: str) -> frozenset[str]:
    return frozenset(each.strip() for each in stated.lower().split(","))


def _meta(tree: lxml.html.HtmlElement, name: str) -> str:
    metas = (each for each in tree.iter("meta") if each.get("name", "").lower() == name)
    return ",".join(each.get("content", "").strip().lower() for each in metas)


def _reserved(headers: Mapping[str, str]) -> tuple[str, str] | None:
    if headers.get("tdm-reservation", "").strip() == "1":
        return "RIGHTS_RESERVED", "the host reserves text and data mining"
    if _directives_of(headers.get("x-robots-tag", "")) & _NOINDEX:
        return "NOINDEX", "the host asks not to index it"
    return None
