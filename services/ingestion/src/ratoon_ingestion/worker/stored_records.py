"""Records of dataset versions and of parts of splits, as other jobs read them."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.batches import RECORDS
from ratoon_ingestion.worker.leakage import Texts, Wordings

READ = [name for name in RECORDS.names if name != "label_votes"]
"""Columns of a version that a split reads; versions of older releases have them all but `example`."""
EXAMPLE = "example"


class NotADatasetVersion(Exception):
    """The artifact tree holds no records."""

    code, reason = "FAILED_PRECONDITION", "NOT_A_DATASET_VERSION"


def read_version(store: ArtifactStore, digest: str) -> pa.Table:
    """Return the records of a dataset version; NotADatasetVersion if the tree has none."""
    shards = [file for file in store.tree(digest) if file.path.startswith("records-")]
    if not shards:
        raise NotADatasetVersion(f"The artifact {digest} contains no records.")
    return pa.concat_tables(read_columns(store, shard.sha256, READ) for shard in shards)


def read_columns(store: ArtifactStore, digest: str, columns: Sequence[str]) -> pa.Table:
    """These columns of a blob; `example`, which those of older releases lack, is null then."""
    with store.open(digest) as stream:
        file = pq.ParquetFile(stream)
        present = file.schema_arrow.names
        table = file.read([name for name in columns if name in present or name != EXAMPLE])
    if EXAMPLE in columns and EXAMPLE not in present:
        table = table.append_column(EXAMPLE, pa.nulls(table.num_rows, pa.string()))
    return table.select(list(columns))


def texts_of(table: pa.Table) -> Texts:
    """Return the wordings of records by which they are compared."""
    ids, digests, clusters = (
        table.column(name).to_pylist() for name in ("record_id", "content_digest", "cluster")
    )
    wordings = Wordings(table.column("text"), table.column(EXAMPLE), range(table.num_rows))
    return Texts(ids, digests, wordings, clusters)
