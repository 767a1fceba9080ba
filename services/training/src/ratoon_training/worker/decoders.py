"""Decoders from scratch by the classes of transformers, of the architecture that a recipe states."""

from typing import Any

import torch
from torch import nn

from ratoon_training.domain.architectures import Architecture, Family, RopeScaling
from ratoon_training.domain.initialisation import LINEAR_DEVIATION, standard_deviation

_KINDS = {
    Family.LLAMA: "llama",
    Family.QWEN3: "qwen3",
    Family.MISTRAL: "mistral",
    Family.GEMMA: "gemma",
    Family.MIXTRAL: "mixtral",
    Family.QWEN3_MOE: "qwen3_moe",
    Family.OLMOE: "olmoe",
}
"""Model types of transformers."""
_ACTIVATIONS = {"gate_proj": "silu"}
"""Activation after a layer, by its name; the others have none. The GELU of Gemma counts as the same."""


def config_of(shape: Architecture, special: dict[str, int | None] | None = None) -> Any:
    """Return the configuration of transformers; `special` are the ids of special tokens."""
    from transformers import AutoConfig

    values: dict[str, Any] = {
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_value_heads or shape.heads,
        "max_position_embeddings": _stated_positions(shape),
        "tie_word_embeddings": shape.tied,
        "rope_parameters": _rope(shape),
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "dtype": "float32",
        **(special or {}),
    }
    if shape.family is not Family.OLMOE:
        values["head_dim"] = shape.head_width
    if shape.family.has_window:
        values["sliding_window"] = shape.sliding_window or None
    if shape.family.has_experts:
        values["num_experts_per_tok"] = shape.experts_per_token
        values["num_local_experts" if shape.family is Family.MIXTRAL else "num_experts"] = shape.experts
    if shape.family is Family.QWEN3_MOE:
        values |= {"moe_intermediate_size": shape.intermediate_size, "norm_topk_prob": True}
    return AutoConfig.for_model(_KINDS[shape.family], **values)


def _stated_positions(shape: Architecture) -> int:
    """Return the positions that config.json states: engines multiply those of LINEAR by its factor."""
    return shape.unscaled_positions if shape.rope_scaling is RopeScaling.LINEAR else shape.max_positions


def _rope(shape: Architecture) -> dict[str, Any]:
    """Return the rotary positions: those of `max_positions`, of which a scaling knows fewer before it."""
    values: dict[str, Any] = {"rope_theta": shape.rope_theta, "rope_type": "default"}
    if shape.rope_scaling is None:
        return values
    values |= {"rope_type": shape.rope_scaling.lower(), "factor": shape.rope_factor}
    if shape.rope_scaling in (RopeScaling.YARN, RopeScaling.LLAMA3):
        values["original_max_position_embeddings"] = shape.unscaled_positions
    if shape.rope_scaling is RopeScaling.LLAMA3:
        values |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    return values


def from_scratch(shape: Architecture) -> Any:
    """Return a decoder with random weights, a function of torch's seed."""
    from ratoon_training.worker.models import loader

    config, kind = config_of(shape), loader(_KINDS[shape.family])
    model = kind.from_config(config) if hasattr(kind, "from_config") else kind(config)
    initialise(model)
    model.train()
    return model


def initialise(model: nn.Module) -> None:
    """Draw the weights: He before SiLU, small numbers where no such function follows, biases 0, scales of norms 1."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and not name.endswith("lm_head"):
            activation = _ACTIVATIONS.get(name.rpartition(".")[2], "linear")
            deviation = standard_deviation(activation, module.in_features, module.out_features)
        elif isinstance(module, nn.Embedding):
            deviation = standard_deviation("linear", 1, module.embedding_dim)
        elif hasattr(module, "gate_up_proj") and isinstance(module.gate_up_proj, nn.Parameter):
            initialise_experts(module)
            continue
        else:
            continue
        nn.init.normal_(module.weight, std=deviation)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)


def initialise_experts(module: Any) -> None:
    """Draw stacked experts: `gate_up_proj` is (experts, gate and up, hidden), `down_proj` (experts, hidden, gate)."""
    with torch.no_grad():
        gate, up = module.gate_up_proj.chunk(2, dim=1)
        gate.normal_(std=standard_deviation("silu", module.gate_up_proj.shape[2], gate.shape[1]))
        up.normal_(std=LINEAR_DEVIATION)
        module.down_proj.normal_(std=LINEAR_DEVIATION)
