"""Configuration and tensors of two forms: which differ, and what the difference is called.

The error of a tensor is relative: the norm of the difference over the norm of the reference's tensor. Rounding to a
number format makes a small one everywhere; a fault makes a large one somewhere, often of a known pattern.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ratoon.neural.parity.forms import Form
from ratoon.tasks.parity import Finding, Reason

TENSOR_ERRORS = {
    "float32": 2e-5,
    "float16": 1e-3,
    "bfloat16": 4e-3,
    "int8": 0.03,
    "int4": 0.3,
}
"""Accepted relative error of a tensor by number format.

Rounding to nearest of normal weights makes 3e-8, 2e-4, 1.7e-3, 0.8 % (one scale a row) and 12 % (groups of 128).
"""
_SMALL_FLOAT = TENSOR_ERRORS["bfloat16"]
"""Error that 16-bit floating point explains: what is kept out of a quantisation has at most this one."""
_HEAD = "lm_head"
_IGNORED = frozenset(
    (
        "_name_or_path",
        "architectures",
        "attention_dropout",
        "bos_token_id",
        "dtype",
        "eos_token_id",
        "hidden_dropout",
        "id2label",
        "initializer_range",
        "label2id",
        "output_hidden_states",
        "pad_token_id",
        "pretraining_tp",
        "problem_type",
        "quantization_config",
        "return_dict",
        "tie_word_embeddings",
        "torch_dtype",
        "transformers_version",
        "use_cache",
        "vocab_size",
    )
)
"""Entries of a configuration that do not change what a model computes, or are compared in another place."""
_ROPE = ("rope", "rotary")
_LEVELS = 16
"""Different values in a group of a matrix that was rounded to four bits, at most."""
_GROUPS = (32, 64, 128)
"""Sizes of the groups that share a scale."""
_STEPS = 127
_OFF_GRID = 1e-3
_NEIGHBOURS = 256
"""Tensors after another one that are tried as its counterpart."""
_ROWS = 8
_FIT = 0.05
"""Share of a difference that a multiple of the adapter may leave unexplained."""


def compare_weights(reference: Form, form: Form, number_format: str) -> Finding | None:
    """Return the cause of a difference in configuration or tensors; None: rounding explains all of it."""
    expected, own = reference.tensors(), form.tensors()
    return (
        _absent(reference, form, expected, own)
        or _config(reference.model.config.to_dict(), form.model.config.to_dict())
        or _tensors(reference, form, expected, own, number_format)
    )


def _absent(
    reference: Form, form: Form, expected: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> Finding | None:
    """Return what the files of a form lack."""
    lost = sorted((set(expected) - set(own)) | (set(form.missing) & set(expected)))
    heads = [name for name in lost if _HEAD in name and name.endswith("weight")]
    if heads:
        return Finding(
            Reason.HEAD_LOST, f"The output layer {heads[0]} is not among the files.", layer=heads[0]
        )
    if not reference.tied and form.tied:
        return Finding(
            Reason.HEAD_LOST,
            "The output layer is tied to the embeddings (tie_word_embeddings), but the reference has a matrix of its "
            "own: loading replaces one of them by the other.",
            layer=_HEAD,
        )
    biases = [name for name in lost if name.endswith("bias")]
    if biases and len(biases) == len(lost):
        return Finding(
            Reason.BIAS_DROPPED,
            f"{len(biases)} biases are missing, the first of them {biases[0]}.",
            layer=biases[0],
        )
    if lost:
        return Finding(
            Reason.TENSORS_MISSING,
            f"{len(lost)} tensors are missing, the first of them {lost[0]}.",
            layer=lost[0],
        )
    return None


def _config(expected: Mapping[str, Any], own: Mapping[str, Any]) -> Finding | None:
    """Return the first entry that differs; positions are named apart, as their effect shows on long prompts only."""
    names = sorted((set(expected) | set(own)) - _IGNORED)
    different = [name for name in names if expected.get(name) != own.get(name)]
    different.sort(key=lambda name: not name.startswith(_ROPE))
    if not different:
        return None
    name = different[0]
    return Finding(
        Reason.ROPE_DIFFERS if name.startswith(_ROPE) else Reason.CONFIG_DIFFERS,
        f"{name} in config.json is {own.get(name)!r} instead of {expected.get(name)!r}.",
    )


def _tensors(
    reference: Form,
    form: Form,
    expected: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    number_format: str,
) -> Finding | None:
    accepted = TENSOR_ERRORS[number_format]
    errors = {name: _error(tensor, own[name]) for name, tensor in expected.items()}
    different = [name for name, error in errors.items() if not error <= accepted]
    head = next((name for name in expected if _HEAD in name and name.endswith("weight")), "")
    if head and errors[head] > _SMALL_FLOAT and _is_rounded(own[head]):
        bits = "the embeddings, which are the output layer too, are" if form.tied else "the output layer is"
        return Finding(
            Reason.HEAD_QUANTIZED,
            f"{bits[0].upper()}{bits[1:]} rounded to few values (relative error {errors[head]:.2%}): keep it in "
            "floating point.",
            layer=head,
        )
    scaled = _adapter(reference, expected, own, accepted) if reference.is_adapter else None
    if scaled is not None or not different:
        return scaled
    return (
        _swapped(expected, own, different, accepted)
        or _rope_layout(form, expected, own, different, accepted)
        or _plain(errors, different)
    )


def _plain(errors: Mapping[str, float], different: Sequence[str]) -> Finding:
    worst = max(different, key=lambda name: errors[name])
    return Finding(
        Reason.WEIGHTS_DIFFER,
        f"{len(different)} tensors differ, the first of them {different[0]} (relative error "
        f"{errors[different[0]]:.2%}), most of all {worst} ({errors[worst]:.2%}).",
        layer=different[0],
    )


def _error(expected: Tensor, own: Tensor) -> float:
    """Return the relative error; infinite for another shape."""
    if expected.shape != own.shape:
        return float("inf")
    if expected.dtype == own.dtype and torch.equal(expected, own):
        return 0.0
    one, other = expected.detach().float(), own.detach().float()
    norm = float(one.norm())
    difference = float((one - other).norm())
    return difference / norm if norm else (0.0 if difference == 0.0 else float("inf"))


def _is_rounded(matrix: Tensor) -> bool:
    """Return whether a matrix holds so few values that it was rounded to eight bits or fewer.

    With eight bits all values of a row are multiples of one step; with four, a group holds few different ones.
    """
    rows = matrix.detach().float()[:_ROWS]
    if all(_on_grid(row) for row in rows):
        return True
    groups = [size for size in _GROUPS if rows.shape[-1] % size == 0]
    return any(_few_values(rows.reshape(-1, size)) for size in groups)


def _few_values(groups: Tensor) -> bool:
    return all(len(group.unique()) <= _LEVELS for group in groups)


def _on_grid(row: Tensor) -> bool:
    """Return whether all values are multiples of one step, at most 127 of them from zero."""
    largest = float(row.abs().max())
    if not largest:
        return True
    steps = row * (_STEPS / largest)
    return float((steps - steps.round()).abs().max()) < _OFF_GRID


def _swapped(
    expected: Mapping[str, Tensor], own: Mapping[str, Tensor], different: Sequence[str], accepted: float
) -> Finding | None:
    """Return the first pair of tensors of which each holds the other's values."""
    for one, other in _pairs(expected, different):
        if _error(expected[one], own[other]) <= accepted and _error(expected[other], own[one]) <= accepted:
            norms = "norm" in one and "norm" in other
            return Finding(
                Reason.NORMS_SWAPPED if norms else Reason.TENSORS_SWAPPED,
                f"{one} holds the values of {other}, and the reverse; {len(different)} tensors differ.",
                layer=one,
            )
    return None


