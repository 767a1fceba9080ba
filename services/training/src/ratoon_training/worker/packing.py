"""Attention of samples that share one row: each attends only to itself, so no product is spent on padding or others.

Linear layers see one long row; attention is computed by sample, which a block-diagonal mask over the row would cost the
square of the row's length for. Processors take one sample after another, without any padding; a GPU, whose time goes
into starting small work, takes all at once, each padded to the longest for this alone.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from ratoon_training.worker.corpus import Segments

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
    segments: Segments | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each of `segments` of the one row; (1, row, heads, width)."""
    if segments is None:
        usual: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **options
        )
        return usual
    way = one_by_one if query.device.type == "cpu" else side_by_side
    return way(module, (query, key, value), segments, **options), None


def one_by_one(module: Any, tensors: tuple[Tensor, ...], segments: Segments, **options: Any) -> Tensor:
    """Sample after sample; `tensors` are queries, keys and values, (1, heads, row, width) each."""
    parts = (tensor.split(list(segments.lengths), dim=2) for tensor in tensors)
    attended = [
        sdpa_attention_forward(module, q, k, v, None, **options)[0] for q, k, v in zip(*parts, strict=True)
    ]
    return torch.cat(attended, dim=1)


def side_by_side(module: Any, tensors: tuple[Tensor, ...], segments: Segments, **options: Any) -> Tensor:
    """All samples in one call. Padding comes last, so causal attention does not see it."""

    def spread(tensor: Tensor) -> Tensor:
        row = tensor[0].transpose(0, 1)
        samples, longest = segments.grid
        empty = row.new_zeros(samples * longest, *row.shape[1:])
        cells = empty.index_copy(0, segments.cells, row)
        return cells.unflatten(0, (samples, longest)).transpose(1, 2)

    attended = sdpa_attention_forward(module, *map(spread, tensors), None, **options)[0]
    return attended.flatten(0, 1).index_select(0, segments.cells).unsqueeze(0)
