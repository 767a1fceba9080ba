"""Prepared samples as tensors: which tokens are the answer's, and batches with little padding, or with none at all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def asked(self) -> dict[str, Any]:
        """What a model is given: the last token of a row predicts nothing."""
        return {"input_ids": self.ids[:, :-1]}

    @property
    def targets(self) -> Tensor:
        """What is to be predicted at each place: (rows, places)."""
        return self.ids[:, 1:]

    def places(self) -> tuple[Tensor, Tensor]:
        """Which places predict a token of the answer, and which a token of the text: (rows, places) each."""
        last = (self.lengths - 1).unsqueeze(1)
        positions = torch.arange(self.ids.shape[1] - 1, device=self.ids.device)
        answer = (positions >= last - self.answers.unsqueeze(1)) & (positions < last)
        return answer, (positions < last) & ~answer


@dataclass(frozen=True)
class Packed:
    """Samples of one step on one worker in a single row without padding; all tensors are (1, places).

    `ids` are the tokens given, `targets` what is to be predicted there, `positions` begin anew with each sample,
    `answer` says which places predict a token of an answer, and `segments` which places are which sample's.
    """

    ids: Tensor
    targets: Tensor
    positions: Tensor
    answer: Tensor
    segments: "Segments"

    def to(self, device: torch.device) -> "Packed":
        """The same on a device."""
        ids, targets, positions, answer = (
            part.to(device) for part in (self.ids, self.targets, self.positions, self.answer)
        )
        return Packed(ids, targets, positions, answer, self.segments.to(device))

    def asked(self) -> dict[str, Any]:
        """What a model is given; its attention must know segments (see `packing`)."""
        return {"input_ids": self.ids, "position_ids": self.positions, "segments": self.segments}

    def places(self) -> tuple[Tensor, Tensor]:
        """Which places predict a token of an answer, and which a token of a text."""
        return self.answer, ~self.answer


@dataclass(frozen=True)
class Segments:
    """The samples in a packed row: their `lengths`, and for each place of the row its `cells` in a grid of them.

    The grid is (samples, longest); cells are numbered row by row.
    """

    lengths: tuple[int, ...]
    cells: Tensor

    @property
    def grid(self) -> tuple[int, int]:
        """Samples, and places of the longest."""
        return len(self.lengths), max(self.lengths)

    def to(self, device: torch.device) -> "Segments":
        """The same on a device."""
        return Segments(self.lengths, self.cells.to(device))


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

    def packed(self, indices: list[int]) -> Packed:
        """These samples in one row."""
        samples = [self._tokens[self._offsets[index] : self._offsets[index + 1]] for index in indices]
        lengths = tuple(len(sample) - 1 for sample in samples)
        positions = np.concatenate([np.arange(places) for places in lengths])
        ends = np.repeat(lengths, lengths)
        answers = np.repeat(self._answers[indices], lengths)
        cells = torch.from_numpy(np.repeat(np.arange(len(lengths)) * max(lengths), lengths) + positions)
        ids, targets, places, answer = (
            torch.from_numpy(row).unsqueeze(0)
            for row in (
                np.concatenate([sample[:-1] for sample in samples]).astype(np.int64),
                np.concatenate([sample[1:] for sample in samples]).astype(np.int64),
                positions,
                positions >= ends - answers,
            )
        )
        return Packed(ids, targets, places, answer, Segments(lengths, cells))
