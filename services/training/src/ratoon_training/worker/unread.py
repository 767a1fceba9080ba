"""Attachments of the records that a run trains on. It reads their texts alone, and says how many records have some."""

from collections import Counter

import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore

_MEDIA = ("images", "audios", "videos", "files")
"""Attributes that hold references to attachments, by their type."""
_ATTRIBUTES = "attributes"


def unread_attachments(store: ArtifactStore, digest: str) -> dict[str, float]:
    """Return the metrics `records_with_images`, … of a part: its records with attachments, which no training reads.

    Empty if there are none.
    """
    counts = Counter[str]()
    with store.open(digest) as stream:
        file = pq.ParquetFile(stream)
        if _ATTRIBUTES not in file.schema_arrow.names:
            return {}
        for batch in file.iter_batches(columns=[_ATTRIBUTES], use_threads=False):
            for name in _MEDIA:
                references = pc.map_lookup(batch.column(_ATTRIBUTES), name, "first").fill_null("")
                counts[name] += pc.sum(pc.not_equal(references, "")).as_py() or 0
    return {f"records_with_{name}": float(count) for name, count in counts.items() if count}
