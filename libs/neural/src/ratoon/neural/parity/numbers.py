"""Numbers of torch modules: greedy recordings, scores of recorded tokens, and the first layer that differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ratoon.tasks.parity import Recorded, Scored, TextScores

TOKENS = 8
"""Tokens that a recording generates."""
LAYER_ERRORS = {"float32": 1e-3, "float16": 0.02, "bfloat16": 0.1, "int8": 0.3, "int4": 0.6}
"""Relative error of hidden states that a number format explains."""


def record(model: Any, prompts: Sequence[Sequence[int]], tokens: int = TOKENS) -> tuple[Recorded, ...]:
    """Return the greedy continuations of prompts (token ids), each computed alone, without padding.

    Keys and values of earlier tokens are kept where the architecture has a cache of them.
    """
    recordings = []
    for prompt in prompts:
        chosen: list[int] = []
        best: list[float] = []
        second: list[float] = []
        cache = None
        for _ in range(tokens):
            ids = [*prompt, *chosen] if cache is None else chosen[-1:]
            with torch.inference_mode():
                answer = model(_tensor(model, ids), past_key_values=cache, use_cache=True)
            cache = getattr(answer, "past_key_values", None)
            values, numbers = answer.logits[0, -1].float().cpu().log_softmax(-1).topk(2)
            chosen.append(int(numbers[0]))
            best.append(float(values[0]))
            second.append(float(values[1]))
        recordings.append(Recorded(tuple(prompt), tuple(chosen), tuple(best), tuple(second)))
    return tuple(recordings)


def score(model: Any, recorded: Sequence[Recorded]) -> list[Scored]:
    """Return the choices at each recorded token, given those before it, and its log-probability."""
    scores = []
    for each in recorded:
        logprobs = _logprobs(model, [*each.prompt, *each.tokens])[len(each.prompt) - 1 : -1]
        own = logprobs[range(len(each.tokens)), list(each.tokens)]
        scores.append(Scored(tuple(logprobs.argmax(-1).tolist()), tuple(own.tolist())))
    return scores


def read(model: Any, texts: Sequence[Sequence[int]]) -> list[TextScores]:
    """Return the scores of texts (token ids, at least two each), one forward pass a text."""
    scores = []
    for ids in texts:
        logprobs = _logprobs(model, ids)[:-1]
        best, numbers = logprobs.topk(2)
        own = logprobs[range(len(ids) - 1), list(ids[1:])]
        leads = best[:, 0] - best[:, 1]
        scores.append(
            TextScores(tuple(ids), tuple(numbers[:, 0].tolist()), tuple(own.tolist()), tuple(leads.tolist()))
        )
    return scores


def first_layer(reference: Any, form: Any, ids: Sequence[int], number_format: str) -> str:
    """Return the first layer whose output differs by more than the number format explains; empty: none does.

    Both are torch modules of transformers with the same number of layers.
    """
    states = [_hidden_states(model, ids) for model in (reference, form)]
    if len(states[0]) != len(states[1]):
        return ""
    accepted = LAYER_ERRORS[number_format]
    for number, (expected, own) in enumerate(zip(*states, strict=True)):
        difference = float((own - expected).norm() / expected.norm().clamp_min(1e-12))
        if not difference <= accepted:
            return "embeddings" if number == 0 else f"layers.{number - 1}"
    return ""


def _hidden_states(model: Any, ids: Sequence[int]) -> tuple[Tensor, ...]:
    with torch.inference_mode():
        states = model(_tensor(model, ids), output_hidden_states=True, use_cache=False).hidden_states or ()
    return tuple(each.float().cpu() for each in states)


def _logprobs(model: Any, ids: Sequence[int]) -> Tensor:
    """Return log-probabilities (tokens, vocabulary) in float32 on the CPU."""
    with torch.inference_mode():
        logits: Tensor = model(_tensor(model, ids), use_cache=False).logits[0]
    return logits.float().cpu().log_softmax(-1)


def _tensor(model: Any, ids: Sequence[int]) -> Tensor:
    """Return token ids as a batch of one, on the device of the model."""
    return torch.tensor([list(ids)], device=next(model.parameters()).device)
