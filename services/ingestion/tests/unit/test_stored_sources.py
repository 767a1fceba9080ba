"""Stored sources of the release before, which knew no columns of conversations."""

import hashlib
import json

import pytest

from ratoon.storage.bodies import BodyCodec
from ratoon_ingestion.domain.errors import BadSource
from ratoon_ingestion.domain.sources import Columns, Format, SampleBy, Source, changed

STORED = {
    "name": "projects/p/sources/s",
    "create_time": "2026-06-01T12:00:00Z",
    "update_time": "2026-06-01T12:00:00Z",
    "format": "CSV",
    "digest": "a" * 64,
    "display_name": "tickets.csv",
    "licence": "CC0-1.0",
    "labels_by_folder": {},
    "columns": {
        "text": "body", "label": "label", "id": "id", "time": "time", "attributes": ["team"], "named": ["text"],
    },
    "encoding": "",
    "revision": 3,
}  # fmt: skip


def test_a_source_of_the_release_before_is_read():
    source = BodyCodec(Source).load(json.dumps(STORED))
    assert source.format is Format.CSV
    assert source.columns == Columns(text="body", attributes=("team",), named=("text",))
    assert source.columns.of_examples == {}
    assert BodyCodec(Source).load(BodyCodec(Source).dump(source)) == source


def test_a_source_of_the_release_before_reads_its_archive_as_before_and_keeps_its_etag():
    source = BodyCodec(Source).load(json.dumps(STORED))
    assert source.archive_depth is None
    settings = ("tickets.csv", "CC0-1.0", {}, source.columns, "", Format.CSV, SampleBy.LINE)
    assert source.etag == hashlib.sha256(repr(settings).encode()).hexdigest()[:16]
    deeper = changed(source, {"archive_depth": 2})
    assert (deeper.archive_depth, deeper.etag != source.etag) == (2, True)
    with pytest.raises(BadSource, match="from 0 to 10"):
        changed(source, {"archive_depth": 11})
