"""Adapters merged into their base: the whole model, published only if it answers with the same tokens."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ratoon_training.domain.errors import MergeDiffers
from ratoon_training.worker import models
from ratoon_training.worker.corpus import Corpus

_PROMPTS, _PROMPT_TOKENS, _ANSWER_TOKENS = 8, 256, 16
_TOLERANCE = 1e-4
"""Largest difference of logits that the rounding of sums makes, as a share of the largest logit."""


def save_merged(model: Any, validation: Corpus, folder: Path) -> Any:
    """Write the whole model in float32 and return it; MergeDiffers unless it is what base and adapter are together.

    Compared are the logits and the greedy answers to some prompts: with the adapter on its base, and of the model
    as it is loaded from `folder`.
    """
    adapted = model.to("cpu").float().eval()
    prompts = _prompts(validation)
    expected = [_answer(adapted, prompt) for prompt in prompts]
    merged = models.merged(adapted)
    merged.save_pretrained(folder, safe_serialization=True)
    loaded = models.loader(models.config_kind(folder)).from_pretrained(
        folder, dtype=torch.float32, local_files_only=True
    )
    for prompt, (logits, tokens) in zip(prompts, expected, strict=True):
        difference, others = _answer(loaded.eval(), prompt)
        worst = float((difference - logits).abs().max() / logits.abs().max().clamp_min(1e-9))
        if others != tokens or not worst <= _TOLERANCE:
            answers = "others" if others != tokens else "the same"
            raise MergeDiffers(
                f"The merged model differs from base and adapter: its logits by {worst:.1e} of the largest one, its "
                f"answers are {answers}. Leave lora.merge out to publish the adapter."
            )
    return merged


def _prompts(part: Corpus) -> list[list[int]]:
    """Return the first halves of some samples."""
    step = max(1, len(part) // _PROMPTS)
    samples = [part.tokens(index) for index in range(0, len(part), step)][:_PROMPTS]
    return [sample[: max(1, min(len(sample) // 2, _PROMPT_TOKENS))] for sample in samples]


@torch.no_grad()
def _answer(model: Any, prompt: list[int]) -> tuple[Tensor, list[int]]:
    """Return the logits of a prompt, and the likeliest tokens after it."""
    ids = torch.tensor([prompt])
    logits = model(input_ids=ids, use_cache=False).logits
    tokens: list[int] = []
    last = logits
    for _ in range(_ANSWER_TOKENS):
        tokens.append(int(last[0, -1].argmax()))
        ids = torch.cat([ids, torch.tensor([[tokens[-1]]])], dim=1)
        last = model(input_ids=ids, use_cache=False).logits
    return logits, tokens
