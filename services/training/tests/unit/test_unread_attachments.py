"""What a training run says of attachments, which it does not read."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore
from ratoon_training.worker.unread import unread_attachments

ATTRIBUTES = pa.map_(pa.string(), pa.string())


def stored(store: ArtifactStore, columns: dict[str, pa.Array]) -> str:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return store.put_bytes(buffer.getvalue())


def test_records_with_attachments_are_counted_by_kind(tmp_path):
    store = ArtifactStore(str(tmp_path))
    rows = [
        [("images", "sha256:" + "a" * 64), ("audios", "b.wav")],
        [("images", "c.png,d.png"), ("camera", "k1")],
        [("images", "")],
        [],
    ]
    digest = stored(store, {"attributes": pa.array(rows, ATTRIBUTES)})
    assert unread_attachments(store, digest) == {"records_with_images": 2.0, "records_with_audios": 1.0}


def test_a_part_without_attachments_or_without_attributes_has_no_such_metric(tmp_path):
    store = ArtifactStore(str(tmp_path))
    assert unread_attachments(store, stored(store, {"attributes": pa.array([[]], ATTRIBUTES)})) == {}
    assert unread_attachments(store, stored(store, {"text": pa.array(["x"])})) == {}
