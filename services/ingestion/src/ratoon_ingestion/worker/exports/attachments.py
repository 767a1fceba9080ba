"""Attachments in exports: files next to the tables, and images in a column of their own for Hugging Face."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.attachment_messages import attached
from ratoon_ingestion.domain.attachments import FOLDER, digests_in
from ratoon_ingestion.media import Media
from ratoon_ingestion.worker.exports.sink import Sink

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
"""Type of an image as Hugging Face's `Image` stores it in Parquet."""
_ROWS = 16
"""Rows whose images are in memory at a time."""

Flat = Callable[[pa.RecordBatch], pa.RecordBatch]


class Attachments:
    """The stored attachments of exported records, with what each file is."""

    def __init__(self, store: ArtifactStore, digests: Iterable[str]) -> None:
        self._store = store
        self._media: dict[str, Media] = {
            digest: attached(store, digest) or Media("application/octet-stream", store.size(digest))
            for digest in sorted(digests)
            if store.exists(digest)
        }

    def __bool__(self) -> bool:
        return bool(self._media)

    @property
    def has_images(self) -> bool:
        """Return whether one of them is an image."""
        return any(media.group == "image" for media in self._media.values())

    def path(self, digest: str) -> str:
        """Return the path of a file in the export."""
        return f"{FOLDER}{digest}{self._media[digest].suffix}"

    def paths(self, attributes: Mapping[str, str]) -> list[str]:
        """Return the paths of the files of a record."""
        return [self.path(digest) for digest in digests_in(attributes) if digest in self._media]

    def store(self, sink: Sink, *, images: bool) -> None:
        """List the files in the tree of the export; they are not stored again. Images only if that is set."""
        for digest, media in self._media.items():
            if images or media.group != "image":
                sink.refer(self.path(digest), digest, media.size_bytes)

    def with_images(
        self, schema: pa.Schema, convert: Flat
    ) -> Callable[[Path, Iterable[pa.RecordBatch]], None]:
        """Return a writer of Parquet files whose column `image` holds the first image of each record."""
        whole = with_features(schema.append(pa.field("image", IMAGE)))

        def write(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
            with pq.ParquetWriter(path, whole, compression="zstd") as writer:
                for batch in batches:
                    for start in range(0, batch.num_rows, _ROWS):
                        part = convert(batch.slice(start, _ROWS))
                        images = [self._image(each) for each in part.column("attributes").to_pylist()]
                        columns = [*part.columns, pa.array(images, IMAGE)]
                        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=whole))

        return write

    def _image(self, attributes: str | None) -> Mapping[str, object] | None:
        for digest in digests_in(json.loads(attributes or "{}")):
            media = self._media.get(digest)
            if media is not None and media.group == "image":
                return {"bytes": self._store.read(digest), "path": f"{digest}{media.suffix}"}
        return None


def with_features(schema: pa.Schema) -> pa.Schema:
    """Return a schema with the features by which Hugging Face `datasets` reads a Parquet file without its directory."""
    features = {
        field.name: {"_type": "Image"}
        if field.type == IMAGE
        else {"dtype": str(field.type), "_type": "Value"}
        for field in schema
    }
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def with_paths(rows: Iterable[dict[str, object]], attachments: Attachments) -> Iterable[dict[str, object]]:
    """Yield rows of JSON Lines with the paths of their files in `attachments`."""
    for row in rows:
        attributes = row["attributes"]
        paths: Sequence[str] = attachments.paths(attributes) if isinstance(attributes, dict) else ()
        yield {**row, "attachments": list(paths)} if paths else row
