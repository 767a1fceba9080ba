"""Forward pass of a causal language model of any architecture, in two halves: hidden states, and logits of some places.

Most architectures compute logits by their output embeddings alone; some scale or cap them afterwards, which the second
half repeats. `check` compares the halves with the model's own forward pass, so that an architecture that does more is
refused instead of being trained on another loss.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ratoon_training.domain.errors import BadBaseModel

_TOKENS = 8
"""Tokens of the comparison."""
_TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 0.02}
"""Largest difference that rounding makes, as a share of the largest logit, by the number format of the weights."""
_ADJUSTMENTS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "logit_scale": lambda logits, scale: logits * scale,
    "logits_scaling": lambda logits, scale: logits / scale,
    "lm_head_multiplier": lambda logits, scale: logits * scale,
    "final_logit_softcapping": lambda logits, cap: cap * torch.tanh(logits / cap),
}
"""What architectures do with logits, by the setting of config.json that states the number."""


def hidden_states(model: Any, inputs: dict[str, Any]) -> Tensor:
    """Return the states before the output layer, (rows, places, width)."""
    states: Tensor = model.get_decoder()(**inputs, use_cache=False).last_hidden_state
    return states


def logits(model: Any, hidden: Tensor) -> Tensor:
    """Return the logits of some states in float32."""
    values: Tensor = model.get_output_embeddings()(hidden).float()
    config = model.config.get_text_config()
    for name, adjusted in _ADJUSTMENTS.items():
        if number := getattr(config, name, None):
            values = adjusted(values, float(number))
    return values


@torch.no_grad()
def check(model: Any) -> None:
    """BadBaseModel unless the two halves give what the model itself gives."""
    training = model.training
    model.eval()
    embeddings = model.get_input_embeddings().weight
    inputs = {"input_ids": torch.arange(_TOKENS).unsqueeze(0) % embeddings.shape[0]}
    expected = model(**inputs, use_cache=False).logits.float()
    difference = (logits(model, hidden_states(model, inputs)) - expected).abs().max()
    model.train(training)
    if not bool(difference <= _TOLERANCES[embeddings.dtype] * expected.abs().max()):
        raise BadBaseModel(
            f"The architecture {model.config.model_type} computes its logits in a way that training does not know: "
            "choose a base model of another architecture.",
            "ARCHITECTURE_UNKNOWN",
        )
