"""Attention of samples that share one row: each sees itself alone, so no product is spent on padding or on others.

Linear layers see one long row; attention is computed sample by sample, which a block-diagonal mask over the row would
cost the square of the row's length for.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "ratoon_packed"
"""The attention implementation, as transformers knows it."""


def allow(model: Any) -> None:
    """Let the model take packed rows; rows without `segments` are computed as before."""
    AttentionInterface.register(NAME, attention)
    model.set_attn_implementation(NAME)


def attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    segments: Sequence[int] | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each of `segments`, the lengths of the samples in the one row; (1, row, heads, width)."""
    if segments is None:
        usual: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **options
        )
        return usual
    parts = (tensor.split(list(segments), dim=2) for tensor in (query, key, value))
    seen = [
        sdpa_attention_forward(module, q, k, v, None, **options)[0] for q, k, v in zip(*parts, strict=True)
    ]
    return torch.cat(seen, dim=1), None
