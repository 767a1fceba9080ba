"""Documents become texts: PDF, DOCX and EPUB, and the markup of wikis.

A document that has no text or cannot be read raises `NotReadable` with the reason of its rejection.
"""

from ratoon_ingestion.worker.documents.document import Document, NotReadable
from ratoon_ingestion.worker.documents.read import document_kind, read_document

__all__ = ["Document", "NotReadable", "document_kind", "read_document"]
