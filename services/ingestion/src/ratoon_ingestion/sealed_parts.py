"""Identities of the records in sealed test parts. It reads ids and digests of contents, and never a text."""

import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from ratoon.storage.artifacts import ArtifactStore

_MAX_BYTES = 64 << 20
"""Of the identities that are kept in memory; those of the part that was used least recently go first."""
_BATCH_ROWS = 5_000


class SealedParts:
    """Finds records that stand in sealed parts; a record takes 16 bytes of memory."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: OrderedDict[str, array[int]] = OrderedDict()

    def holds(self, parts: Iterable[str], identities: Iterable[Sequence[str]]) -> list[bool]:
        """Return for each record if one of the parts holds one of its identities.

        Identities of a record are its id, the id of the record that it copies, and the digest of its content: a record
        with the text of a sealed one is sealed too. An empty identity is none.
        """
        known = [self._part(digest) for digest in parts]
        return [
            any(_contains(part, _number(each)) for each in record if each for part in known)
            for record in identities
        ]

    def _part(self, digest: str) -> "array[int]":
        with self._lock:
            if digest in self._known:
                self._known.move_to_end(digest)
                return self._known[digest]
        numbers = self._read(digest)
        with self._lock:
            self._known[digest] = numbers
            while len(self._known) > 1 and sum(map(_bytes, self._known.values())) > _MAX_BYTES:
                self._known.popitem(last=False)
        return numbers

    def _read(self, digest: str) -> "array[int]":
        import pyarrow.parquet as pq

        numbers: array[int] = array("Q")
        with self._store.open(digest) as stream:
            batches = pq.ParquetFile(stream).iter_batches(
                batch_size=_BATCH_ROWS, columns=["record_id", "content_digest"], use_threads=False
            )
            for batch in batches:
                for column in batch.columns:
                    numbers.extend(_number(value) for value in column.to_pylist() if value)
        return array("Q", sorted(numbers))


def _number(identity: str) -> int:
    """Return the first 64 bits of an identity, which is a digest in hexadecimal."""
    try:
        return int(identity[:16], 16)
    except ValueError:  # no digest: such an identity is in no part
        return 0


def _contains(numbers: "array[int]", number: int) -> bool:
    place = bisect_left(numbers, number)
    return place < len(numbers) and numbers[place] == number


def _bytes(numbers: "array[int]") -> int:
    return len(numbers) * numbers.itemsize
