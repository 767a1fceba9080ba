"""Models of the artifact store, loaded by transformers in float32 on the CPU."""

from __future__ import annotations

import os
from typing import Any

from ratoon.operations.warm import hidden
from ratoon.storage.models import ModelFolder

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

__all__ = ["LoadedModel", "positions", "torch"]

transformers_logging.disable_progress_bar()

_SHARED = 20_000_000
"""Models with fewer parameters are scored on one core: to share such small products costs more than it saves, and
on a busy machine many times as much."""


class LoadedModel:
    """A model with its tokenizer, an adapter merged into its base.

    `threads` are the cores it may use, 0: as many as its size is worth.
    """

    def __init__(self, folder: ModelFolder, threads: int = 0) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder.path, local_files_only=True)
        self.model: Any = _loaded(folder).eval()
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


def _loaded(folder: ModelFolder) -> Any:
    model = AutoModelForCausalLM.from_pretrained(
        folder.whole, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    _cap_attention(model)
    if folder.base is None:
        return model
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(model, folder.path, local_files_only=True)
    _untie(adapted.get_base_model())
    return adapted.merge_and_unload()


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
