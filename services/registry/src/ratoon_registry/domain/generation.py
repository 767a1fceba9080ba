"""How a version generates where a request does not say, and how much of a prompt it reads. Pure values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Generation:
    """Defaults of a version's answers; None: there is none."""

    temperature: float | None = None
    """0: greedy."""
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_tokens: int | None = None
    """Longest answer in tokens."""


@dataclass(frozen=True)
class PromptLimits:
    """How much of a prompt a version reads; 0: not stated."""

    max_characters: int = 0
    """Characters of each message that the chat template keeps."""
    max_tokens: int = 0
    """Tokens of a prompt that it was trained to read."""
    context_tokens: int = 0
    """Positions of the model: tokens of prompt and answer together."""
