"""Tiny base models of several architectures, made from their configurations, with random weights everywhere."""

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import torch

from ratoon.testkit.models import tiny_llama

from .conftest import LABELS

_USUAL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
_GROUPED = {**_USUAL, "num_key_value_heads": 2}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {**_GROUPED, "tie_word_embeddings": True},
    "qwen2": {**_GROUPED, "tie_word_embeddings": True},
    "qwen3": {**_GROUPED, "head_dim": 32, "tie_word_embeddings": False},
    "gpt_neox": {**_USUAL, "tie_word_embeddings": False},
    "gemma": {**_USUAL, "num_key_value_heads": 1, "head_dim": 32},
    "gemma2": {
        **_GROUPED,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "final_logit_softcapping": 3.0,
        "attn_logit_softcapping": None,
    },
    "phi3": {**_GROUPED, "tie_word_embeddings": False},
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256},
}
"""Differences that matter: grouped heads, heads wider than the hidden size, tied heads, fused projections, GELU."""


def tiny(folder: Path, kind: str, rows: int = 0, **changes: Any) -> Path:
    """Write a Hugging Face directory of this architecture into `folder`, with the tokenizer of `tiny_llama`.

    Its embeddings have `rows` rows (0: one for each token). It is made once a process and kind, and copied.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in _files(kind, rows, tuple(sorted(changes.items()))).items():
        (folder / name).write_bytes(data)
    torch.manual_seed(0)  # what a test draws next does not depend on whether a copy was there
    return folder


@functools.cache
def _files(kind: str, rows: int, changes: tuple[tuple[str, Any], ...]) -> dict[str, bytes]:
    """Return the files of such a directory by name."""
    with tempfile.TemporaryDirectory() as scratch:
        _write(Path(scratch), kind, rows, dict(changes))
        return {path.name: path.read_bytes() for path in Path(scratch).iterdir()}


def _write(folder: Path, kind: str, rows: int, changes: dict[str, Any]) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    tiny_llama(folder, LABELS)
    (folder / "model.safetensors").unlink()
    (folder / "recipe.json").unlink()
    rows = rows or json.loads((folder / "config.json").read_text())["vocab_size"]
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(kind, vocab_size=rows, **special, **{**CONFIGS[kind], **changes})
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():  # norms of ones and biases of zeros would hide skipped tensors
            parameter += 0.05 * torch.randn_like(parameter)
    model.save_pretrained(folder)
