"""Prepared samples as tensors: which tokens are the answer's, and batches with little padding, or with none at all.

The answer of a sample with a label is its end. Of other samples, `targets` marks the tokens that are learned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ratoon_training.worker import mapped

_FRAME_BEFORE, _FRAME_AFTER = 2, 1
"""Tokens of our own template before and after a text."""
_MIN_SAMPLES = 3
"""Samples that a token must occur in for its log-odds to count."""
_MIN_WEIGHT = 1e-12
"""Sum of weights that stands for none: a step without targets has the loss 0."""
Samples = TypeVar("Samples", "Batch", "Packed")


class Places(NamedTuple):
    """Numbers of the places that predict a token of an answer, and of a text, row by row; (places,) each.

    They are known before the tensors are on a GPU: a selection by a mask there waits for all work before it.
    """

    answer: Tensor
    text: Tensor

    @staticmethod
    def of(answer: Tensor, text: Tensor) -> "Places":
        """Return the places that two masks mark."""
        return Places(answer.flatten().nonzero().squeeze(1), text.flatten().nonzero().squeeze(1))


@dataclass(frozen=True)
class Batch:
    """Samples of one step on one worker: `ids` is (rows, longest) and padded with 0 on the right.

    `answer` marks places that predict a token of an answer, (rows, places); `answers` are their numbers. `weights` are
    those of the samples; None: all 1.
    """

    ids: Tensor
    lengths: Tensor
    answers: Tensor
    labels: Tensor
    answer: Tensor
    weights: Tensor | None = None
    known: Places | None = None
    """What `chosen` returns, where it is known already."""

    @property
    def rows(self) -> int:
        """Number of samples."""
        return len(self.lengths)

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return _on(self, device)

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
        return self.answer, (positions < last) & ~self.answer

    def chosen(self) -> Places:
        """Return the numbers of the places that `places` marks."""
        return self.known or Places.of(*self.places())

    def samples(self) -> Tensor:
        """Return the sample of each place, (rows, places)."""
        rows = torch.arange(self.rows, device=self.ids.device)
        return rows.unsqueeze(1).expand(self.answer.shape)

    def place_weights(self) -> Tensor | None:
        """Return the weight of each place, (rows, places); None: all 1."""
        return None if self.weights is None else self.weights.unsqueeze(1).expand(self.answer.shape)


@dataclass(frozen=True)
class Packed:
    """Samples of one step on one worker in a single row without padding; all tensors are (1, places).

    `ids` are the input tokens, `targets` the tokens to predict, `positions` restart with each sample, `answer` marks
    places that predict a token of an answer, and `segments` maps places to samples. `weights` are those of the places;
    None: all 1.
    """

    ids: Tensor
    targets: Tensor
    positions: Tensor
    answer: Tensor
    segments: "Segments"
    weights: Tensor | None = None
    known: Places | None = None
    """What `chosen` returns, where it is known already."""

    def to(self, device: torch.device) -> "Packed":
        """The same on a device."""
        return _on(self, device)

    def model_inputs(self) -> dict[str, Any]:
        """Return the model's inputs; its attention must support segments (see `packing`)."""
        return {"input_ids": self.ids, "position_ids": self.positions, "segments": self.segments}

    def places(self) -> tuple[Tensor, Tensor]:
        """Return masks of the places that predict a token of an answer, and of a text."""
        return self.answer, ~self.answer

    def chosen(self) -> Places:
        """Return the numbers of the places that `places` marks."""
        return self.known or Places.of(*self.places())

    def samples(self) -> Tensor:
        """Return the sample of each place, (1, places)."""
        lengths = torch.tensor(self.segments.lengths, device=self.ids.device)
        numbers = torch.arange(len(lengths), device=self.ids.device)
        return numbers.repeat_interleave(lengths, output_size=self.ids.shape[1]).unsqueeze(0)

    def place_weights(self) -> Tensor | None:
        """Return the weight of each place, (1, places); None: all 1."""
        return self.weights


@dataclass(frozen=True)
class Segments:
    """The samples in a packed row: their `lengths`, and for each place of the row its `cells` in a grid of them.

    The grid is (samples, longest); cells are numbered row by row. `starts` are the first places of the samples in the
    row, and its end, (samples + 1,).
    """

    lengths: tuple[int, ...]
    cells: Tensor
    starts: Tensor

    @staticmethod
    def of(lengths: Sequence[int]) -> "Segments":
        """Return the segments of samples of these lengths, one after the other."""
        sizes = np.asarray(lengths)
        starts = np.cumsum([0, *lengths], dtype=np.int32)
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
        cells = np.repeat(np.arange(len(sizes)) * max(lengths), sizes) + within
        return Segments(tuple(lengths), torch.from_numpy(cells), torch.from_numpy(starts))

    @property
    def grid(self) -> tuple[int, int]:
        """Samples, and places of the longest."""
        return len(self.lengths), max(self.lengths)


