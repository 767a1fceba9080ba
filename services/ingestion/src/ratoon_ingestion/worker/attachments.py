"""Attachments in the trees of versions: `attachments/{digest}` for as long as a record of the version has the file."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore, TreeFile
from ratoon_ingestion.domain.attachments import FOLDER, digests_in


def digests_of(column: pa.Array | pa.ChunkedArray) -> set[str]:
    """Return the digests in a column of attributes."""
    return {digest for row in column.to_pylist() for digest in digests_in(dict(row or ()))}


def with_attachments(store: ArtifactStore, tree: str, digests: Iterable[str]) -> str:
    """Return a tree that lists, in addition, those of the digests that the store has."""
    files = [
        TreeFile(f"{FOLDER}{digest}", digest, store.size(digest))
        for digest in sorted(set(digests))
        if store.exists(digest)
    ]
    return store.put_manifest([*store.tree(tree), *files]) if files else tree


def in_shards(store: ArtifactStore, shards: Iterable[str]) -> set[str]:
    """Return the digests that the records of shards refer to."""
    digests = set[str]()
    for shard in shards:
        with store.open(shard) as stream:
            file = pq.ParquetFile(stream)
            if "attributes" in file.schema_arrow.names:
                for batch in file.iter_batches(columns=["attributes"], use_threads=False):
                    digests |= digests_of(batch.column(0))
    return digests
