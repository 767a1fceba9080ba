"""Useful tokens per second: samples packed into one row, compared with padding to the longest and to full length."""

import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ratoon_training.domain.recipes import Architecture, Recipe
from ratoon_training.worker import models, objective, text
from ratoon_training.worker.corpus import Corpus

LENGTH = 1024
"""Tokens a sample has at most."""
SHAPE = Architecture(hidden_size=256, layers=4, heads=8)
_BATCH = 8
Way = Callable[[Any, Corpus, list[int]], Tensor]


def prepared(instructions: Path, folder: Path) -> Corpus:
    """Instructions as prompts, what was answered as answers, cut to LENGTH tokens."""
    rows = json.loads(instructions.read_text())
    prompts = [f"{row['instruction']}\n{row['input']}".strip() for row in rows]
    tokenizer = text.train_tokenizer(
        [*prompts, *(row["output"] for row in rows)], ("a", "b"), SHAPE.vocab_size
    )
    speech = text.from_scratch(tokenizer, 100_000)
    answers = [speech.answer(row["output"])[:LENGTH] for row in rows]
    questions = [
        prompt[: LENGTH - len(answer)]
        for prompt, answer in zip(speech.prompts(prompts), answers, strict=True)
    ]
    samples = [prompt + answer for prompt, answer in zip(questions, answers, strict=True)]
    path = folder / "alpaca.npz"
    np.savez(
        path,
        tokens=np.concatenate([np.asarray(sample, dtype=np.int32) for sample in samples]),
        offsets=np.cumsum([0, *map(len, samples)], dtype=np.int64),
        answers=np.asarray(
            [min(len(a), len(s) - 1) for a, s in zip(answers, samples, strict=True)], dtype=np.int32
        ),
        labels=np.zeros(len(samples), dtype=np.int32),
        label_tokens=np.asarray([5, 6], dtype=np.int32),
        record_ids=np.asarray([str(number) for number in range(len(samples))]),
    )
    return Corpus(path)


def compare(corpus: Corpus, rounds: int, device: torch.device) -> dict[str, float]:
    """Median useful tokens a second of each way, the same shuffled batches in turn, and the ratios."""
    ways: dict[str, Way] = {"packed": _packed, "padded to the longest": _padded, "padded to 1,024": _full}
    steps = {
        name: _Stepper(Recipe(labels=("a", "b"), architecture=SHAPE, packed=name == "packed"), way, device)
        for name, way in ways.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    shuffled = list(range(len(corpus)))
    random.Random(0).shuffle(shuffled)
    for at in range(rounds + 1):
        indices = shuffled[at * _BATCH : (at + 1) * _BATCH]
        for name, step in steps.items():
            rates[name].append(sum(corpus.tokens_of(indices)) / step(corpus, indices))
    medians = {name: statistics.median(measured[1:]) for name, measured in rates.items()}
    ratios = {f"packed / {name}": medians["packed"] / medians[name] for name in list(ways)[1:]}
    return {**medians, **ratios}


class _Stepper:
    """One model and its optimiser; a call takes a step on these samples and returns its seconds."""

    def __init__(self, recipe: Recipe, way: Way, device: torch.device) -> None:
        self._model, self._way = models.build(recipe, Path()).to(device), way
        self._optimiser = torch.optim.AdamW(self._model.parameters(), lr=1e-3, fused=True)

    def __call__(self, corpus: Corpus, indices: list[int]) -> float:
        began = time.perf_counter()
        loss = self._way(self._model, corpus, indices)
        loss.backward()
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        if loss.is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - began


def _packed(model: Any, corpus: Corpus, indices: list[int]) -> Tensor:
    sums = objective.losses(model, corpus.packed(indices).to(model.device), language=True)
    return sums.answer + sums.language


def _padded(model: Any, corpus: Corpus, indices: list[int], width: int = 0) -> Tensor:
    """Compute the loss as transformers' own collator does: padding is masked, but computed."""
    batch = corpus.batch(indices).to(model.device)
    ids = F.pad(batch.ids, (0, max(0, width - batch.ids.shape[1])))
    mask = torch.arange(ids.shape[1], device=ids.device) < batch.lengths.unsqueeze(1)
    loss: Tensor = model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(~mask, -100)).loss
    return loss


def _full(model: Any, corpus: Corpus, indices: list[int]) -> Tensor:
    return _padded(model, corpus, indices, LENGTH)
