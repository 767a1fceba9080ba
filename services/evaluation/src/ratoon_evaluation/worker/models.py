"""Models of the artifact store, loaded by transformers on a device and in a number format.

Callers hold tensors on the CPU: inputs are moved to the device, and logits come back from it in float32.
"""

from __future__ import annotations

import os
from typing import Any

from ratoon.operations.warm import hidden
from ratoon.storage.models import ModelFolder
from ratoon.tasks.compute import Accelerator, Compute

with hidden(
    "sklearn",
    "scipy",
    "pandas",
    "triton",
    "kernels",
    "accelerate",
    "peft",
    "torchvision",
    "torchaudio",
    "PIL",
):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

__all__ = ["AcceleratorMissing", "LoadedModel", "ModelNotFinite", "check_device", "positions", "torch"]

transformers_logging.disable_progress_bar()

_CPU = Compute()
_SHARED = 20_000_000
"""Models with fewer parameters are scored on one core: to share such small products costs more than it saves, and
on a busy machine many times as much."""


class AcceleratorMissing(RuntimeError):
    """The machine that evaluates models lacks the requested accelerator."""

    reason = "ACCELERATOR_UNAVAILABLE"


class ModelNotFinite(RuntimeError):
    """A model computes values that are no numbers, so that none of its answers means anything."""

    reason = "MODEL_NOT_FINITE"


def check_device(compute: Compute) -> None:
    """Raise AcceleratorMissing unless the accelerator is here."""
    if compute.accelerator is not Accelerator.CPU and not torch.cuda.is_available():
        raise AcceleratorMissing(
            "There is no NVIDIA GPU where evaluations are scored: use the accelerator cpu, or give the job workers a "
            "GPU."
        )


class LoadedModel:
    """A model with its tokenizer, an adapter merged into its base.

    `threads` are the cores it may use, 0: as many as its size is worth.
    """

    def __init__(self, folder: ModelFolder, threads: int = 0, compute: Compute = _CPU) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder.path, local_files_only=True)
        device = torch.device("cpu" if compute.accelerator is Accelerator.CPU else "cuda")
        self.model: Any = _loaded(folder, getattr(torch, compute.dtype.lower())).eval().to(device)
        _move_inputs(self.model, device)
        self.model.register_forward_hook(_return_logits)
        self.parameters = int(self.model.num_parameters())
        """Number of parameters; tied ones count once."""
        torch.set_num_threads(threads or (1 if self.parameters < _SHARED else os.cpu_count() or 1))
        self.ends: Any = _end_ids(self.model, self.tokenizer)
        """Ids of the tokens that end an answer."""
        self.pad = int(self.tokenizer.pad_token_id or 0)
        self.max_positions = int(self.model.config.max_position_embeddings)
        self.vocabulary = int(self.model.config.vocab_size)

    def padded(self, prompts: list[list[int]]) -> tuple[Any, Any]:
        """Return token ids and mask, padded on the left so that every prompt ends at the last column."""
        width = max(map(len, prompts))
        ids = torch.tensor([[self.pad] * (width - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        return ids, mask


def positions(mask: Any) -> Any:
    """Return the position of each token of a mask."""
    return (mask.cumsum(-1) - 1).clamp(min=0)


def _loaded(folder: ModelFolder, dtype: Any) -> Any:
    """Return the model; an adapter is merged in float32, so that each weight is rounded once."""
    model = AutoModelForCausalLM.from_pretrained(
        folder.whole,
        dtype=dtype if folder.base is None else torch.float32,
        local_files_only=True,
        use_safetensors=True,
    )
    _cap_attention(model)
    if folder.base is None:
        return model
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(model, folder.path, local_files_only=True)
    _untie(adapted.get_base_model())
    return _rounded(adapted.merge_and_unload(), dtype)


def _rounded(model: Any, dtype: Any) -> Any:
    """Return the model with rounded weights; buffers, such as those of positions, stay as they are."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)
    return model


def _move_inputs(model: Any, device: Any) -> None:
    """Let each call of the model move its tensors to the device."""

    def moved(value: Any) -> Any:
        return value.to(device) if isinstance(value, torch.Tensor) else value

    def before(_model: Any, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
        return tuple(map(moved, args)), {name: moved(value) for name, value in named.items()}

    model.register_forward_pre_hook(before, with_kwargs=True)


def _return_logits(_model: Any, _args: tuple[Any, ...], out: Any) -> Any:
    """Bring the logits of a call to the CPU, in float32; ModelNotFinite if the last ones are no numbers."""
    out.logits = out.logits.float().cpu()
    if out.logits[:, -1].isnan().any():
        raise ModelNotFinite(
            "The model computes values that are not numbers. Check its weights, or evaluate it in float32 if it was "
            "not trained in the number format of the run."
        )
    return out


def _untie(model: Any) -> None:
    """Give an adapted head a matrix of its own: merged into a tied one, its change would reach the embeddings too."""
    ends = model.get_output_embeddings(), model.get_input_embeddings()
    head, embeddings = (getattr(end, "base_layer", end) for end in ends)
    if (head, embeddings) != ends and head.weight is embeddings.weight:
        head.weight = torch.nn.Parameter(head.weight.detach().clone())
        model.config.tie_word_embeddings = False


def _cap_attention(model: Any) -> None:
    """Cap attention where the architecture does, as engines do: torch's own attention leaves the cap out."""
    if getattr(model.config.get_text_config(), "attn_logit_softcapping", None):
        model.set_attn_implementation("eager")


def _end_ids(model: Any, tokenizer: Any) -> Any:
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = tokenizer.eos_token_id
    return torch.tensor(ends if isinstance(ends, list) else [ends])