class Corpus:
    """One prepared part. Its tokens stay in their file; a sample takes 16 bytes of memory."""

    def __init__(self, path: Path) -> None:
        arrays = mapped.arrays(path)
        self._tokens, self._offsets = arrays["tokens"], arrays["offsets"]
        samples = len(self._offsets) - 1
        empty = np.zeros(samples, dtype=np.int32)
        self._labels = np.array(arrays.get("labels", empty))
        self._weights = np.array(arrays.get("weights", np.ones(samples, dtype=np.float32)))
        self.label_tokens = torch.from_numpy(np.array(arrays.get("label_tokens", empty[:0]))).long()
        self.number_tokens = torch.from_numpy(np.array(arrays.get("number_tokens", empty[:0]))).long()
        self.number_values: npt.NDArray[np.float64] = np.array(arrays.get("number_values", np.zeros(0)))
        self.number_width = float(arrays.get("number_width", np.zeros(1))[0])
        self.record_ids: Sequence[str] = mapped.Column(arrays["record_ids"])
        self.lengths: Sequence[int] = mapped.Column(np.diff(self._offsets).astype(np.int32))
        self._targets: npt.NDArray[np.bool_] | None = (
            arrays.get("targets") if "answers" not in arrays else None
        )
        self._answers = np.array(arrays["answers"]) if self._targets is None else self._sums(self._targets)
        if not self._learns_any(self.number_tokens.numpy()):
            self.number_tokens = self.number_tokens[:0]

    def _learns_any(self, tokens: npt.NDArray[np.int64]) -> bool:
        """Return True if any of these tokens is the target of a sample."""
        return len(tokens) > 0 and any(
            bool(np.isin(self._sample(index)[self._marks(index)], tokens).any()) for index in range(len(self))
        )

    def _marks(self, index: int) -> npt.NDArray[np.bool_]:
        """Return marks of the tokens of a sample that are targets: nothing predicts its first one."""
        start, end = self._offsets[index : index + 2]
        if self._targets is None:
            marks: npt.NDArray[np.bool_] = np.arange(end - start, 0, -1) <= self._answers[index]
            return marks
        marks = np.array(self._targets[start:end])
        marks[:1] = False
        return marks

    @property
    def has_labels(self) -> bool:
        """True if an answer is one of the labels."""
        return len(self.label_tokens) > 0

    @property
    def has_numbers(self) -> bool:
        """True if an answer is a number that is one token."""
        return len(self.number_tokens) > 0

    @property
    def weights(self) -> Tensor:
        """Weight of each sample."""
        return torch.from_numpy(self._weights)

    @property
    def labels(self) -> Tensor:
        """Number of the label of each sample; of an answer that was judged, 1 if it is good, else 0."""
        return torch.from_numpy(self._labels.astype(np.int64))

    def __len__(self) -> int:
        return len(self.lengths)

    def thinned(self, indices: list[int], rate: float, seed: int, step: int) -> "Corpus":
        """These samples with a share of their texts' tokens left out: a function of (seed, step, sample) alone.

        The template's frame (two tokens before the text, one after it) and the answer stay.
        """
        spans = [slice(*self._offsets[index : index + 2]) for index in indices]
        if not rate:
            whole = [self._tokens[span] for span in spans], [self._marks(index) for index in indices]
            return self._selected(*whole, indices)
        samples, targets = [], []
        for index in indices:
            sample = self._sample(index)
            mask = np.random.default_rng((seed, step, index)).random(len(sample)) >= rate
            mask[:_FRAME_BEFORE] = True
            mask[len(sample) - int(self._answers[index]) - _FRAME_AFTER :] = True
            samples.append(sample[mask])
            targets.append(self._marks(index)[mask])
        return self._selected(samples, targets, indices)

    def tokens(self, index: int) -> list[int]:
        """Return the tokens of a sample."""
        return [int(token) for token in self._sample(index)]

    def _sample(self, index: int) -> npt.NDArray[np.int32]:
        sample: npt.NDArray[np.int32] = self._tokens[self._offsets[index] : self._offsets[index + 1]]
        return sample

    def _sums(self, targets: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        """Return the number of targets of each sample."""
        starts = self._offsets[:-1]
        sums: npt.NDArray[np.int32] = np.add.reduceat(targets, starts, dtype=np.int32) - targets[starts]
        return sums

    def _selected(
        self,
        samples: list[npt.NDArray[np.int32]],
        targets: list[npt.NDArray[np.bool_]],
        indices: list[int],
    ) -> "Corpus":
        """A corpus of these samples, which are what became of those at the indices."""
        corpus = object.__new__(Corpus)
        corpus._tokens = np.concatenate(samples) if samples else self._tokens[:0]
        corpus._targets = np.concatenate(targets) if targets else np.zeros(0, dtype=np.bool_)
        corpus._offsets = np.cumsum([0, *map(len, samples)], dtype=np.int64)
        corpus._answers, corpus._labels = self._answers[indices], self._labels[indices]
        corpus._weights = self._weights[indices]
        corpus.label_tokens = self.label_tokens
        corpus.number_tokens, corpus.number_values = self.number_tokens, self.number_values
        corpus.number_width = self.number_width
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

    def norms(self) -> tuple[float, float]:
        """Return what the sums of losses of all samples are divided by: those of the answers, and of the texts.

        With labels each sample counts the same, otherwise each token, as often as its sample weighs.
        """
        lengths = np.asarray(self.lengths)
        if self.has_labels:
            return len(self), max(1, int((lengths - 1 - self._answers).sum()))
        answers = float((self._weights * self._answers).sum(dtype=np.float64))
        texts = float((self._weights * (lengths - 1 - self._answers)).sum(dtype=np.float64))
        return max(answers, _MIN_WEIGHT), max(texts, _MIN_WEIGHT)

    def batch(self, indices: list[int]) -> Batch:
        """These samples, padded to the longest of them."""
        lengths = [self.lengths[index] for index in indices]
        ids = np.zeros((len(indices), max(lengths, default=1)), dtype=np.int64)
        answer = np.zeros((len(indices), ids.shape[1] - 1), dtype=np.bool_)
        for row, index in enumerate(indices):
            span = slice(*self._offsets[index : index + 2])
            ids[row, : lengths[row]] = self._tokens[span]
            answer[row, : lengths[row] - 1] = self._marks(index)[1:]
        return Batch(
            torch.from_numpy(ids),
            torch.tensor(lengths, dtype=torch.long),
            torch.from_numpy(self._answers[indices].astype(np.int64)),
            torch.from_numpy(self._labels[indices].astype(np.int64)),
            torch.from_numpy(answer),
            self._weights_of(indices),
        )

    def _weights_of(self, indices: list[int]) -> Tensor | None:
        """Return the weights of samples; None: all 1."""
        weights = self._weights[indices]
        return None if (weights == 1).all() else torch.from_numpy(weights)

    def packed(self, indices: list[int]) -> Packed:
        """These samples in one row."""
        samples = [self._tokens[self._offsets[index] : self._offsets[index + 1]] for index in indices]
        lengths = tuple(len(sample) - 1 for sample in samples)
        positions = np.concatenate([np.arange(places) for places in lengths])
        marks = [self._marks(index)[1:] for index in indices]
        weights = self._weights_of(indices)
        ids, targets, places, answer = (
            torch.from_numpy(row).unsqueeze(0)
            for row in (
                np.concatenate([sample[:-1] for sample in samples]).astype(np.int64),
                np.concatenate([sample[1:] for sample in samples]).astype(np.int64),
                positions,
                np.concatenate(marks),
            )
        )
        by_place = None if weights is None else weights.repeat_interleave(torch.tensor(lengths)).unsqueeze(0)
        return Packed(ids, targets, places, answer, Segments.of(lengths), by_place)


def located(batch: Samples) -> Samples:
    """Return samples whose places are known (see `Places`)."""
    return replace(batch, known=Places.of(*batch.places()))


def pinned(batch: Samples) -> Samples:
    """Return samples in memory that a GPU copies from while this process goes on."""
    held: Samples = _changed(batch, Tensor.pin_memory)
    return held


def _on(value: Samples, device: torch.device) -> Samples:
    moved: Samples = _changed(value, lambda tensor: tensor.to(device, non_blocking=True))
    return moved


def _changed(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a value with each of its tensors changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Places):
        return Places(*map(change, value))
    if isinstance(value, Batch | Packed | Segments):
        return replace(value, **{name: _changed(each, change) for name, each in vars(value).items()})
    return value
