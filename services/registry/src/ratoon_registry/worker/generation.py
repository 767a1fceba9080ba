"""Generation defaults and prompt limits of a model's folder: what its files state, nothing guessed. It loads nothing.

`generation_config.json` is Hugging Face's. An adapter's own file stands before its base's. `ratoon.json` states what
training knows of the prompt: `max_prompt_characters` and `max_prompt_tokens`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratoon.storage.models import ModelFolder
from ratoon_registry.domain.generation import Generation, PromptLimits
from ratoon_registry.worker.inspection import read_json

GENERATION = "generation_config.json"
PROMPT = "ratoon.json"

_CUT = re.compile(r"""content['"]?\]?\s*\[\s*:\s*(\d{1,7})\s*\]""")
"""The cut in the chat templates that training wrote before it wrote `ratoon.json`."""
_MAX_TOKENS = 1 << 24


def generation(folder: ModelFolder) -> Generation:
    """The defaults that the folder states; greedy where it asks for no sampling, as transformers reads the file."""
    file = next((path / GENERATION for path in _folders(folder) if (path / GENERATION).exists()), None)
    return Generation() if file is None else _generation(read_json(file))


def prompt_limits(folder: ModelFolder, positions: int) -> PromptLimits:
    """What the folder says about prompts, and the positions of the model."""
    file = next((path / PROMPT for path in _folders(folder) if (path / PROMPT).exists()), None)
    stated = read_json(file) if file else {"max_prompt_characters": _cut(folder)}
    characters, tokens = (_count(stated.get(f"max_prompt_{unit}")) or 0 for unit in ("characters", "tokens"))
    return PromptLimits(characters, tokens, positions)


def _folders(folder: ModelFolder) -> tuple[Path, ...]:
    return (folder.path,) if folder.base is None else (folder.path, folder.base)


def _generation(stated: Mapping[str, Any]) -> Generation:
    max_tokens = _count(stated.get("max_new_tokens"))
    penalty = _number(stated.get("repetition_penalty"), 0.01, 10.0)
    drawn = ("temperature", "top_p", "top_k", "min_p")
    samples = stated.get("do_sample")
    if samples is False or (samples is None and all(stated.get(name) is None for name in drawn)):
        return Generation(temperature=0.0, repetition_penalty=penalty, max_tokens=max_tokens)
    return Generation(
        temperature=_number(stated.get("temperature"), 0.0, 100.0),
        top_p=_number(stated.get("top_p"), 1e-6, 1.0),
        top_k=_count(stated.get("top_k")),
        min_p=_number(stated.get("min_p"), 0.0, 1.0),
        repetition_penalty=penalty,
        max_tokens=max_tokens,
    )


def _number(value: Any, minimum: float, maximum: float) -> float | None:
    """The number, or None when it is none or out of range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if minimum <= value <= maximum else None


def _count(value: Any) -> int | None:
    """The whole number above 0, or None."""
    number = _number(value, 1, _MAX_TOKENS)
    return int(number) if number is not None and number == int(number) else None


def _cut(folder: ModelFolder) -> int | None:
    """Characters of a message that a template of Ratoon's keeps."""
    for path in (each / "chat_template.jinja" for each in _folders(folder)):
        if path.exists() and (match := _CUT.search(path.read_text(encoding="utf-8", errors="replace"))):
            return int(match.group(1))
    return None
