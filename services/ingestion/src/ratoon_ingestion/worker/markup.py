"""HTML to text: trafilatura, or a plain walk over the page where trafilatura finds too little of it."""

import re

import lxml.html
from lxml import etree

_TRAFILATURA_CHARS = 1_000_000
_ENOUGH = 0.6
"""Share of the page's words from which trafilatura's choice is trusted: most of a mail is content."""
_SILENT = ("script", "style", "head", "noscript", "template", "object", "svg")
_BREAKING = frozenset(
    re.findall(
        r"\w+",
        "address article blockquote br center dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6"
        " header hr li main nav ol option p pre section table tr ul",
    )
)
_SPACING = frozenset({"td", "th", "img", "input"})
_TABLE_EDGES = re.compile(r"^[|\s]*\|[^\S\n]*|[^\S\n]*\|[^\S\n]*$", re.MULTILINE)
"""Trafilatura draws tables with bars; layout tables are no tables."""
_TAG = re.compile(r"<[^<>]{0,2000}>")
_LONG_TAG = re.compile(r"<[A-Za-z][^<>]*>")
_LONG = re.compile(r"[^<]{8192,}")
_QUOTED_END = re.compile(r"=\s*(?:\"[^\">]*>|'[^'>]*>)")
_MAX_COMPARISONS = 200_000_000
"""Comparisons of attributes of a page; the parser compares each of a tag with all others of it."""


def text_of(html: str) -> str:
    """The readable text of an HTML page or fragment; of something unparsable, what is between its tags."""
    tree = None if has_endless_tags(html) else _parsed(html)
    if tree is None:
        return _LONG_TAG.sub(" ", _TAG.sub(" ", html))
    whole = _walked(tree)
    chosen = _extracted(html) if len(html) <= _TRAFILATURA_CHARS else ""
    return chosen if len(chosen.split()) >= _ENOUGH * len(whole.split()) else whole


def has_endless_tags(html: str) -> bool:
    """Return whether tags of a page have so many attributes that it takes minutes to parse them."""
    comparisons = 0
    for match in _LONG.finditer(html):
        run = match.group()
        is_tag = html[match.start() - 1 : match.start()] == "<"
        if not is_tag or _QUOTED_END.search(run) is None:
            run = run.partition(">")[0] if is_tag else ""
        comparisons += max(run.count("="), len(run.split())) ** 2
    return comparisons > _MAX_COMPARISONS


def _parsed(html: str) -> lxml.html.HtmlElement | None:
    try:
        return lxml.html.document_fromstring(html.encode("utf-8", errors="replace"), parser=_parser())
    except (etree.LxmlError, ValueError, AssertionError):
        return None


def _parser() -> lxml.html.HTMLParser:
    return lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)


def _extracted(html: str) -> str:
    import trafilatura  # half a second, which a process that reads no page does not spend

    try:
        text = trafilatura.extract(
            html, fast=True, favor_recall=True, include_comments=False, deduplicate=False
        )
    except Exception:  # whatever a hostile page makes it raise: the walk has the text
        return ""
    return _TABLE_EDGES.sub("", text or "")


def _walked(tree: lxml.html.HtmlElement) -> str:
    etree.strip_elements(tree, *_SILENT, with_tail=False)
    pieces: list[str] = []
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else ""
        pieces.append("\n" if tag in _BREAKING else " " if tag in _SPACING else "")
        text = element.text if event == "start" else element.tail
        if text:
            pieces.append(text if tag == "pre" and event == "start" else " ".join(f"|{text}|".split())[1:-1])
    return "".join(pieces)
