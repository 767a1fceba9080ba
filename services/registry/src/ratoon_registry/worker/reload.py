"""A model reloaded by transformers in float32, as anybody who fetches it would. It checks what only loading shows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ratoon.chassis.warm import hidden
from ratoon_registry.worker.inspection import UnfitArtifact

with hidden("sklearn", "scipy", "pandas", "triton", "kernels", "accelerate", "peft", "torchvision", "PIL"):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

transformers_logging.disable_progress_bar()

_SHARED = 20_000_000
"""Models with fewer parameters run on one core: to share such small products costs more than it saves."""


class Reloaded:
    """The model and its tokenizer; raises UnfitArtifact when they do not fit together."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model, info = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UnfitArtifact("NOT_LOADABLE", f"transformers cannot load it: {error}") from error
        torch.set_num_threads(threads or (1 if self.parameters < _SHARED else os.cpu_count() or 1))
        self._model.eval()
        self._check(info)

    @property
    def parameters(self) -> int:
        """How many parameters it has; tied ones count once."""
        return int(self._model.num_parameters())

    @property
    def end_ids(self) -> frozenset[int]:
        """The tokens that end an answer."""
        ends = self._model.generation_config.eos_token_id
        ends = self.tokenizer.eos_token_id if ends is None else ends
        return frozenset(ends if isinstance(ends, list) else [ends])

    @property
    def room(self) -> int:
        """How many tokens fit its positions."""
        return int(self._model.config.max_position_embeddings)

    @torch.inference_mode()
    def next_logprobs(self, tokens: list[int]) -> Any:
        """Log-probabilities (vocabulary) of the token after these: alone, without padding and without cache."""
        return self._model(torch.tensor([tokens])).logits[0, -1].log_softmax(-1)

    def _check(self, info: dict[str, Any]) -> None:
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if names := sorted(map(str, info.get(kind, ()))):
                what = kind.removesuffix("_keys")
                raise UnfitArtifact(
                    "WEIGHTS_MISMATCH", f"{what.capitalize()} weights: {', '.join(names[:5])}."
                )
        for name, parameter in self._model.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise UnfitArtifact("WEIGHTS_NOT_FINITE", f"{name} holds infinite or undefined numbers.")
        if len(self.tokenizer) > self._model.config.vocab_size:
            raise UnfitArtifact("TOKENIZER_MISMATCH", "The tokenizer knows more tokens than the model.")
