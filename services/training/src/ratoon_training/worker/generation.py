"""Answers that a model writes while it trains: a function of weights, prompts and seed alone, on the same hardware.

Rows are padded on the left, and keys and values are kept. The log-probability of each token is what the generator
computes, which differs from what the trainer computes for the same token by rounding, and by the number format.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ratoon_training.worker import forward


@dataclass(frozen=True)
class Decoding:
    """Limits of answers: tokens that end them, their maximum number, and the temperature (0: the likeliest token)."""

    ends: frozenset[int]
    max_new_tokens: int
    temperature: float = 1.0


@dataclass(frozen=True)
class Answer:
    """Tokens of an answer, its end included, with the log-probability of each by the generator (nats)."""

    ids: list[int]
    log_probabilities: list[float]
    ended: bool


@torch.no_grad()
def answers(model: Any, prompts: Sequence[list[int]], decoding: Decoding, seed: int) -> list[Answer]:
    """Return an answer to each prompt. The model must be in evaluation mode."""
    from transformers import DynamicCache

    device = model.get_input_embeddings().weight.device
    ids, mask = _padded(prompts, device)
    random = torch.Generator(device).manual_seed(seed)
    ends = torch.tensor(sorted(decoding.ends), device=device)
    cache = DynamicCache(config=model.config)
    open_rows = torch.ones(len(prompts), dtype=torch.bool, device=device)
    drawn, values, counted = list[Tensor](), list[Tensor](), list[Tensor]()
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    for _ in range(decoding.max_new_tokens):
        states = model.get_decoder()(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        ).last_hidden_state
        token, value = _drawn(forward.logits(model, states[:, -1]), decoding.temperature, random)
        drawn.append(token)
        values.append(value)
        counted.append(open_rows)
        open_rows = open_rows & ~torch.isin(token, ends)
        if not bool(open_rows.any()):
            break
        ids, positions = token.unsqueeze(1), positions[:, -1:] + 1
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
    tokens, logs = torch.stack(drawn, 1).tolist(), torch.stack(values, 1).tolist()
    lengths = torch.stack(counted, 1).sum(1).tolist()
    still_open = open_rows.tolist()
    return [
        Answer(tokens[row][:length], logs[row][:length], not still_open[row])
        for row, length in enumerate(lengths)
    ]


def _drawn(logits: Tensor, temperature: float, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return a token of each row and its log-probability at the temperature; at 0, the likeliest, at temperature 1."""
    scaled = logits.log_softmax(-1) if not temperature else (logits / temperature).log_softmax(-1)
    token = torch.multinomial(scaled.exp(), 1, generator=random) if temperature else scaled.argmax(-1, True)
    return token.squeeze(1), scaled.gather(1, token).squeeze(1)


def _padded(prompts: Sequence[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return tokens and mask of the prompts, (rows, longest): padding precedes them."""
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return ids.to(device), mask.to(device)
