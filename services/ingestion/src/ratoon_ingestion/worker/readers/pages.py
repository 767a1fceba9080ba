"""Pages of documents as items of their own, where a source has each page as one record."""

from collections.abc import Iterator

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import SampleBy
from ratoon_ingestion.worker.documents import Document, NotReadable, read_document
from ratoon_ingestion.worker.readers.items import Item, Kind, Rejection, SourceSpec

_PAGED = ("pdf", "epub")


def pages_of(source: SourceSpec, item: Item) -> Iterator[Item | Rejection]:
    """Yield each page of a PDF or chapter of an EPUB; any other item, or one of a source by whole files, as it is.

    A page is named as RFC 8118 names it (`a.pdf#page=2`). One without text is a rejection, and so is a document that
    cannot be read.
    """
    if source.sample_by is not SampleBy.PAGE or item.kind is not Kind.DOCUMENT:
        yield item
        return
    try:
        document = read_document(item.payload)
    except NotReadable as error:
        yield Rejection(item.path, error.reason, str(error))
        return
    if document.kind in _PAGED:
        yield from _pages(item, document)
    else:
        yield item


def _pages(item: Item, document: Document) -> Iterator[Item | Rejection]:
    count = len(document.pages)
    for number, text in enumerate(document.pages, 1):
        path = f"{item.path}#page={number}"
        if not text:
            yield Rejection(path, Rejected.NO_TEXT, f"page {number} of {count} has no text: a scan?")
            continue
        attributes = {"page": str(number), "pages": str(count)}
        if document.unmapped and (unmapped := document.unmapped[number - 1]):
            attributes["unmapped_characters"] = str(unmapped)
        yield Item(path, Kind.PAGE, text.encode(), item.label, item.time, {**item.attributes, **attributes})
