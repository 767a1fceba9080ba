"""Weights in fewer bits, in the layout of compressed-tensors, which vLLM and transformers load.

Scales are symmetric. Linear layers are compressed and the output layer is not: its errors reach the tokens directly. An
expert of a mixture whose weights are stacked in one tensor is no linear layer; it stays as it is.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ratoon_training.domain.compressions import (
    MIN_GROUP,
    USUAL_GROUP,
    CompressionSpec,
    Method,
)
from ratoon_training.domain.errors import BadCompression

_INT8_MAX, _INT4_MAX = 127, 7
_SHRUNK = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""Shares of the largest weight of a group that are tried as the largest value of 4 bits."""
_DAMPING = 0.01
"""Share of the mean diagonal that is added to a Hessian, as GPTQ's authors do."""


OnStep = Callable[[int, int], None]
"""Is called with the number of steps that are done, and that of all; it may raise to end the work."""


def ignored(done: int, count: int) -> None:
    """Report no step."""


def linear_layers(model: Any) -> dict[str, nn.Linear]:
    """Return the linear layers of a model by name, without its output layer; BadCompression if there are none."""
    head = model.get_output_embeddings()
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head
    }
    if not layers:
        raise BadCompression(
            f"The architecture {model.config.model_type} has no linear layers of its own besides its output layer: "
            "choose METHOD_BFLOAT16 or METHOD_FLOAT16.",
            "method",
        )
    return layers


def group_size(layers: Mapping[str, nn.Linear], requested: int) -> int:
    """Return the number of weights that share a scale; BadCompression if none fits every layer."""
    common = math.gcd(*(layer.in_features for layer in layers.values()))
    if requested:
        if common % requested:
            widths = ", ".join(map(str, sorted({layer.in_features for layer in layers.values()})))
            raise BadCompression(
                f"group_size {requested} does not divide the widths of the layers ({widths}): leave it out.",
                "group_size",
            )
        return requested
    fitting = min(common & -common, USUAL_GROUP)
    if fitting < MIN_GROUP:
        raise BadCompression(
            f"No group of {MIN_GROUP} weights or more divides the widths of all layers: choose METHOD_INT8.",
            "method",
        )
    return fitting


def prune(layers: Mapping[str, nn.Linear], sparsity: float) -> None:
    """Set the smallest weights of each layer to zero."""
    for layer in layers.values():
        weight = layer.weight.data
        count = int(weight.numel() * sparsity)
        if count:
            threshold = weight.abs().flatten().kthvalue(count).values
            weight[weight.abs() <= threshold] = 0.0


def quantize(
    model: Any,
    spec: CompressionSpec,
    hessians: Mapping[str, Tensor],
    dtype: torch.dtype,
    on_step: OnStep = ignored,
) -> Any:
    """Round the linear layers in place, and return what writes the `quantization_config` of config.json.

    `hessians` (inputs x inputs) of a layer let it make up for the error of each weight by those that follow (GPTQ).
    All other tensors, and the scales, are stored as `dtype`. `on_step` is called before each layer.
    """
    from compressed_tensors.compressors import ModelCompressor
    from compressed_tensors.quantization import (
        QuantizationArgs,
        QuantizationConfig,
        QuantizationScheme,
        QuantizationStatus,
        apply_quantization_config,
    )

    layers = linear_layers(model)
    head = next(
        (name for name, module in model.named_modules() if module is model.get_output_embeddings()), "lm_head"
    )
    size = group_size(layers, spec.group_size) if spec.method is Method.INT4 else 0
    limit = _INT4_MAX if size else _INT8_MAX
    whole: dict[str, Any] = {"type": "int", "symmetric": True}
    scheme = (
        QuantizationScheme(
            targets=["Linear"],
            weights=QuantizationArgs(num_bits=4, strategy="group", group_size=size, **whole),
        )
        if size
        else QuantizationScheme(
            targets=["Linear"],
            weights=QuantizationArgs(num_bits=8, strategy="channel", **whole),
            input_activations=QuantizationArgs(num_bits=8, strategy="token", dynamic=True, **whole),
        )
    )
    apply_quantization_config(model, QuantizationConfig(config_groups={"group_0": scheme}, ignore=[head]))
    for number, (name, layer) in enumerate(layers.items()):
        on_step(number, len(layers))
        rounded, scales = rounded_weights(layer.weight.data, size, limit, hessians.get(name), dtype)
        quantized: Any = layer
        quantized.weight.data, quantized.weight_scale.data = rounded, scales
        quantized.quantization_status = QuantizationStatus.FROZEN
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    for tensor in model.parameters():
        if tensor.is_floating_point():
            tensor.data = tensor.data.to(dtype)
    return compressor


