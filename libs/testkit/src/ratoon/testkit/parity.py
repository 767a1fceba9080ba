"""Tiny models with honest forms and with the faults that people report, for the comparison of forms.

Owns how a fault is made: the reference's model is copied, damaged as a converter would, saved and loaded again. It does
not know how a fault is recognised.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from ratoon.neural.parity import Form, load
from ratoon.storage.models import ModelFolder
from ratoon.tasks.parity import Reason
from ratoon.testkit.models import tiny_adapter, tiny_tokenizer

FORMATS = ("float32", "float16", "bfloat16", "int8", "int4")
"""Number formats of honest forms."""
_GROUP = 32
_NO_ROUNDING = ("lm_head", "embed_tokens", "norm")


def subject(kind: str, folder: Path, seed: int) -> Form:
    """Return a reference: one of SUBJECTS with random weights of this seed, saved and loaded."""
    return SUBJECTS[kind](folder, seed)


def whole_model(folder: Path, seed: int, kind: str, **settings: Any) -> Path:
    """Write a tiny model of an architecture of transformers, with random weights of this seed; return its directory."""
    from transformers import AutoConfig, AutoModelForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(folder)
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.1,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        **settings,
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
    model.generation_config.update(eos_token_id=2, bos_token_id=1, pad_token_id=0, max_new_tokens=16)
    model.save_pretrained(folder)
    (folder / "recipe.json").write_text(json.dumps({"kind": "tiny", "seed": seed}))
    return folder


def _untied(folder: Path, seed: int) -> Form:
    path = whole_model(folder, seed, "llama", tie_word_embeddings=False, attention_bias=True)
    return load(ModelFolder(path))


def _tied(folder: Path, seed: int) -> Form:
    rope = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0}
    return load(
        ModelFolder(whole_model(folder, seed, "llama", tie_word_embeddings=True, rope_parameters=rope))
    )


def _explicit_heads(folder: Path, seed: int) -> Form:
    return load(ModelFolder(whole_model(folder, seed, "qwen3", tie_word_embeddings=True, head_dim=32)))


def _adapter(folder: Path, seed: int) -> Form:
    base = whole_model(folder / "base", seed, "llama", tie_word_embeddings=False)
    adapter = tiny_adapter(folder / "adapter", base, "0" * 64, seed=seed)
    return load(ModelFolder(adapter, base, "0" * 64))


SUBJECTS: dict[str, Callable[[Path, int], Form]] = {
    "adapter": _adapter,
    "explicit-heads": _explicit_heads,
    "tied": _tied,
    "untied": _untied,
}
"""References: an adapter on its base, Qwen3 with heads of their own width, a tied and an untied Llama."""


def rounded(reference: Form, number_format: str, folder: Path) -> Form:
    """Return an honest form: the whole model in a number format, saved and loaded."""
    model = copy.deepcopy(reference.model)
    if number_format in ("float16", "bfloat16"):
        model = model.to(getattr(torch, number_format))
        return saved(reference, model, folder, number_format)
    bits = {"int8": 8, "int4": 4}.get(number_format)
    if bits:
        _round_linear(model, bits)
    return saved(reference, model, folder)


def packed(reference: Form, number_format: str, folder: Path) -> Form:
    """Return an honest form whose layers are stored as integers in the layout of compressed-tensors."""
    return load(ModelFolder(write_packed(reference, number_format, folder)))


def write_packed(reference: Form, number_format: str, folder: Path) -> Path:
    """Write the whole model with its layers as `int8` (W8A8, a scale a row) or `int4` (W4A16, one a group)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from compressed_tensors.compressors import ModelCompressor
        from compressed_tensors.quantization import (
            QuantizationArgs,
            QuantizationConfig,
            QuantizationScheme,
            QuantizationStatus,
            apply_quantization_config,
        )

    model = copy.deepcopy(reference.model)
    whole: dict[str, Any] = {"type": "int", "symmetric": True}
    if number_format == "int8":
        weights = QuantizationArgs(num_bits=8, strategy="channel", **whole)
        inputs = QuantizationArgs(num_bits=8, strategy="token", dynamic=True, **whole)
    else:
        weights = QuantizationArgs(num_bits=4, strategy="group", group_size=_GROUP, **whole)
        inputs = None
    scheme = QuantizationScheme(targets=["Linear"], weights=weights, input_activations=inputs)
    apply_quantization_config(
        model, QuantizationConfig(config_groups={"group_0": scheme}, ignore=["lm_head"])
    )
    levels = 2 ** (weights.num_bits - 1) - 1
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and "lm_head" not in name:
            layer: Any = module
            size = weights.group_size or layer.in_features
            rows = layer.weight.data.unflatten(1, (-1, size))
            layer.weight_scale.data = rows.abs().amax(-1) / levels
            layer.quantization_status = QuantizationStatus.FROZEN
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    model.save_pretrained(folder)
    compressor.update_config(folder)
    reference.tokenizer.save_pretrained(folder)
    return folder


