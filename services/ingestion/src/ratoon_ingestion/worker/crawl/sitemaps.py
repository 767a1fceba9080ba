"""Sitemaps: addresses of pages and of further sitemaps, as XML or as text."""

import zlib
from dataclasses import dataclass, field

from lxml import etree

from ratoon_ingestion.worker.crawl.urls import canonical

MAX_BYTES = 16 << 20
MAX_URLS = 50_000


@dataclass
class Sitemap:
    """Addresses in a sitemap, in their order."""

    pages: list[str] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)


def read_sitemap(content: bytes, url: str) -> Sitemap:
    """Return what a sitemap names; one that is damaged names what stands before the damage."""
    if content.startswith(b"\x1f\x8b"):
        content = _unpacked(content)
    sitemap = Sitemap()
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        _read_xml(content, url, sitemap)
    else:
        lines = content.decode("utf-8", errors="replace").removeprefix("\ufeff").splitlines()[:MAX_URLS]
        sitemap.pages += [each for line in lines if (each := canonical(line, url)) is not None]
    return sitemap


def _read_xml(content: bytes, url: str, sitemap: Sitemap) -> None:
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, recover=True
    )
    try:
        root = etree.fromstring(content.lstrip(), parser)
    except (etree.XMLSyntaxError, ValueError):
        return
    if root is None:
        return
    for number, location in enumerate(root.iter("{*}loc")):
        if number >= MAX_URLS:
            return
        address = canonical(location.text or "", url)
        parent = location.getparent()
        if address is None or parent is None:
            continue
        is_index = etree.QName(parent).localname == "sitemap"
        (sitemap.sitemaps if is_index else sitemap.pages).append(address)


def _unpacked(content: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(content, MAX_BYTES)
    except zlib.error:
        return b""
