"""Attention of samples that share one row: each attends only to itself, so no product is spent on padding or others.

Linear layers see one long row; attention is computed by sample, which a block-diagonal mask over the row would cost the
square of the row's length for. Processors take one sample after another, without any padding. A GPU, whose time goes
into starting small work, takes all at once: in 16 bits without padding by torch's attention of rows of different
lengths, in float32, which that does not have, each sample padded to the longest for this alone.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from ratoon_training.worker.corpus import Segments

NAME = "ratoon_packed"
"""The attention implementation, as transformers knows it."""
_HALF = (torch.float16, torch.bfloat16)
_AMPERE = (8, 0)
"""Compute capability from which GPUs attend to rows of different lengths."""
_WIDEST, _MULTIPLE = 256, 8
"""Limits of the width of their heads."""


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
    tensors = (query, key, value)
    if query.device.type == "cpu":
        return one_by_one(module, tensors, segments, **options), None
    if torch.is_autocast_enabled(query.device.type):
        tensors = tuple(tensor.to(torch.get_autocast_dtype(query.device.type)) for tensor in tensors)
    way = in_one_row if _is_of_any_lengths(tensors, options) else side_by_side
    return way(module, tensors, segments, **options), None


def _is_of_any_lengths(tensors: tuple[Tensor, ...], options: dict[str, Any]) -> bool:
    """Return True if the GPU has an attention of rows of different lengths for these queries, keys and values."""
    query, widths = tensors[0], {tensor.shape[3] for tensor in tensors}
    width = query.shape[3]
    return (
        query.dtype in _HALF
        and torch.cuda.get_device_capability(query.device) >= _AMPERE
        and len(widths) == 1
        and width <= _WIDEST
        and width % _MULTIPLE == 0
        and not options.get("dropout")
    )


def in_one_row(module: Any, tensors: tuple[Tensor, ...], segments: Segments, **options: Any) -> Tensor:
    """All samples in one call, without padding and without a copy of the row."""
    from torch.nn.attention.varlen import varlen_attn  # that of Trainium is older

    query, key, value = (tensor[0].transpose(0, 1) for tensor in tensors)
    longest, window = max(segments.lengths), options.get("sliding_window")
    attended = varlen_attn(
        query,
        key,
        value,
        segments.starts,
        segments.starts,
        longest,
        longest,
        scale=options.get("scaling"),
        window_size=(window - 1 if window else -1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    assert isinstance(attended, Tensor), "the logarithms of the sums were not requested"
    return attended.unsqueeze(0)


def one_by_one(module: Any, tensors: tuple[Tensor, ...], segments: Segments, **options: Any) -> Tensor:
    """Sample after sample; `tensors` are queries, keys and values, (1, heads, row, width) each."""
    parts = (tensor.split(list(segments.lengths), dim=2) for tensor in tensors)
    attended = [_attended(module, part, options) for part in zip(*parts, strict=True)]
    return torch.cat(attended, dim=1)


def side_by_side(module: Any, tensors: tuple[Tensor, ...], segments: Segments, **options: Any) -> Tensor:
    """All samples in one call. Padding comes last, so causal attention does not see it."""
    if len({tensor.shape[3] for tensor in tensors}) == 1:
        # One copy for the heads of all three.
        heads = [tensor.shape[1] for tensor in tensors]
        spread = _spread(torch.cat(tensors, dim=1), segments).split(heads, dim=1)
    else:
        spread = tuple(_spread(tensor, segments) for tensor in tensors)
    attended = _attended(module, spread, options)
    return attended.flatten(0, 1).index_select(0, segments.cells).unsqueeze(0)


def _spread(tensor: Tensor, segments: Segments) -> Tensor:
    """Return a row, (1, heads, row, width), as samples padded to the longest, (samples, heads, longest, width)."""
    row, (samples, longest) = tensor[0].transpose(0, 1), segments.grid
    cells = row.new_zeros(samples * longest, *row.shape[1:]).index_copy_(0, segments.cells, row)
    return cells.unflatten(0, (samples, longest)).transpose(1, 2)


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
