"""Prepared samples as tensors: which tokens are the answer's, and batches with little padding, or with none at all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_FRAME_BEFORE, _FRAME_AFTER = 2, 1
"""Tokens of our own template before and after a text."""
_MIN_SAMPLES = 3
"""Samples that a token must occur in for its log-odds to count."""


@dataclass(frozen=True)
class Batch:
    """Samples of one step on one worker: `ids` is (rows, longest) and padded with 0 on the right."""

    ids: Tensor
    lengths: Tensor
    answers: Tensor
    labels: Tensor

    @property
    def rows(self) -> int:
        """Number of samples."""
        return len(self.lengths)

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return Batch(*(part.to(device) for part in (self.ids, self.lengths, self.answers, self.labels)))

    def model_inputs(self) -> dict[str, Any]:
        """Return the model's inputs: the last token of a row predicts nothing."""
        return {"input_ids": self.ids[:, :-1]}

    @property
    def targets(self) -> Tensor:
        """Tokens to predict at each place: (rows, places)."""
        return self.ids[:, 1:]

    def places(self) -> tuple[Tensor, Tensor]:
        """Return masks of the places that predict a token of the answer, and of the text: (rows, places) each."""
        last = (self.lengths - 1).unsqueeze(1)
        positions = torch.arange(self.ids.shape[1] - 1, device=self.ids.device)
        answer = (positions >= last - self.answers.unsqueeze(1)) & (positions < last)
        return answer, (positions < last) & ~answer


@dataclass(frozen=True)
class Packed:
    """Samples of one step on one worker in a single row without padding; all tensors are (1, places).

    `ids` are the input tokens, `targets` the tokens to predict, `positions` restart with each sample, `answer` marks
    places that predict a token of an answer, and `segments` maps places to samples.
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

    def model_inputs(self) -> dict[str, Any]:
        """Return the model's inputs; its attention must support segments (see `packing`)."""
        return {"input_ids": self.ids, "position_ids": self.positions, "segments": self.segments}

    def places(self) -> tuple[Tensor, Tensor]:
        """Return masks of the places that predict a token of an answer, and of a text."""
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

    def thinned(self, indices: list[int], rate: float, seed: int, step: int) -> "Corpus":
        """These samples with a share of their texts' tokens left out: a function of (seed, step, sample) alone.

        The template's frame (two tokens before the text, one after it) and the answer stay.
        """
        if not rate:
            return self._selected([self._sample(index) for index in indices], indices)
        samples = []
        for index in indices:
            sample = self._sample(index)
            mask = np.random.default_rng((seed, step, index)).random(len(sample)) >= rate
            mask[:_FRAME_BEFORE] = True
            mask[len(sample) - int(self._answers[index]) - _FRAME_AFTER :] = True
            samples.append(sample[mask])
        return self._selected(samples, indices)

    def _sample(self, index: int) -> npt.NDArray[np.int32]:
        sample: npt.NDArray[np.int32] = self._tokens[self._offsets[index] : self._offsets[index + 1]]
        return sample

    def _selected(self, samples: list[npt.NDArray[np.int32]], indices: list[int]) -> "Corpus":
        """A corpus of these samples, which are what became of those at the indices."""
        corpus = object.__new__(Corpus)
        corpus._tokens = np.concatenate(samples) if samples else self._tokens[:0]
        corpus._offsets = np.cumsum([0, *map(len, samples)], dtype=np.int64)
        corpus._answers, corpus._labels = self._answers[indices], self._labels[indices]
        corpus.label_tokens = self.label_tokens
        corpus.record_ids = [self.record_ids[index] for index in indices]
        corpus.lengths = list(map(len, samples))
        return corpus

    def label_odds(self, vocabulary: int) -> npt.NDArray[np.float32]:
        """Log-odds of the labels for each token, (labels, vocabulary): the weights of a naive Bayes classifier.

        A token counts once a sample (Bernoulli), with Laplace's correction. Answers and tokens of few samples are 0:
        those of a rare token tell the labels of its samples, and nothing else.
        """
        labels = len(self.label_tokens)
        counts = np.zeros((labels, vocabulary))
        for index in range(len(self)):
            sample = self._sample(index)
            text = sample[_FRAME_BEFORE : len(sample) - int(self._answers[index]) - _FRAME_AFTER]
            counts[self._labels[index], np.unique(text)] += 1
        smoothed = counts + 1
        logs = np.log(smoothed / smoothed.sum(axis=1, keepdims=True))
        odds = logs - logs.mean(axis=0)
        odds[:, counts.sum(axis=0) < _MIN_SAMPLES] = 0.0
        narrowed: npt.NDArray[np.float32] = odds.astype(np.float32)
        return narrowed

    def tokens_of(self, indices: list[int]) -> tuple[int, int]:
        """Return the number of tokens that these samples predict: of their texts, and of their answers."""
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
