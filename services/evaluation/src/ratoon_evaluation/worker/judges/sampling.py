"""Random sample of a test part that a judge is asked about: the same one for all runs, models and judges."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from ratoon_evaluation.worker.parts import Part

Texts = Mapping[str, Sequence[str]]
"""Answers by role, one a record."""


def sampled(part: Part, texts: Texts, count: int) -> tuple[Part, Texts]:
    """Return at most so many records of a part with the answers to them, in the order of the part; 0: all."""
    if not count or len(part) <= count:
        return part, texts
    order = sorted(range(len(part)), key=lambda row: hashlib.sha256(part.record_ids[row].encode()).digest())
    rows = sorted(order[:count])
    columns: dict[str, Any] = {
        field.name: tuple(column[row] for row in rows)
        for field in fields(part)
        if isinstance(column := getattr(part, field.name), tuple) and column
    }
    return replace(part, **columns), {role: [each[row] for row in rows] for role, each in texts.items()}
