"""Readers: blobs of the artifact store become items, one at a time, with their provenance.

What cannot be read is a rejection of one item, or `SourceUnreadable` when the rest of the source is lost too.
"""

from ratoon_ingestion.worker.readers.items import Item, Kind, Limits, Rejection, SourceSpec, SourceUnreadable
from ratoon_ingestion.worker.readers.sources import read_source

__all__ = ["Item", "Kind", "Limits", "Rejection", "SourceSpec", "SourceUnreadable", "read_source"]
