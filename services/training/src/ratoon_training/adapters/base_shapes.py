"""Shapes of base models, read from config.json and from the headers of their weights. It loads nothing.

Numbers of weights come from the headers, so that they hold for any architecture; widths come from config.json under
the names that architectures use for them.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ratoon.storage.model_tree import embedding_rows
from ratoon.storage.safetensors_header import Tensor
from ratoon_training.domain.errors import BadBaseModel
from ratoon_training.domain.recipes import Architecture
from ratoon_training.domain.shapes import ModelShape

JSON = Mapping[str, Any]

_NAMES = {
    "hidden_size": ("hidden_size", "n_embd", "d_model"),
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "heads": ("num_attention_heads", "n_head", "n_heads"),
}
"""Names under which config.json files state a shape."""
_INTERMEDIATE = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")
_EXPERTS = ("num_experts_per_tok", "num_experts_per_token", "moe_topk")
_EXPERTS_OF_A_LAYER = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_ROUTER = re.compile(r"\.(?:gate|router)\.weight$")
_KEY_VALUE_HEADS = ("num_key_value_heads", "num_kv_heads", "multi_query_group_num")
_HEADS = ("lm_head.weight", "embed_out.weight", "output.weight")
"""Names of the output embeddings."""
_IN_A_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.\d+\.")
_GATED = re.compile(r"gate_(?:up_)?proj|\.experts\.")
_BUFFERS = re.compile(r"(?:rotary_emb\.inv_freq|masked_bias)$")
_USUAL_POSITIONS = 2048
"""Positions of a model whose config.json states none."""


def architecture_of(
    config: JSON, tensors: Mapping[str, Tensor], vocabulary: int, positions: int
) -> Architecture:
    """Return the architecture that a recipe of a base model names; BadBaseModel if config.json lacks a width."""
    stated = text_config(config)
    shape = {field: _first(stated, names) for field, names in _NAMES.items()}
    if lacking := [_NAMES[field][0] for field, value in shape.items() if not value]:
        raise BadBaseModel(f"The base model's config.json lacks {', '.join(lacking)}.", "CONFIG_INCOMPLETE")
    return Architecture(
        vocab_size=vocabulary,
        max_positions=positions or _USUAL_POSITIONS,
        tied=_tied(stated, tensors),
        hidden_size=shape["hidden_size"],
        layers=shape["layers"],
        heads=shape["heads"],
    )


def shape_of(architecture: Architecture, config: JSON, tensors: Mapping[str, Tensor]) -> ModelShape:
    """Return the shape of a whole model with these tensors."""
    stated, hidden, heads = text_config(config), architecture.hidden_size, architecture.heads
    width = _first(stated, ("head_dim",)) or hidden // heads
    key_value_heads = 1 if stated.get("multi_query") is True else _first(stated, _KEY_VALUE_HEADS)
    return ModelShape(
        parameters=parameter_count(tensors, tied=architecture.tied),
        vocab_size=architecture.vocab_size,
        hidden_size=hidden,
        layers=architecture.layers,
        heads=heads,
        intermediate_size=_intermediate(stated, hidden),
        query_width=heads * width,
        key_value_width=(key_value_heads or heads) * width,
        linear_widths=sum(sum(shape) for _, shape in _linear_layers(tensors)),
        gated=any(_GATED.search(name) for name in tensors),
        experts=(experts := _first(stated, _EXPERTS_OF_A_LAYER)),
        expert_parameters=_expert_weights(tensors, experts) // experts if experts else 0,
    )


def _expert_weights(tensors: Mapping[str, Tensor], experts: int) -> int:
    """Return the number of weights of all experts, stacked or not, and of their routers."""
    stacks = sum(math.prod(each.shape) for name, each in tensors.items() if ".experts." in name)
    routers = (each.shape for name, each in tensors.items() if _ROUTER.search(name))
    return stacks + sum(math.prod(shape) for shape in routers if shape[0] == experts)


def parameter_count(tensors: Mapping[str, Tensor], *, tied: bool) -> int:
    """Return the number of weights: a head that is tied to the embeddings counts once, masks and tables do not."""
    return sum(
        math.prod(tensor.shape)
        for name, tensor in tensors.items()
        if not (_buffer(name, tensor) or (tied and name.endswith(_HEADS) and not _IN_A_LAYER.search(name)))
    )


def text_config(config: JSON) -> JSON:
    """Return the part of a config.json that describes the language model."""
    nested = config.get("text_config")
    return {**config, **nested} if isinstance(nested, dict) else config


def _intermediate(stated: JSON, hidden: int) -> int:
    """Return the width of the intermediate layer: that of the experts that one token uses, side by side."""
    width = _first(stated, _INTERMEDIATE) or 4 * hidden
    if experts := _first(stated, _EXPERTS):
        return experts * (_first(stated, ("moe_intermediate_size",)) or width)
    return width


def _tied(stated: JSON, tensors: Mapping[str, Tensor]) -> bool:
    """Return True if input and output embeddings are one matrix: some architectures do not write that they are."""
    if not embedding_rows(tensors):
        return bool(stated.get("tie_word_embeddings", False))
    has_head = any(name.endswith(_HEADS) and not _IN_A_LAYER.search(name) for name in tensors)
    return not has_head or bool(stated.get("tie_word_embeddings", False))


def _linear_layers(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield name and shape of the matrices of decoder layers. Experts are left out: adapters do not change them."""
    for name, tensor in tensors.items():
        if _IN_A_LAYER.search(name) and len(tensor.shape) == 2 and ".experts." not in name:
            yield name, tensor.shape


def _buffer(name: str, tensor: Tensor) -> bool:
    """Return True for what older checkpoints hold in addition to weights: causal masks and rotary tables."""
    return len(tensor.shape) == 4 or _BUFFERS.search(name) is not None


def _first(stated: JSON, names: tuple[str, ...]) -> int:
    """Return the first of these names that states a whole number above 0; 0: none does."""
    numbers = (stated.get(name) for name in names)
    return next((number for number in numbers if type(number) is int and number > 0), 0)
