"""How the next token of an answer is chosen: greedy, or sampled with a stream of draws for each answer.

The draws of an answer follow from the seed and its prompt alone, so they do not depend on the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon_evaluation.worker.models import torch


@dataclass(frozen=True)
class Decoding:
    """Settings of decoding; a temperature of 0 is greedy."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    """Number of the likeliest tokens to choose from; 0: all."""
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0

    @property
    def is_greedy(self) -> bool:
        """Return whether no answer depends on the seed."""
        return self.temperature == 0


def draws_of(seed: int, prompt: Sequence[int]) -> np.random.Generator:
    """Return the stream of draws of one answer."""
    digest = hashlib.sha256(np.array([seed, *prompt], dtype="<i8").tobytes()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def penalised(logits: Any, seen: Any, penalty: float) -> Any:
    """Return logits (rows, vocabulary) with those of tokens already seen made less likely (Keskar et al., 2019)."""
    return logits.where(~seen, (logits / penalty).where(logits > 0, logits * penalty))


def sampled(logits: Any, decoding: Decoding, draws: npt.NDArray[np.float64]) -> Any:
    """Return one token a row; a draw in 0..1 chooses among the tokens that the filters keep, the likeliest first.

    The filters come in the order of transformers: temperature, `top_k`, `top_p`, `min_p`.
    """
    shares, tokens = (logits.double() / decoding.temperature).softmax(-1).sort(-1, descending=True)
    if decoding.top_k:
        shares[:, decoding.top_k :] = 0
    shares /= shares.sum(-1, keepdim=True)
    if decoding.top_p < 1:
        shares[(shares.cumsum(-1) - shares) >= decoding.top_p] = 0
    if decoding.min_p:
        shares[shares < decoding.min_p * shares[:, :1]] = 0
    reached = shares.cumsum(-1)
    targets = torch.from_numpy(draws).unsqueeze(-1) * reached[:, -1:]
    retained = (shares > 0).sum(-1, keepdim=True)
    places = torch.searchsorted(reached, targets, right=True).minimum(retained - 1)
    return tokens.gather(-1, places).squeeze(-1)
