"""Verification of a small model: it is loaded with checks, and golden prompts are recorded in its own tokens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratoon.classical.errors import BadArtifact
from ratoon.classical.model import SmallModel
from ratoon.classical.tokens import Token, answers, encode, label_texts
from ratoon.neural import small
from ratoon_registry.worker.golden import NEAR_TIE, NoStablePrompt
from ratoon_registry.worker.inspection import UnfitArtifact

_PROMPT_BYTES = 256
"""Longer texts are cut: a text and its beginning are different prompts of the same model. Rows of a table are not."""
_DIGITS = 4
"""Bytes of a number that are compared: the last ones may differ between processors."""


def load(folder: Path) -> SmallModel:
    """Return the model of a directory; UnfitArtifact if its files are none, or could run code."""
    try:
        return small.load(folder)
    except BadArtifact as error:
        raise UnfitArtifact(error.reason, str(error)) from error


def record(model: SmallModel, texts: Sequence[str], count: int) -> dict[str, Any]:
    """Return up to `count` prompts with the tokens of their answers; raises NoStablePrompt if all are near-ties."""
    if not model.reads_rows:
        texts = list(dict.fromkeys(text.encode()[:_PROMPT_BYTES].decode(errors="ignore") for text in texts))
    tried = texts[: 4 * count]
    compared = None if label_texts(model) else _DIGITS
    prompts = [
        _prompt(text, tokens[:compared])
        for text, tokens in zip(tried, answers(model, tried), strict=True)
        if _is_stable(tokens[:compared])
    ]
    if not prompts:
        raise NoStablePrompt(
            "The model's two likeliest labels are almost equally likely on every text: label more "
            "records, or other ones."
        )
    return {"dtype": "float32", "near_tie": NEAR_TIE, "prompts": prompts[:count]}


def _is_stable(tokens: Sequence[Token]) -> bool:
    """Return whether the first token of an answer leads clearly."""
    return bool(tokens) and tokens[0].logprob - tokens[0].second >= NEAR_TIE


def _prompt(text: str, tokens: Sequence[Token]) -> dict[str, Any]:
    return {
        "prompt_token_ids": encode(text),
        "tokens": [each.id for each in tokens],
        "logprobs": [each.logprob for each in tokens],
        "second_logprobs": [min(each.second, each.logprob) for each in tokens],
    }
