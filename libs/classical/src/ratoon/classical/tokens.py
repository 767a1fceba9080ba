"""Tokens of a small model, so that engines and golden prompts speak of it as of a language model.

A prompt is its UTF-8 bytes: tokens 0 to 255. Each label is one token from 256 on, in the order of the task; the one
after them ends an answer. A number is its bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ratoon.classical.model import SmallModel
from ratoon.tasks.classify import Classify, members

FIRST_LABEL = 256
_OTHER = -100.0
"""Log-probability of every byte that is not the next one of a number."""


@dataclass(frozen=True)
class Token:
    """One token of an answer, with its log-probability and those of the others, likeliest first (natural log)."""

    id: int
    text: str
    logprob: float
    others: tuple[tuple[int, float], ...] = field(default=(), repr=False)

    @property
    def second(self) -> float:
        """Return the log-probability of the best other token."""
        return next((logprob for token, logprob in self.others if token != self.id), _OTHER)


def encode(text: str) -> list[int]:
    """Return the tokens of a text."""
    return list(text.encode())


def decode(tokens: Sequence[int]) -> tuple[str, int]:
    """Return the text of a prompt's tokens, and how many tokens of an answer stand after it."""
    own = [token for token in tokens if 0 <= token < FIRST_LABEL]
    return bytes(own).decode(errors="replace"), len(tokens) - len(own)


def label_texts(model: SmallModel) -> tuple[str, ...]:
    """Return the labels of a model; none of numbers."""
    task = model.task
    return task.labels if isinstance(task, Classify) else ()


def answers(model: SmallModel, texts: Sequence[str]) -> list[list[Token]]:
    """Return the tokens of the answers to texts, without the end; none where a text has no answer."""
    answered, labels = model.answer(texts), label_texts(model)
    if not labels:
        return [[Token(byte, chr(byte), 0.0) for byte in text.encode()] for text in answered.texts]
    place = {label: number for number, label in enumerate(labels)}
    spoken = []
    for row, text in enumerate(answered.texts):
        shares = answered.logprobs[row].tolist() if answered.logprobs is not None else []
        ranked = sorted(range(len(shares)), key=lambda label: -shares[label])[:21]
        others = tuple((FIRST_LABEL + label, shares[label]) for label in ranked)
        spoken.append(
            [
                Token(FIRST_LABEL + place[label], label, shares[place[label]], others)
                for label in (members(text) if text else ())
            ]
        )
    return spoken
