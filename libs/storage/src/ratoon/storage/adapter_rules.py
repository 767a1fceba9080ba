"""Rules for adapters that an engine can load with their base model: LoRA without changes to whole layers.

The rules are those of vLLM's `PEFTHelper`, checked before an engine loads the adapter. It loads nothing.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ratoon.storage.model_problem import Problem
from ratoon.storage.safetensors_header import Tensor

MAX_RANK = 512
"""The greatest rank that an engine can be started for."""
_PLAIN_INITS = frozenset({"gaussian", "eva", "orthogonal", "mica", "lora_ga"})
"""Ways to begin a training after which the adapter is a plain LoRA."""
_UNSUPPORTED = {
    "use_dora": "it is a DoRA adapter",
    "lora_bias": "it has a bias (lora_bias)",
    "alora_invocation_tokens": "it is an activated LoRA",
    "layer_replication": "it replicates layers",
    "use_bdlora": "it is a block-diagonal LoRA",
    "use_qalora": "it is a QALoRA adapter",
    "target_parameters": "it changes single parameters (target_parameters)",
}
_REMEDY = (
    "Merge it into its base (`model.merge_and_unload()`) and register the whole model, or train a plain LoRA."
)
_LORA_A = re.compile(r"(?:base_model\.model\.)?(.*)\.lora_(A|embedding_A)(?:\.weight)?")
_FACTOR = re.compile(r"(?:base_model\.model\.)?(.*)\.lora_([AB])(?:\.weight)?")
_PLAIN = ("F32", "F16", "BF16")
_NUMBERED = re.compile(r"[a-z_]+\.\d+\..+")
_OTHER_BASE = "The adapter was made for another model: name that one as its base."
_LOW_RANK = re.compile(r"\.lora_|\.base_layer\.weight$")
"""Tensors of a LoRA: its two factors, and the base's embedding that peft stores with them."""


def adapter_problems(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> list[Problem]:
    """Every reason why an engine cannot load this adapter."""
    if str(config.get("peft_type", "")).upper() != "LORA":
        kind = str(config.get("peft_type") or "none that is named")[:40]
        return [Problem("ADAPTER_UNSUPPORTED", f"The adapter's type is {kind}; engines load LoRA. {_REMEDY}")]
    whole = list(_whole_layers(config, tensors))
    causes = [*_unsupported(config), *([f"it holds whole layers ({', '.join(whole)})"] if whole else [])]
    problems = [
        Problem("ADAPTER_UNSUPPORTED", f"Engines cannot load the adapter: {c}. {_REMEDY}") for c in causes
    ]
    return [*problems, *_rank_problems(config, tensors)]


def fit_problems(tensors: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> list[Problem]:
    """Return why an adapter was not made for a base model: the base lacks its layers, or has them in other sizes.

    Layers are compared from their number on: programs write the names before it differently. Layers whose weights are
    packed or stacked have other sizes than they compute with, and are not compared.
    """
    sizes = {
        _place(name.removesuffix(".weight")): sorted(tensor.shape)
        for name, tensor in base.items()
        if name.endswith(".weight") and tensor.dtype in _PLAIN
    }
    places = {_place(name.rpartition(".")[0]) for name in base if _NUMBERED.search(name)}
    changed: dict[str, dict[str, int]] = {}
    for name, tensor in tensors.items():
        if (factor := _FACTOR.fullmatch(name)) and len(tensor.shape) == 2:
            side = factor[2]
            changed.setdefault(factor[1], {})[side] = tensor.shape[1 if side == "A" else 0]
    numbered = [layer for layer in changed if _NUMBERED.search(layer)]
    if numbered and places and not any(_place(layer) in places for layer in numbered):
        return [Problem("WEIGHTS_MISMATCH", f"The base model has no layer {numbered[0]}. {_OTHER_BASE}")]
    for layer, sides in changed.items():
        own, known = sorted(sides.values()), sizes.get(_place(layer), [])
        if len(own) == len(known) == 2 and own != known:
            return [
                Problem(
                    "WEIGHTS_MISMATCH",
                    f"The adapter changes {layer} from {sides['A']} to {sides['B']} numbers; in the base model it has "
                    f"{known[0]} and {known[1]}. {_OTHER_BASE}",
                )
            ]
    return []


def _place(layer: str) -> str:
    """Return the name of a layer from the list of its number on; of a layer without a number the last part."""
    return numbered[0] if (numbered := _NUMBERED.search(layer)) else layer.rpartition(".")[2]


def _unsupported(config: Mapping[str, Any]) -> Iterator[str]:
    yield from (cause for key, cause in _UNSUPPORTED.items() if config.get(key))
    if config.get("bias") not in (None, "none"):
        yield "it trains biases (bias)"
    begun = config.get("init_lora_weights")
    if isinstance(begun, str) and begun.lower() not in _PLAIN_INITS:
        yield f"it was begun as {begun[:20]}, which changes the base model's own weights"
    task = config.get("task_type")
    if task not in (None, "CAUSAL_LM"):
        yield f"its task is {str(task)[:40]}, not CAUSAL_LM"


def _whole_layers(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Iterator[str]:
    """Layers that the adapter replaces as a whole."""
    named = config.get("modules_to_save")
    listed = [str(name) for name in named] if isinstance(named, list) else []
    yield from listed
    loose = {name.rpartition(".")[0].rpartition(".")[2] for name in tensors if not _LOW_RANK.search(name)}
    yield from sorted(loose - set(listed) - {""})


def _rank_problems(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> list[Problem]:
    rank = config.get("r")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        return [Problem("ADAPTER_UNSUPPORTED", f"adapter_config.json states no rank (r): {rank!r}.")]
    patterns = config.get("rank_pattern")
    stated = [r for r in (patterns.values() if isinstance(patterns, dict) else ()) if isinstance(r, int)]
    if max([rank, *stated]) > MAX_RANK:
        return [
            Problem(
                "ADAPTER_UNSUPPORTED",
                f"The adapter's rank is {max([rank, *stated])}; engines take up to {MAX_RANK}. {_REMEDY}",
            )
        ]
    if patterns:
        return []
    for name, tensor in tensors.items():
        match = _LORA_A.fullmatch(name)
        if match and match.group(2) == "A" and tensor.shape and tensor.shape[0] != rank:
            return [
                Problem(
                    "WEIGHTS_MISMATCH",
                    f"adapter_config.json states rank {rank}, but {match.group(1)} has rank {tensor.shape[0]}.",
                )
            ]
    return []
