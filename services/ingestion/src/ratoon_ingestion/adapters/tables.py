"""Ingestion's tables."""

from sqlalchemy import Table

from ratoon.service.events import service_metadata
from ratoon.storage.store import resource_table
from ratoon_ingestion.domain.connections import Connection
from ratoon_ingestion.domain.crawls import Crawl
from ratoon_ingestion.domain.datasets import Dataset, DatasetVersion
from ratoon_ingestion.domain.erasures import Erasure
from ratoon_ingestion.domain.exports import Export
from ratoon_ingestion.domain.profiles import Profile
from ratoon_ingestion.domain.sources import Source
from ratoon_ingestion.domain.splits import Split, SplitReading
from ratoon_ingestion.domain.streams import Stream

METADATA = service_metadata()
RESOURCES: dict[type, Table] = {
    Source: resource_table(METADATA, "sources"),
    Connection: resource_table(METADATA, "connections"),
    Dataset: resource_table(METADATA, "datasets"),
    DatasetVersion: resource_table(METADATA, "dataset_versions"),
    Split: resource_table(METADATA, "splits"),
    SplitReading: resource_table(METADATA, "split_readings"),
    Erasure: resource_table(METADATA, "erasures"),
    Export: resource_table(METADATA, "exports"),
    Profile: resource_table(METADATA, "profiles"),
    Stream: resource_table(METADATA, "streams"),
    Crawl: resource_table(METADATA, "crawls"),
}