def saved(reference: Form, model: Any, folder: Path, dtype: str = "float32") -> Form:
    """Save a model with the reference's tokenizer and defaults, and load it again."""
    model.save_pretrained(folder)
    reference.tokenizer.save_pretrained(folder)
    return load(ModelFolder(folder), dtype)


def _round_linear(model: Any, bits: int) -> None:
    """Round the matrices of all layers to nearest: 8 bits with a scale a row, 4 bits with one a group."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and not any(each in name for each in _NO_ROUNDING):
            parameter.data = _nearest(parameter.data, bits)


def _nearest(matrix: torch.Tensor, bits: int) -> torch.Tensor:
    levels = 2 ** (bits - 1) - 1
    rows = matrix if bits == 8 else matrix.reshape(-1, _GROUP)
    scale = rows.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / levels
    return ((rows / scale).round() * scale).reshape(matrix.shape)


class NotApplicable(Exception):
    """A reference lacks what a fault damages, for example a begin token that its template writes."""


@dataclass(frozen=True)
class Fault:
    """A fault, the references that it applies to, and the name of its cause.

    `make` raises NotApplicable if a reference has nothing that the fault damages.
    """

    reason: Reason
    make: Callable[[Form, Path], Form]
    subjects: tuple[str, ...] = tuple(SUBJECTS)
    number_format: str = "float32"


def _with_template(change: Callable[[str, str], str | None]) -> Callable[[Form, Path], Form]:
    def make(reference: Form, folder: Path) -> Form:
        tokenizer = copy.deepcopy(reference.tokenizer)
        before = tokenizer.chat_template
        tokenizer.chat_template = change(before, tokenizer.bos_token)
        if tokenizer.chat_template == before:
            raise NotApplicable
        reference.model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return load(ModelFolder(folder))

    return make


def _with_model(change: Callable[[Any], None]) -> Callable[[Form, Path], Form]:
    def make(reference: Form, folder: Path) -> Form:
        model = copy.deepcopy(reference.model)
        with torch.no_grad():
            change(model)
        return saved(reference, model, folder)

    return make


def _with_files(
    tensors: Callable[[dict[str, torch.Tensor]], None] | None = None,
    config: Callable[[dict[str, Any]], None] | None = None,
    name: str = "config.json",
) -> Callable[[Form, Path], Form]:
    def make(reference: Form, folder: Path) -> Form:
        saved(reference, reference.model, folder)
        if tensors:
            path = folder / "model.safetensors"
            held = load_file(path)
            tensors(held)
            save_file(held, path, {"format": "pt"})
        if config:
            path = folder / name
            stated = json.loads(path.read_text())
            config(stated)
            path.write_text(json.dumps(stated))
        return load(ModelFolder(folder))

    return make


def _without_roles(template: str, begin: str) -> str:
    """Return a template that writes roles as text, without the tokens that mark them."""
    return template.replace("<|user|>", "User: ").replace("<|im_start|>", "")


def _swap_vocabulary(stated: dict[str, Any]) -> None:
    tokens = stated["model"]["vocab"]
    one, other = tokens["e"], tokens["t"]
    tokens["e"], tokens["t"] = other, one


def _drop(*ends: str) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(held: dict[str, torch.Tensor]) -> None:
        for name in [name for name in held if name.endswith(ends)]:
            del held[name]

    return change


def _untied_without_head(held: dict[str, torch.Tensor]) -> None:
    held.pop("lm_head.weight")


def _swap(one: str, other: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        held = dict(model.named_parameters())
        before = held[one].clone()
        held[one].copy_(held[other])
        held[other].copy_(before)

    return change


def _interleave(model: Any) -> None:
    width = model.config.head_dim
    for layer in model.model.layers:
        for matrix in (layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight):
            rows = matrix.reshape(-1, 2, width // 2, matrix.shape[1]).transpose(1, 2)
            matrix.copy_(rows.reshape(matrix.shape).clone())


def _quantise_head(bits: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        head = model.get_output_embeddings().weight
        head.copy_(_nearest(head, bits))

    return change


def _with_adapter(times: float, bits: int = 0) -> Callable[[Form, Path], Form]:
    def make(reference: Form, folder: Path) -> Form:
        model = copy.deepcopy(reference.model)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                base = reference.base_tensor(name)
                if base is not None:
                    parameter.copy_(base + times * (parameter - base))
        if bits:
            _round_linear(model, bits)
        return saved(reference, model, folder)

    return make


def _other_rotation(reference: Form, folder: Path) -> Form:
    """Return the same files in a program that scales positions in another way."""
    form = saved(reference, reference.model, folder)
    form.model.model.rotary_emb.inv_freq /= 4.0
    return form


def _noise(model: Any) -> None:
    matrix = model.model.layers[1].mlp.down_proj.weight
    matrix += 0.3 * matrix.std() * torch.randn(matrix.shape, generator=torch.Generator().manual_seed(1))


_ADAPTER = ("adapter",)
_BIASED = ("untied",)
_UNTIED = ("untied", "adapter")
_NORMS = "model.layers.1.input_layernorm.weight", "model.layers.1.post_attention_layernorm.weight"
_LAYERS = "model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight"
_R = Reason

FAULTS: dict[str, Fault] = {
    "template without roles": Fault(_R.TEMPLATE_DIFFERS, _with_template(_without_roles)),
    "template lost": Fault(_R.TEMPLATE_DIFFERS, _with_template(lambda text, begin: None)),
    "default system turn": Fault(
        _R.TEMPLATE_DIFFERS,
        _with_template(lambda text, begin: text.replace("{% for", "<|user|>You are helpful.{% for", 1)),
    ),
    "no begin token": Fault(
        _R.BOS_MISSING, _with_template(lambda text, begin: text.replace("{{ '" + begin + "' }}", "", 1))
    ),
    "begin token twice": Fault(_R.BOS_DOUBLED, _with_template(lambda text, begin: begin + text)),
    "vocabulary in another order": Fault(
        _R.TOKENIZER_DIFFERS, _with_files(config=_swap_vocabulary, name="tokenizer.json")
    ),
    "another end token": Fault(
        _R.STOP_TOKENS_DIFFER,
        _with_files(config=lambda row: row.update(eos_token_id=3), name="generation_config.json"),
    ),
    "sampling by default": Fault(
        _R.DEFAULTS_DIFFER,
        _with_files(
            config=lambda row: row.update(do_sample=True, temperature=0.7), name="generation_config.json"
        ),
    ),
    "another rotary base": Fault(
        _R.ROPE_DIFFERS,
        _with_files(config=lambda row: row["rope_parameters"].update(rope_theta=500_000.0)),
    ),
    "another rotary scaling": Fault(
        _R.ROPE_DIFFERS,
        _with_files(config=lambda row: row["rope_parameters"].update(rope_type="linear", factor=8.0)),
    ),
    "another rotary scaling in the program": Fault(_R.LAYER_DIFFERS, _other_rotation),
    "another epsilon": Fault(_R.CONFIG_DIFFERS, _with_files(config=lambda row: row.update(rms_norm_eps=0.1))),
    "head tied on reload": Fault(
        _R.HEAD_LOST,
        _with_files(_untied_without_head, lambda row: row.update(tie_word_embeddings=True)),
        _UNTIED,
    ),
    "head left out": Fault(_R.HEAD_LOST, _with_files(_untied_without_head), _UNTIED),
    "biases left out": Fault(_R.BIAS_DROPPED, _with_files(_drop("bias")), _BIASED),
    "biases dropped with the flag": Fault(
        _R.BIAS_DROPPED,
        _with_files(_drop("bias"), lambda row: row.update(attention_bias=False)),
        _BIASED,
    ),
    "one matrix left out": Fault(_R.TENSORS_MISSING, _with_files(_drop("layers.2.mlp.up_proj.weight"))),
    "norms swapped": Fault(_R.NORMS_SWAPPED, _with_model(_swap(*_NORMS))),
    "layers swapped": Fault(_R.TENSORS_SWAPPED, _with_model(_swap(*_LAYERS))),
    "queries and keys interleaved": Fault(_R.ROPE_LAYOUT_DIFFERS, _with_model(_interleave)),
    "adapter merged twice": Fault(_R.ADAPTER_MERGED_TWICE, _with_adapter(2.0), _ADAPTER),
    "adapter merged twice, then in 8 bits": Fault(
        _R.ADAPTER_MERGED_TWICE, _with_adapter(2.0, bits=8), _ADAPTER, "int8"
    ),
    "adapter without effect": Fault(_R.ADAPTER_NOT_MERGED, _with_adapter(0.0), _ADAPTER),
    "adapter at a quarter": Fault(_R.ADAPTER_SCALE_DIFFERS, _with_adapter(0.25), _ADAPTER),
    "head in 8 bits": Fault(_R.HEAD_QUANTIZED, _with_model(_quantise_head(8))),
    "head in 4 bits": Fault(_R.HEAD_QUANTIZED, _with_model(_quantise_head(4)), number_format="int8"),
    "one matrix of another checkpoint": Fault(_R.WEIGHTS_DIFFER, _with_model(_noise)),
}
"""Faults by what happened, each with the name of its cause."""

__all__ = ["FAULTS", "FORMATS", "SUBJECTS", "Fault", "NotApplicable", "rounded", "saved", "subject"]
