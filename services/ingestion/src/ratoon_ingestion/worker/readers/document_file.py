"""One document as a source: PDF, DOCX or EPUB, or a text in Markdown or HTML."""

from collections.abc import Iterator

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.documents import document_kind
from ratoon_ingestion.worker.filetypes import archive_kind, binary_kind, office_kind
from ratoon_ingestion.worker.readers.items import Item, Kind, Limits, Rejection, SourceSpec, check_encoding
from ratoon_ingestion.worker.readers.pages import pages_of

_PATH = "document"


def read_document_file(
    source: SourceSpec, store: ArtifactStore, limits: Limits
) -> Iterator[Item | Rejection]:
    """Yield the document as one item; curation reads its text."""
    check_encoding(source)
    size = store.size(source.digest)
    if size > limits.document_bytes:
        yield Rejection(_PATH, Rejected.TOO_LARGE, f"{size} bytes")
        return
    payload = store.read(source.digest)
    if document_kind(payload) is not None:
        yield from pages_of(source, Item(_PATH, Kind.DOCUMENT, payload))
    elif (kind := office_kind(payload) or archive_kind(payload) or binary_kind(payload)) is not None:
        yield Rejection(_PATH, Rejected.NOT_TEXT, f"{kind}, {size} bytes")
    elif size > limits.item_bytes:
        yield Rejection(_PATH, Rejected.TOO_LARGE, f"{size} bytes")
    elif payload:
        yield Item(_PATH, Kind.MARKDOWN, payload)
