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
        return _attended(module, (query, key, value), options, attention_mask), None
    way = one_by_one if query.device.type == "cpu" else side_by_side
    return way(module, (query, key, value), segments, **options), None


def one_by_one(module: Any, tensors: tuple[Tensor, ...], segments: Segments, **options: Any) -> Tensor:
    """Sample after sample; `tensors` are queries, keys and values, (1, heads, row, width) each."""
    parts = (tensor.split(list(segments.lengths), dim=2) for tensor in tensors)
    attended = [_attended(module, part, options) for part in zip(*parts, strict=True)]
    return torch.cat(attended, dim=1)


def side_by_side(module: Any, tensors: tuple[Tensor, ...], segments: Segments, **options: Any) -> Tensor:
    """All samples in one call. Padding comes last, so causal attention does not see it."""

    def spread(tensor: Tensor) -> Tensor:
        row = tensor[0].transpose(0, 1)
        samples, longest = segments.grid
        empty = row.new_zeros(samples * longest, *row.shape[1:])
        cells = empty.index_copy(0, segments.cells, row)
        return cells.unflatten(0, (samples, longest)).transpose(1, 2)

    attended = _attended(module, tuple(map(spread, tensors)), options)
    return attended.flatten(0, 1).index_select(0, segments.cells).unsqueeze(0)


def _attended(
    module: Any, tensors: tuple[Tensor, ...], options: dict[str, Any], mask: Tensor | None = None
) -> Tensor:
    """Attend within each row, and within the layer's window: transformers makes no mask for attention of ours."""
    query, length, window = tensors[0], tensors[0].shape[2], options.get("sliding_window")
    if mask is None and window and length > window:
        mask = _window_mask(length, window, query.device)
    attended: Tensor = sdpa_attention_forward(module, *tensors, mask, **options)[0]
    return attended


def _window_mask(length: int, window: int, device: torch.device) -> Tensor:
    """Return a mask that is true where a place sees itself or one of the `window - 1` before it."""
    places = torch.arange(length, device=device)
    distance = places.unsqueeze(1) - places
    return ((distance >= 0) & (distance < window)).expand(1, 1, -1, -1)
