"""Indexes in the artifact store: a tree of segments, each of which covers the records of some artifacts.

A segment that is stored never changes. A new index takes segments of earlier ones over by their digest, merges those of
about equal size, and adds its own, so that two that are written at once do not meet.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ratoon.process.errors import FailedPrecondition, NotFound
from ratoon.storage.artifacts import ArtifactStore, TreeFile, file_digest
from ratoon_ingestion.worker.duplicates import bands_for
from ratoon_ingestion.worker.index.segment import Layout, NotASegment, Segment, opened
from ratoon_ingestion.worker.index.sketches import spans
from ratoon_ingestion.worker.index.write import build, merge
from ratoon_ingestion.worker.names import Names

_CHECKED_BYTES = 256 << 20
"""Size up to which a segment is hashed when it is opened; of a larger one the header is checked."""
_RATIO = 4
"""Segments are merged whose sizes differ at most by this factor."""


@dataclass(frozen=True)
class StoredSegment:
    """A segment, and its blob."""

    segment: Segment
    digest: str

    @property
    def covers(self) -> frozenset[str]:
        """Return the digests of the artifacts whose records it covers."""
        return frozenset(self.segment.layout.covers)


class IndexStore:
    """Segments of an artifact store; those of an object store are copied to a directory of this machine."""

    def __init__(self, store: ArtifactStore, folder: Path) -> None:
        """`folder`: for copies and for segments that are being written."""
        self._store, self._folder = store, folder
        self._redacted: dict[str, Segment] = {}

    def segments(self, index: str) -> list[StoredSegment]:
        """Return the segments of an index; none of one that is gone, damaged or of a newer release."""
        return [
            StoredSegment(segment, digest) for digest, segment in self._files(index) if segment is not None
        ]

    def covering(self, indexes: Iterable[str], artifacts: Iterable[str]) -> list[StoredSegment]:
        """Return few segments that together cover what they can of these artifacts, the largest first.

        Segments whose hashes are those of an earlier release are left out: their records are indexed again.
        """
        left, chosen = set(artifacts), list[StoredSegment]()
        offered = {
            each.digest: each
            for index in sorted(set(filter(None, indexes)))
            for each in self.segments(index)
            if each.segment.is_current
        }
        while offered:
            best = max(
                offered.values(), key=lambda each: (len(each.covers & left), -len(each.segment), each.digest)
            )
            if not best.covers & left:
                break
            chosen.append(offered.pop(best.digest))
            left -= best.covers
        return chosen

    def stored(self, segment: Segment) -> StoredSegment:
        """Store a segment."""
        return StoredSegment(segment, self._digest(segment))

    def put(self, segments: Iterable[Segment | StoredSegment]) -> str:
        """Store an index of these segments; returns its digest."""
        files = [
            TreeFile(f"{digest}.idx", digest, self._store.size(digest))
            for digest in map(self._digest, segments)
        ]
        return self._store.put_manifest(sorted(set(files), key=lambda file: file.path))

    def grown(self, earlier: Sequence[StoredSegment], own: Segment) -> str:
        """Store the index of earlier segments, merged where they are of about equal size, and a new one."""
        return self.put([*self._compacted(earlier), own])

    def usable(self, segment: Segment, threshold: float) -> Segment:
        """Return a segment whose bands suffice for a threshold: it, or one with the bands for it, from its sketches."""
        if segment.layout.width <= bands_for(threshold)[1]:
            return segment
        return self._rebuilt(segment, *bands_for(threshold))

    def without(self, index: str, erased: Names, renamed: Mapping[str, str]) -> tuple[str, list[str]]:
        """Store the index without these records, and return it and the blobs that held one.

        `renamed`: what took the place of artifacts, by their digest. A segment that cannot be read goes:
        a split builds it again.
        """
        left: list[Segment | StoredSegment] = []
        gone = list[str]()
        for digest, segment in self._files(index):
            if segment is not None and not holds(segment, erased):
                left.append(StoredSegment(segment, digest))
                continue
            gone.append(digest)
            if segment is not None:
                left.append(self._without(StoredSegment(segment, digest), erased, renamed))
        if not gone:
            return index, []
        return (self.put(left) if left else ""), list(dict.fromkeys((*gone, index)))

    def path(self) -> Path:
        """Return a path for a new segment."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=self._folder)) / "segment.idx"

    def _compacted(self, segments: Sequence[StoredSegment]) -> list[Segment | StoredSegment]:
        """Merge the two smallest segments while they are of about equal size."""
        left: list[Segment | StoredSegment] = sorted(segments, key=_size)
        while len(left) > 1 and _size(left[1]) <= _RATIO * max(1, _size(left[0])):
            one, other = map(_segment, left[:2])
            left = sorted([self._merged(one, other), *left[2:]], key=_size)
        return left

    def _merged(self, one: Segment, other: Segment) -> Segment:
        narrow, wide = sorted((one, other), key=lambda each: each.layout.width)
        if narrow.layout.width != wide.layout.width:
            wide = self._rebuilt(wide, narrow.layout.bands, narrow.layout.width)
        covers = tuple({*narrow.layout.covers, *wide.layout.covers})
        return merge([narrow, wide], self.path(), replace(narrow.layout, covers=covers))

    def _rebuilt(self, segment: Segment, bands: int, width: int) -> Segment:
        parts = spans(np.diff(segment.array("offsets")))
        blocks = (segment.sketches(np.arange(rows.start, rows.stop)) for rows in parts)
        return build(blocks, Layout(bands, width, segment.layout.covers), self.path())

    def _without(self, stored: StoredSegment, erased: Names, renamed: Mapping[str, str]) -> Segment:
        """Write a segment without these records, once, though several indexes share it."""
        if stored.digest not in self._redacted:
            layout = stored.segment.layout
            covers = tuple(renamed.get(digest, digest) for digest in layout.covers)
            self._redacted[stored.digest] = merge(
                [stored.segment], self.path(), replace(layout, covers=covers), erased
            )
        return self._redacted[stored.digest]

    def _files(self, index: str) -> Iterator[tuple[str, Segment | None]]:
        """Yield the blobs of an index with their segments, None for one that cannot be read."""
        try:
            files = self._store.tree(index)
        except (FailedPrecondition, NotFound):
            yield index, None
            return
        for file in files:
            try:
                yield file.sha256, self._opened(file)
            except (NotASegment, FailedPrecondition, NotFound):
                yield file.sha256, None

    def _opened(self, file: TreeFile) -> Segment:
        if self._store.folder is None:
            return opened(self._store.fetch(file.sha256, self._folder / file.sha256))
        is_small = file.size <= _CHECKED_BYTES
        with self._store.open(file.sha256) if is_small else self._store.open_as_it_is(file.sha256) as stream:
            return Segment(stream)

    def _digest(self, segment: Segment | StoredSegment) -> str:
        if isinstance(segment, StoredSegment):
            return segment.digest
        assert segment.path is not None, "a segment that is not stored yet is a file of this machine"
        try:
            return self._store.put_file(segment.path)
        except FailedPrecondition as error:
            if error.reason != "ARTIFACT_ERASED":
                raise
        return self._digest(self._renamed(segment, file_digest(segment.path)))

    def _renamed(self, segment: Segment, digest: str) -> Segment:
        """Write a segment in other bytes: an erasure removed the same one, which it could not read."""
        covers = (*segment.layout.covers, digest)
        return merge([segment], self.path(), replace(segment.layout, covers=covers))


@contextmanager
def index_store(store: ArtifactStore, scratch: Path | None = None) -> Iterator[IndexStore]:
    """Open the segments of an artifact store, with a directory for files, in `scratch`, that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="ratoon-index-", dir=scratch) as folder:
        yield IndexStore(store, Path(folder))


def layout_for(threshold: float, *covers: str) -> Layout:
    """Return the layout of a segment that answers for this similarity and lower ones down to its bands."""
    return Layout(*bands_for(threshold), covers)


def holds(segment: Segment, names: Names) -> bool:
    """Return whether a segment has a record with one of these ids."""
    keys, ids = segment.array("id_keys"), segment.array("ids")
    low = np.searchsorted(keys, names[:, 0], "left")
    high = np.searchsorted(keys, names[:, 0], "right")
    bounds = zip(low, high, names, strict=True)
    return any(bool((ids[start:end] == name).all(axis=1).any()) for start, end, name in bounds)


def _segment(each: Segment | StoredSegment) -> Segment:
    return each.segment if isinstance(each, StoredSegment) else each


def _size(each: Segment | StoredSegment) -> int:
    return len(_segment(each))
