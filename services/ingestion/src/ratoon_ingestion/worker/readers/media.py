"""Archives and trees of images, audio and video, in the layout of Hugging Face's `imagefolder`.

Each media file is an item. Its directory is its label. A row of `metadata.jsonl` or `metadata.csv`, in the directory of
the file or above it, names the file in `file_name` and gives text, label and attributes by the columns of the source.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.media import media_of
from ratoon_ingestion.worker.readers.archive import archive_members
from ratoon_ingestion.worker.readers.items import Item, Kind, Limits, Rejection, SourceSpec, as_time
from ratoon_ingestion.worker.readers.values import NoCell, cell_line, cell_text, label_line

FILE_NAME = "file_name"
_METADATA = ("metadata.jsonl", "metadata.csv")
_ATTRIBUTE_CHARS = 256

Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class MediaPayload:
    """A media file as an item: its digest, the text that goes with it, and its bytes, which only readers pass on."""

    digest: str
    group: str
    text: str
    data: bytes = b""

    def encoded(self) -> bytes:
        """Return the payload of an item."""
        head = json.dumps({"digest": self.digest, "group": self.group, "text": self.text}, ensure_ascii=False)
        return head.encode("utf-8", "replace") + b"\n" + self.data

    @staticmethod
    def read(payload: bytes) -> "MediaPayload":
        """Return what a payload holds."""
        head, _, data = payload.partition(b"\n")
        return MediaPayload(**json.loads(head), data=data)


def stored(item: Item, store: ArtifactStore) -> Item:
    """Store the file of a media item; return the item without its bytes."""
    media = MediaPayload.read(item.payload)
    if media.data:
        store.put_bytes(media.data)
    return replace(item, payload=replace(media, data=b"").encoded())


def read_media(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Iterator[Item | Rejection]:
    """Yield the media files; other files are rejections."""
    limits = replace(limits, item_bytes=max(limits.item_bytes, limits.document_bytes))
    rows: Rows = {}
    for member in archive_members(source, store, limits):
        if not isinstance(member, Rejection) and PurePosixPath(member[0]).name in _METADATA:
            rows |= _rows(*member)
    used = set[str]()
    for member in archive_members(source, store, limits):
        if isinstance(member, Rejection):
            yield member
            continue
        path, data = member
        if PurePosixPath(path).name in _METADATA:
            continue
        used.add(path)
        yield _item(source, path, data, rows.get(path))
    for path in rows.keys() - used:
        yield Rejection(
            path, Rejected.DAMAGED_MEMBER, "a row of the metadata names it, but it is not in the archive"
        )


def _item(source: SourceSpec, path: str, data: bytes, row: Mapping[str, Any] | None) -> Item | Rejection:
    media = media_of(data, len(data), data[-(1 << 20) :] if len(data) > 1 << 20 else b"")
    if media is None:
        return Rejection(path, Rejected.NOT_MEDIA, f"neither image, audio nor video, {len(data):,} bytes")
    columns, row = source.columns, row or {}
    try:
        text = cell_text(row.get(columns.text)) or ""
        label = label_line(row.get(columns.label)) or source.label_of(path)
        named = {name: cell_line(row.get(name)) for name in columns.attributes}
    except NoCell as error:
        return Rejection(path, Rejected.BAD_ROW, f"its row of the metadata holds {error}")
    payload = MediaPayload(hashlib.sha256(data).hexdigest(), media.group, text, data)
    attributes = {name: value[:_ATTRIBUTE_CHARS] for name, value in named.items() if value is not None}
    attributes |= {f"{media.group}s": f"sha256:{payload.digest}", "media_type": media.mime_type}
    return Item(path, Kind.MEDIA, payload.encoded(), label, as_time(row.get(columns.time)), attributes)


def _rows(path: str, data: bytes) -> Rows:
    """Return the rows of a metadata file by the path of the file that each names."""
    text = data.decode("utf-8-sig", "replace")
    listed: list[Any] = []
    if path.endswith(".csv"):
        listed = list(csv.DictReader(io.StringIO(text)))
    else:
        for line in text.splitlines():
            try:
                listed.append(json.loads(line))
            except (ValueError, RecursionError):
                continue
    folder = PurePosixPath(path).parent
    return {
        (folder / str(row[FILE_NAME])).as_posix(): row
        for row in listed
        if isinstance(row, dict) and row.get(FILE_NAME)
    }
