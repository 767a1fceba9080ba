"""Prepared samples as tensors: which tokens are the answer's, and batches with as little padding as there can be."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Samples of one step on one worker: `ids` is (rows, longest) and padded with 0 on the right."""

    ids: Tensor
    lengths: Tensor
    answers: Tensor
    labels: Tensor

    @property
    def rows(self) -> int:
        """How many samples."""
        return len(self.lengths)

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return Batch(*(part.to(device) for part in (self.ids, self.lengths, self.answers, self.labels)))


class Corpus:
    """One prepared part in memory."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self._tokens, self._offsets = arrays["tokens"], arrays["offsets"]
            self._answers, self._labels = arrays["answers"], arrays["labels"]
            self.label_tokens = torch.from_numpy(arrays["label_tokens"]).long()
            self.record_ids: list[str] = arrays["record_ids"].tolist()
        self.lengths: list[int] = np.diff(self._offsets).tolist()

    def __len__(self) -> int:
        return len(self.lengths)

    def tokens_of(self, indices: list[int]) -> tuple[int, int]:
        """How many tokens these samples have to predict: of their text, and of their answers."""
        answers = int(self._answers[indices].sum()) if indices else 0
        return sum(self.lengths[index] - 1 for index in indices) - answers, answers

    def batch(self, indices: list[int]) -> Batch:
        """These samples, padded to the longest of them."""
        lengths = [self.lengths[index] for index in indices]
        ids = np.zeros((len(indices), max(lengths, default=1)), dtype=np.int64)
        for row, index in enumerate(indices):
            ids[row, : lengths[row]] = self._tokens[self._offsets[index] : self._offsets[index + 1]]
        return Batch(
            torch.from_numpy(ids),
            torch.tensor(lengths, dtype=torch.long),
            torch.from_numpy(self._answers[indices].astype(np.int64)),
            torch.from_numpy(self._labels[indices].astype(np.int64)),
        )
