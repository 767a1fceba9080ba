"""Plans of bases of other people: sized by config.json and headers as what transformers allocates for them."""

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModel, AutoModelForCausalLM

from ratoon.storage.safetensors_header import Tensor
from ratoon_training.adapters.base_shapes import architecture_of, shape_of
from ratoon_training.domain.plan import CALIBRATION, measured

ADAM_BYTES = 16
"""Bytes of a trained weight in float32, its gradient and its two moments."""
GROUPED = {"num_key_value_heads": 8}


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("llama", {}),
        ("llama", {**GROUPED, "tie_word_embeddings": True}),
        ("qwen2", {**GROUPED}),
        ("qwen3", {**GROUPED, "head_dim": 128}),
        ("mistral", {}),
        ("gemma2", {}),
        ("gpt2", {}),
        ("gpt_neox", {"num_hidden_layers": 6}),
        ("mixtral", {"num_hidden_layers": 4}),
        ("qwen2_moe", {"num_hidden_layers": 4}),
        ("olmo2", {"num_hidden_layers": 4}),
        ("bert", {}),
    ],
)
def test_a_foreign_base_is_sized_as_it_is_allocated(family, changes):
    """The configurations are the defaults of transformers: those of the published models."""
    config = CONFIG_MAPPING[family](**changes)
    build = AutoModel if family == "bert" else AutoModelForCausalLM
    with torch.device("meta"):
        model = build.from_config(config)
    tensors = {name: Tensor("F32", tuple(each.shape)) for name, each in model.state_dict().items()}
    stated = config.to_dict()
    positions = stated.get("max_position_embeddings") or stated.get("n_positions") or 0
    shape = shape_of(architecture_of(stated, tensors, config.vocab_size, positions), stated, tensors)
    allocated = ADAM_BYTES * sum(each.numel() for each in model.parameters())
    needs = measured(shape, 1, 1)
    planned = needs.weights + needs.gradients + needs.optimiser
    assert planned == pytest.approx(allocated, rel=0.01)
    assert needs.total > planned + CALIBRATION.process_bytes
