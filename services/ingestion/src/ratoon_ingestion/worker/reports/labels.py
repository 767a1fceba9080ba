"""Labels of a label set by record: twelve bytes a record, and each label once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.stored_records import read_columns


class Labels:
    """Finds the labels of records; without a label set there is none."""

    def __init__(self, store: ArtifactStore, digest: str) -> None:
        self.are_empty = not digest
        self._labels: list[str] = []
        self._numbers: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._codes: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        if digest:
            self._read(store, digest)

    def _read(self, store: ArtifactStore, digest: str) -> None:
        table = read_columns(store, digest, ["record_id", "label"]).combine_chunks()
        coded = table.column("label").combine_chunks().dictionary_encode()
        numbers = _numbers(table.column("record_id").to_pylist())
        order = np.argsort(numbers, kind="stable")
        self._labels = coded.dictionary.to_pylist()
        self._numbers = numbers[order]
        self._codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)[order]

    def of(self, record_ids: Sequence[str]) -> list[str | None]:
        """Return the label of each record; None if it has none."""
        if not len(self._numbers):
            return [None] * len(record_ids)
        numbers = _numbers(record_ids)
        places = np.minimum(np.searchsorted(self._numbers, numbers), len(self._numbers) - 1)
        codes = np.where(self._numbers[places] == numbers, self._codes[places], -1)
        return [self._labels[code] if code >= 0 else None for code in codes.tolist()]


def _numbers(record_ids: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return the first 64 bits of record ids."""
    return np.fromiter((int(each[:16], 16) for each in record_ids), np.uint64, len(record_ids))
