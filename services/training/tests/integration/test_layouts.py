"""The layout of weights: what is loaded and saved means the same in transformers and in the formulas of Llama."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from ratoon_training.worker import forward, models

from .architectures import tiny

PLACES = 64


def rotated(states: Tensor, theta: float) -> Tensor:
    """Return states (heads, places, width) turned by their place, halves as pairs (Su et al. 2021; GPT-NeoX)."""
    width = states.shape[-1]
    frequencies = theta ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(states.shape[1], dtype=torch.float64)[:, None] * frequencies
    first, second = states[..., : width // 2], states[..., width // 2 :]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def normed(states: Tensor, scale: Tensor, epsilon: float) -> Tensor:
    return states * (states.square().mean(-1, keepdim=True) + epsilon).rsqrt() * scale


def llama(weights: dict[str, Tensor], config: Any, ids: Tensor) -> Tensor:
    """Return the logits (places, tokens) of a Llama by its formulas, in float64."""
    get = {name: each.double() for name, each in weights.items()}
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    theta = config.rope_parameters["rope_theta"]
    states = get["model.embed_tokens.weight"][ids]
    places = len(ids)
    hidden = torch.full((places, places), -torch.inf, dtype=torch.float64).triu(1)
    for layer in range(config.num_hidden_layers):
        name = f"model.layers.{layer}."
        inputs = normed(states, get[f"{name}input_layernorm.weight"], config.rms_norm_eps)
        query, key, value = (
            (inputs @ get[f"{name}self_attn.{each}_proj.weight"].T).view(places, count, -1).transpose(0, 1)
            for each, count in (("q", heads), ("k", groups), ("v", groups))
        )
        key, value = (each.repeat_interleave(heads // groups, 0) for each in (key, value))
        scores = rotated(query, theta) @ rotated(key, theta).transpose(1, 2) / query.shape[-1] ** 0.5
        attended = ((scores + hidden).softmax(-1) @ value).transpose(0, 1).reshape(places, -1)
        states = states + attended @ get[f"{name}self_attn.o_proj.weight"].T
        inputs = normed(states, get[f"{name}post_attention_layernorm.weight"], config.rms_norm_eps)
        gate, up, down = (get[f"{name}mlp.{each}_proj.weight"] for each in ("gate", "up", "down"))
        states = states + (torch.nn.functional.silu(inputs @ gate.T) * (inputs @ up.T)) @ down.T
    states = normed(states, get["model.norm.weight"], config.rms_norm_eps)
    return states @ get.get("lm_head.weight", get["model.embed_tokens.weight"]).T


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Return a Llama with fewer heads of keys than of queries and random scales, whose names no test can confuse."""
    return tiny(tmp_path / "base", "llama")


def test_rotary_layout_and_names_survive_loading_and_saving(base, tmp_path):
    """T29: the same bits, and the same logits at each of 64 places. Place 0 alone is turned by nothing."""
    model = models._of_base(base, torch.float32).eval()
    model.save_pretrained(tmp_path / "again")
    before, after = (load_file(folder / "model.safetensors") for folder in (base, tmp_path / "again"))
    assert before.keys() == after.keys()
    assert all(torch.equal(each, after[name]) for name, each in before.items())
    ids = torch.randint(3, model.config.vocab_size, (PLACES,), generator=torch.Generator().manual_seed(4))
    expected = llama(after, model.config, ids)
    inputs = {"input_ids": ids[None]}
    with torch.no_grad():
        own = forward.logits(model, forward.hidden_states(model, inputs))[0]
        theirs = model(**inputs).logits[0]
    for logits in (own, theirs):
        assert (logits.double() - expected).abs().max() < 1e-4
    swapped = dict(after)
    first, second = (f"model.layers.0.{each}_layernorm.weight" for each in ("input", "post_attention"))
    swapped[first], swapped[second] = after[second], after[first]
    assert (llama(swapped, model.config, ids) - expected).abs().max() > 1e-2, "the test sees exchanged scales"
