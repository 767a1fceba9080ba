"""Model directories against their architecture, on models of several families made from their configurations."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ratoon.engine.architecture import architecture_problems
from ratoon.testkit.models import tiny_llama

SHAPES = {
    "llama": {"num_key_value_heads": 2, "tie_word_embeddings": True},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 32},
    "gpt_neox": {},
    "gemma": {"num_key_value_heads": 1, "head_dim": 32},
    "mixtral": {"num_key_value_heads": 2, "num_local_experts": 2},
}


def tiny(folder: Path, kind: str) -> Path:
    """Write a model of this architecture, with the tokenizer of a tiny Llama."""
    from transformers import AutoConfig, AutoModelForCausalLM

    tiny_llama(folder)
    (folder / "model.safetensors").unlink()
    rows = json.loads((folder / "config.json").read_text())["vocab_size"]
    widths = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(kind, vocab_size=rows, **widths, **special, **SHAPES[kind])
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", SHAPES)
def test_a_sound_model_has_no_problem(kind, tmp_path):
    assert architecture_problems(tiny(tmp_path / kind, kind)) == []


def test_weights_of_half_precision_are_sound(tmp_path):
    folder = tiny(tmp_path / "m", "llama")
    change(folder, lambda tensors: {name: tensor.bfloat16() for name, tensor in tensors.items()})
    assert architecture_problems(folder) == []


def change(folder: Path, spoil: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    """Rewrite the weights."""
    file = folder / "model.safetensors"
    save_file(spoil(load_file(file)), file, {"format": "pt"})


DENSE = "gpt_neox.layers.1.attention.dense.weight"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda tensors: {n: t for n, t in tensors.items() if n != DENSE},
            f"lack tensors of the architecture: {DENSE}.",
        ),
        (lambda tensors: {**tensors, "other.weight": torch.ones(2)}, "does not have: other.weight."),
        (lambda tensors: {**tensors, DENSE: torch.ones(64, 60)}, f"{DENSE} has 64 x 60 in place of 64 x 64."),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(tmp_path, spoil, message):
    folder = tiny(tmp_path / "m", "gpt_neox")
    change(folder, spoil)
    (problem,) = architecture_problems(folder)
    assert problem.reason == "WEIGHTS_MISMATCH"
    assert message in problem.message


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"model_type": "t5", "architectures": ["T5Model"]}, "NOT_CAUSAL_LM"),
        ({"model_type": "llama9"}, "ARCHITECTURE_UNKNOWN"),
        ({"num_hidden_layers": "two"}, "CONFIG_INCOMPLETE"),
    ],
)
def test_a_configuration_of_something_else_is_refused(tmp_path, stated, reason):
    folder = tiny_llama(tmp_path / "m")
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **stated}))
    (problem,) = architecture_problems(folder)
    assert problem.reason == reason
    assert problem.message.endswith(".")
    assert str(folder) not in problem.message


def test_a_template_that_fails_is_named(tmp_path):
    folder = tiny_llama(tmp_path / "m")
    (folder / "chat_template.jinja").write_text("{{ raise_exception('only tools') }}")
    (problem,) = architecture_problems(folder)
    assert (problem.reason, "only tools" in problem.message) == ("CHAT_TEMPLATE_FAILS", True)
