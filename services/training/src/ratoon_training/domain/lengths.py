"""Limits of texts, chosen from the lengths of the training texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

MAX_PROMPT_TOKENS = 512
"""Maximum of a chosen limit, in tokens: memory grows with it."""
MIN_PROMPT_TOKENS = 128
"""Minimum of a chosen limit, in tokens, regardless of the size of the data."""
EPOCH_TOKENS = 300_000
"""Approximate tokens of an epoch with a chosen limit above the minimum, so that training ends in minutes."""
COVERED = 0.99
"""Share of the training texts that a chosen limit does not cut, if the other bounds allow."""
RESERVED_POSITIONS = 16
"""Positions that are left for the template's own tokens and the answer."""


@dataclass(frozen=True)
class PromptLimit:
    """Limit at which the chat template cuts a text, and its effect on the training texts."""

    max_tokens: int = 0
    """Maximum number of tokens of a cut training text."""
    max_characters: int = 0
    cut_share: float = 0.0
    """Share of the training texts that lose their end, in 0..1."""


def token_limit(lengths: Sequence[int], positions: int, share: float = 1.0) -> int:
    """The number of tokens to keep of a text, from training texts' lengths in tokens and the model's positions.

    Each length stands for `share` texts.
    """
    if not lengths:
        return MIN_PROMPT_TOKENS
    ordered = sorted(lengths)
    covering = ordered[min(len(ordered) - 1, ceil(COVERED * len(ordered)) - 1)]
    limit = min(covering, MAX_PROMPT_TOKENS)
    while limit > MIN_PROMPT_TOKENS and share * sum(min(length, limit) for length in ordered) > EPOCH_TOKENS:
        limit = max(MIN_PROMPT_TOKENS, limit * 3 // 4)
    return max(8, min(limit, positions - RESERVED_POSITIONS))


def character_limit(characters: Sequence[int], tokens: Sequence[int], limit: int) -> int:
    """The number of characters after which a text is cut, so that about `limit` tokens remain; to the next ten.

    Where the limit keeps nearly all texts whole, it is that of the longest text kept whole; else it follows from the
    characters that a token has.
    """
    whole = [length for length, count in zip(characters, tokens, strict=True) if count <= limit]
    if len(whole) >= COVERED * len(characters):
        return _to_ten(max(whole, default=10))
    return _to_ten(limit * sum(characters) / max(1, sum(tokens)))


def fewer(characters: int, share: float) -> int:
    """The share of a number of characters, down to a full ten below it; at least ten."""
    return max(10, min(characters - 10, int(characters * share) // 10 * 10))


def _to_ten(value: float) -> int:
    return max(10, ceil(value / 10) * 10)