def _pairs(expected: Mapping[str, Tensor], different: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield pairs of one shape, those next to each other first: conversions swap within a layer."""
    for number, one in enumerate(different):
        for other in different[number + 1 : number + 1 + _NEIGHBOURS]:
            if expected[one].shape == expected[other].shape:
                yield one, other


def _rope_layout(
    form: Form,
    expected: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    different: Sequence[str],
    accepted: float,
) -> Finding | None:
    """Return whether rows of queries and keys stand in the order of another rotary embedding."""
    config = form.model.config.get_text_config()
    heads = getattr(config, "num_attention_heads", 0)
    width = getattr(config, "head_dim", None) or (config.hidden_size // heads if heads else 0)
    for name in different:
        if not name.endswith(("q_proj.weight", "k_proj.weight")) or not width or width % 2:
            continue
        if expected[name].shape[0] % width or expected[name].shape != own[name].shape:
            continue
        rows = expected[name].reshape(-1, width // 2, 2, expected[name].shape[1])
        halves = expected[name].reshape(-1, 2, width // 2, expected[name].shape[1])
        for order in (rows.transpose(1, 2), halves.transpose(1, 2)):
            if _error(order.reshape(expected[name].shape), own[name]) <= accepted:
                return Finding(
                    Reason.ROPE_LAYOUT_DIFFERS,
                    f"The rows of {name} are in the order of the other rotary layout (interleaved and half-split).",
                    layer=name,
                )
    return None


def _adapter(
    reference: Form, expected: Mapping[str, Tensor], own: Mapping[str, Tensor], accepted: float
) -> Finding | None:
    """Return whether a form has another multiple of the adapter's change than the reference has.

    The multiple is fitted over all tensors that the adapter changes. Rounding is not correlated with the change, so
    that a change that is much smaller than the rounding is measured too.
    """
    product = size = square = weight = 0.0
    first = ""
    for name, tensor in expected.items():
        base = reference.base_tensor(name)
        if base is None or not base.shape == tensor.shape == own[name].shape:
            continue
        change = (tensor.double() - base.double()).flatten()
        if not bool(change.any()):
            continue
        first = first or name
        changed = (own[name].double() - base.double()).flatten()
        product += float(changed @ change)
        size += float(change @ change)
        square += float(changed @ changed)
        weight += float(tensor.double().norm()) ** 2
    if not size:
        return None
    ratio = product / size
    if square - ratio**2 * size > max(_FIT**2 * size, accepted**2 * weight) or abs(ratio - 1.0) < 2 * _FIT:
        return None
    if abs(ratio) < 2 * _FIT:
        return Finding(
            Reason.ADAPTER_NOT_MERGED, f"The adapter has no effect: {first} is the base's.", layer=first
        )
    reason, sentence = Reason.ADAPTER_SCALE_DIFFERS, "The adapter has another strength"
    if abs(ratio - 2.0) < 2 * _FIT:
        reason, sentence = Reason.ADAPTER_MERGED_TWICE, "The adapter was added twice"
    return Finding(
        reason,
        f"{sentence}: the change of the base is {ratio:.3g} times the adapter's, from {first} on.",
        layer=first,
    )
