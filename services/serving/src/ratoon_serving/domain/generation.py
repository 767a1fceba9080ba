"""What a gateway needs to know of a version's answers and prompts. Pure values, copied from the registry."""

from dataclasses import dataclass

ENGINE_SLOTS = 64
"""Answers that one engine computes at once: `max_num_seqs` of its settings."""


@dataclass(frozen=True)
class Generation:
    """Defaults that hold where a request does not say otherwise; None: there is none."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True)
class PromptLimits:
    """How much of a prompt a version reads; 0: not stated."""

    max_characters: int = 0
    max_tokens: int = 0
    context_tokens: int = 0
