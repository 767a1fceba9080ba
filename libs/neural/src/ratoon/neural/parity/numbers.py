"""Numbers of torch modules: greedy recordings, scores of recorded tokens, and the first layer that differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ratoon.tasks.parity import Recorded, Scored

TOKENS = 8
"""Tokens that a recording generates."""
LAYER_ERRORS = {"float32": 1e-3, "float16": 0.02, "bfloat16": 0.1, "int8": 0.3, "int4": 0.6}
"""Relative error of hidden states that a number format explains."""


@torch.inference_mode()
def record(model: Any, prompts: Sequence[Sequence[int]], tokens: int = TOKENS) -> tuple[Recorded, ...]:
    """Return the greedy continuations of prompts (token ids), computed alone, without padding and cache."""
    recordings = []
    for prompt in prompts:
        ids, chosen, best, second = list(prompt), [], [], []
        for _ in range(tokens):
            values, numbers = _logprobs(model, ids)[-1].topk(2)
            chosen.append(int(numbers[0]))
            best.append(float(values[0]))
            second.append(float(values[1]))
            ids.append(chosen[-1])
        recordings.append(Recorded(tuple(prompt), tuple(chosen), tuple(best), tuple(second)))
    return tuple(recordings)


@torch.inference_mode()
def score(model: Any, recorded: Sequence[Recorded]) -> list[Scored]:
    """Return the choices at each recorded token, given those before it, and its log-probability."""
    scores = []
    for each in recorded:
        logprobs = _logprobs(model, [*each.prompt, *each.tokens])[len(each.prompt) - 1 : -1]
        own = logprobs[range(len(each.tokens)), list(each.tokens)]
        scores.append(Scored(tuple(logprobs.argmax(-1).tolist()), tuple(own.tolist())))
    return scores


@torch.inference_mode()
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
    tokens = torch.tensor([list(ids)], device=_device(model))
    states = model(tokens, output_hidden_states=True, use_cache=False).hidden_states or ()
    return tuple(each.float().cpu() for each in states)


def _logprobs(model: Any, ids: Sequence[int]) -> Tensor:
    """Return log-probabilities (tokens, vocabulary) in float32 on the CPU."""
    tokens = torch.tensor([list(ids)], device=_device(model))
    logits: Tensor = model(tokens, use_cache=False).logits[0]
    return logits.float().cpu().log_softmax(-1)


def _device(model: Any) -> Any:
    return next(model.parameters()).device