def rounded_weights(
    weight: Tensor, size: int, limit: int, hessian: Tensor | None, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return a weight (outputs, inputs) whose values are whole multiples of their scales, and the scales.

    `size` weights of a row share a scale; 0: all of a row. Scales are exact in `dtype`.
    """
    columns = size or weight.shape[1]
    scales = _scales(weight.unflatten(1, (-1, columns)), limit, dtype, _SHRUNK if size else (1.0,))
    wide = scales.repeat_interleave(columns, dim=1)
    if hessian is not None:
        return _compensated(weight, wide, limit, hessian), scales
    return _nearest(weight, wide, limit), scales


def _scales(groups: Tensor, limit: int, dtype: torch.dtype, shares: tuple[float, ...]) -> Tensor:
    """Return the scale of each group: the share of its largest weight that leaves the smallest squared error."""
    largest = groups.abs().amax(-1) / limit
    best, smallest = torch.empty_like(largest), torch.full_like(largest, torch.inf)
    for share in shares:
        scales = (share * largest).clamp_min(1e-8).to(dtype).float()
        errors = (_nearest(groups, scales.unsqueeze(-1), limit) - groups).square().sum(-1)
        best = torch.where(errors < smallest, scales, best)
        smallest = torch.minimum(errors, smallest)
    return best


def _nearest(weight: Tensor, scales: Tensor, limit: int) -> Tensor:
    return (weight / scales).round().clamp(-limit - 1, limit) * scales


def _compensated(weight: Tensor, scales: Tensor, limit: int, hessian: Tensor) -> Tensor:
    """Round column by column; the columns that follow take up the error of each (GPTQ, Frantar et al., 2023)."""
    left, rounded = weight.clone(), torch.empty_like(weight)
    matrix = hessian.clone()
    dead = matrix.diagonal() == 0
    matrix.diagonal()[dead] = 1.0
    left[:, dead] = 0.0
    matrix.diagonal().add_(_DAMPING * matrix.diagonal().mean())
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(matrix)), upper=True)
    for column in range(weight.shape[1]):
        value = _nearest(left[:, column], scales[:, column], limit)
        error = (left[:, column] - value) / inverse[column, column]
        left[:, column:] -= error.outer(inverse[column, column:])
        rounded[:, column] = value
    return rounded


@torch.no_grad()
def hessians(model: Any, samples: list[list[int]], on_step: OnStep = ignored) -> dict[str, Tensor]:
    """Return the mean outer product of the inputs of each linear layer on some tokens, in float32.

    `on_step` is called before each sample.
    """
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def add(name: str, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        flat = inputs[0].reshape(-1, inputs[0].shape[-1]).float()
        product = flat.T @ flat
        sums[name] = sums[name] + product if name in sums else product
        counts[name] = counts.get(name, 0) + len(flat)

    hooks = [
        layer.register_forward_pre_hook(partial(add, name)) for name, layer in linear_layers(model).items()
    ]
    try:
        for number, tokens in enumerate(samples):
            on_step(number, len(samples))
            model(input_ids=torch.tensor([tokens]), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: total / counts[name] for name, total in sums.items()}


def save(model: Any, folder: Path, compressor: Any | None) -> None:
    """Write weights and config.json."""
    model.save_pretrained(folder, safe_serialization=True)
    if compressor is not None:
        compressor.update_config(folder)
