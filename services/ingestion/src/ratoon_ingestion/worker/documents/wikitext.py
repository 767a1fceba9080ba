"""The markup of MediaWiki as text: without templates, tables, references, files and categories."""

import re

import mwparserfromhell
from mwparserfromhell.parser import ParserError

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_SILENT = re.compile(
    r"<(?P<end>/?)(?P<name>ref|gallery|math|chem|timeline|imagemap|score|templatestyles|syntaxhighlight|source|mapframe|graph)"
    r"\b(?P<rest>[^<>]*)>",
    re.IGNORECASE,
)
_MAX_UNCLOSED = 2_000
"""Tables and tags without an end that the parser is given: its time grows with the square of them."""
_OPENING_TAG = re.compile(r"<[A-Za-z]")
_TABLE = re.compile(r"^[ :]*\{\|(?:(?!^[ :]*\{\|).)*?^\s*\|\}", re.DOTALL | re.MULTILINE)
_TABLES_DEEP = 5
_MAGIC = re.compile(r"__[A-Z]{3,20}__")
_OPENING = "[["
_LINK_EDGE = re.compile(r"\[\[|\]\]")
_NAMESPACES = frozenset(
    [
        "file",
        "image",
        "media",
        "category",
        "datei",
        "bild",
        "kategorie",
        "fichier",
        "image",
        "catégorie",
        "archivo",
        "imagen",
        "categoría",
        "immagine",
        "categoria",
        "文件",
        "檔案",
        "档案",
        "图像",
        "圖像",
        "分类",
        "分類",
        "ファイル",
        "画像",
        "カテゴリ",
        "файл",
        "изображение",
        "категория",
    ]
)
_TAG = re.compile(r"<[^<>\n]{0,500}>")
_RULES = re.compile(r"\[\[|\]\]|\{\{|\}\}|'{2,}")
_BLANKS = re.compile(r"\n{3,}")


def text_of_wikitext(markup: str) -> str:
    """Return the readable text of a page's markup; of markup that cannot be parsed, what is between its tags."""
    markup = _without_silent(_COMMENT.sub("", markup))
    for _ in range(_TABLES_DEEP):
        markup, count = _TABLE.subn("", markup)
        if not count:
            break
    markup = _without_media(_MAGIC.sub("", markup))
    try:
        if _unclosed(markup) > _MAX_UNCLOSED:
            raise ValueError("too many tables and tags without an end")
        text = mwparserfromhell.parse(markup, skip_style_tags=True).strip_code(normalize=True, collapse=True)
    except (ParserError, RecursionError, ValueError):
        text = _TAG.sub("", markup)
    return _BLANKS.sub("\n\n", _RULES.sub("", str(text))).strip()


def _without_silent(markup: str) -> str:
    """Return markup without references, formulas and the like; a tag without an end stays."""
    tags = list(_SILENT.finditer(markup))
    ends: dict[str, list[re.Match[str]]] = {}
    for tag in reversed(tags):
        if tag["end"]:
            ends.setdefault(tag["name"].lower(), []).append(tag)
    pieces, start = list[str](), 0
    for tag in tags:
        if tag["end"] or tag.start() < start:
            continue
        closing = ends.get(tag["name"].lower(), [])
        while closing and closing[-1].start() < tag.end():
            closing.pop()
        if not tag["rest"].endswith("/") and not closing:
            continue
        pieces.append(markup[start : tag.start()])
        start = tag.end() if tag["rest"].endswith("/") else closing[-1].end()
    return "".join(pieces) + markup[start:]


def _unclosed(markup: str) -> int:
    tags = len(_OPENING_TAG.findall(markup)) - markup.count("</") - markup.count("/>")
    return max(tags, markup.count("{|") - markup.count("|}"))


def _without_media(markup: str) -> str:
    """Return markup without links to files and categories, whose captions may hold links themselves."""
    pieces, opened, start = list[str](), 0, 0
    for edge in _LINK_EDGE.finditer(markup):
        if opened:
            opened += 1 if edge.group() == _OPENING else -1
            if not opened:
                start = edge.end()
        elif edge.group() == _OPENING and _is_media(markup[edge.end() : edge.end() + 40]):
            pieces.append(markup[start : edge.start()])
            opened = 1
    return "".join(pieces) + (markup[start:] if not opened else "")


def _is_media(target: str) -> bool:
    name, colon, _ = target.partition(":")
    return bool(colon) and name.strip().casefold() in _NAMESPACES
