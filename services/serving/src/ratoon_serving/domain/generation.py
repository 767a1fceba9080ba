"""Generation defaults and prompt limits of a version, as gateways need them. Pure values, copied from the registry."""

from dataclasses import dataclass

ENGINE_SLOTS = 64
"""Answers that one engine computes at once: `max_num_seqs` of its settings."""


@dataclass(frozen=True)
class Generation:
    """Defaults of parameters that a request does not set; None: no default."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True)
class PromptLimits:
    """Maximum length of a prompt; 0: not stated."""

    max_characters: int = 0
    max_tokens: int = 0
    context_tokens: int = 0
