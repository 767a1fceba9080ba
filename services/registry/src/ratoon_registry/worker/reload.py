"""A model reloaded by transformers in float32, as a user of it would. It checks what only loading shows.

It can be cast to another number format for a while.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open

from ratoon.operations.warm import hidden
from ratoon.storage.models import ModelFolder
from ratoon.tasks.compute import Accelerator, Dtype
from ratoon_registry.worker.inspection import UnfitArtifact

with hidden("sklearn", "scipy", "pandas", "triton", "kernels", "accelerate", "peft", "torchvision", "PIL"):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    from ratoon.neural.parity import dense

transformers_logging.disable_progress_bar()

_SCALES = ("weight_scale", "weight_zero_point", "weight_shape")
_SHARED = 20_000_000
"""Models with fewer parameters run on one core: to share such small products costs more than it saves."""


_MAX_CHARS = 300
_PATH = re.compile(r"(?<![\w:])(?:/[\w.@+~-]+){2,}/?")
_KNOWN = (
    (re.compile(r"model type [`'](.+?)[`']"), "config.json names the model type {0}, which it does not know"),
    (
        re.compile(r"size mismatch for ([\w.]+): .*?\[([\d, ]*)\].*?\[([\d, ]*)\]", re.DOTALL),
        "{0} has the shape [{1}] in the file, and [{2}] by the configuration",
    ),
    (re.compile(r"(ignore_mismatched_sizes)"), "shapes in the weights differ from those by config.json"),
    (
        re.compile(r"(Class validation error|(?:modulo|division) by zero)"),
        "config.json contains numbers that contradict each other",
    ),
    (re.compile(r"(out of memory|can't allocate memory)"), "there is not enough memory"),
)


class AcceleratorMissing(RuntimeError):
    """The machine that verifies models lacks the requested accelerator."""

    reason = "ACCELERATOR_UNAVAILABLE"


def device_of(accelerator: Accelerator) -> str:
    """Return torch's name of a device; AcceleratorMissing if there is none."""
    if accelerator is Accelerator.CPU:
        return "cpu"
    if not torch.cuda.is_available():
        raise AcceleratorMissing(
            "There is no NVIDIA GPU where model versions are verified: use the accelerator cpu, or give the job "
            "workers a GPU."
        )
    return "cuda"


class Reloaded:
    """The model, with its adapter merged if it is one, and its tokenizer; UnfitArtifact when they do not fit."""

    def __init__(self, folder: ModelFolder, threads: int = 0, device: str = "cpu") -> None:
        spoken = folder.path if (folder.path / "tokenizer.json").exists() else folder.whole
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(spoken, local_files_only=True)
            self._model, info = AutoModelForCausalLM.from_pretrained(
                folder.whole,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                **dense(folder.whole),
            )
            _cap_attention(self._model)
            if folder.base is not None:
                self._model = _merged(self._model, folder.path)
        except UnfitArtifact:
            raise
        except MemoryError:
            raise
        except Exception as error:
            raise UnfitArtifact("NOT_LOADABLE", f"transformers cannot load it: {cause(error)}.") from error
        torch.set_num_threads(threads or (1 if self.parameters < _SHARED else os.cpu_count() or 1))
        self._model.eval().to(device)
        self._device = device
        self._check(info)

    @property
    def module(self) -> Any:
        """The torch module."""
        return self._model

    @property
    def parameters(self) -> int:
        """How many parameters it has; tied ones count once, scales of rounded weights do not."""
        named = self._model.named_parameters()
        return sum(each.numel() for name, each in named if not name.endswith(_SCALES))

    @property
    def end_ids(self) -> frozenset[int]:
        """The tokens that end an answer."""
        ends = self._model.generation_config.eos_token_id
        ends = self.tokenizer.eos_token_id if ends is None else ends
        return frozenset(ends if isinstance(ends, list) else [ends])

    @property
    def positions(self) -> int:
        """How many tokens fit its positions; 0: the model states no bound."""
        config = self._model.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", 0) or 0)

    @torch.inference_mode()
    def next_logprobs(self, tokens: list[int]) -> Any:
        """Log-probabilities (vocabulary) of the token after these: alone, without padding and without cache."""
        return self._logits(tokens)[-1].log_softmax(-1)

    @torch.inference_mode()
    def continuation_logprobs(self, prompt: list[int], tokens: list[int]) -> Any:
        """Log-probabilities (tokens, vocabulary) of each token of a continuation, given the prompt and those before."""
        return self._logits(prompt + tokens)[len(prompt) - 1 : -1].log_softmax(-1)

    @contextmanager
    def cast(self, dtype: Dtype) -> Iterator[None]:
        """Compute in a number format for a while: weights are rounded, buffers (of positions) stay as they are."""
        floats = [(each, each.data) for each in self._model.parameters() if each.is_floating_point()]
        try:
            for parameter, data in floats:
                parameter.data = data.to(getattr(torch, dtype.lower()))
            yield
        finally:
            for parameter, data in floats:
                parameter.data = data

    def _logits(self, tokens: list[int]) -> Any:
        """Logits (tokens, vocabulary) in float32 on the CPU."""
        return self._model(torch.tensor([tokens], device=self._device)).logits[0].float().cpu()

    def _check(self, info: dict[str, Any]) -> None:
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if names := sorted(map(str, info.get(kind, ()))):
                what = kind.removesuffix("_keys")
                raise UnfitArtifact(
                    "WEIGHTS_MISMATCH", f"{what.capitalize()} weights: {', '.join(names[:5])}."
                )
        for name, parameter in self._model.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise UnfitArtifact("WEIGHTS_NOT_FINITE", f"{name} contains infinite or undefined numbers.")
        rows = self._model.get_input_embeddings().weight.shape[0]
        if len(self.tokenizer) > rows:
            raise UnfitArtifact(
                "TOKENIZER_MISMATCH",
                f"The tokenizer has {len(self.tokenizer):,} tokens, the model's embeddings only {rows:,} rows.",
            )


def cause(error: Exception) -> str:
    """Explain a library's error: known ones in our words, others by their first line without paths."""
    text = str(error)
    for pattern, sentence in _KNOWN:
        if match := pattern.search(text):
            return sentence.format(*match.groups())
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return _PATH.sub("…", first).rstrip(".:")[:_MAX_CHARS]


def _merged(base: Any, adapter: Path) -> Any:
    """The base model with the adapter's weights added to its own; UnfitArtifact unless all of them have a place."""
    from peft import PeftModel, get_peft_model_state_dict

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of keys without a place, which are refused here, and of tied layers
        model = PeftModel.from_pretrained(base, adapter, local_files_only=True)
        places = set(get_peft_model_state_dict(model))
    with safe_open(adapter / "adapter_model.safetensors", framework="numpy") as tensors:
        written = set(tensors.keys())
    # Of an adapted output layer peft writes the base's weights too by default: the base holds them.
    strange = (written - places) | {each for each in places - written if ".base_layer." not in each}
    if strange:
        raise UnfitArtifact(
            "WEIGHTS_MISMATCH",
            f"The adapter does not match its base model: {', '.join(sorted(strange)[:5])}.",
        )
    _untie(model.get_base_model())
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of copies of tied ends, which peft unties in the configuration as well
        return model.merge_and_unload()


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
