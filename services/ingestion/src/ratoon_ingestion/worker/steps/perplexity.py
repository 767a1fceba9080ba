"""Filter by perplexity: how well a language model of the user's choice predicts a text."""

import json
from collections.abc import Mapping
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ratoon_ingestion.worker.steps.ngrams import BadArpa, Model, fitted, read_arpa, words_in
from ratoon_ingestion.worker.steps.references import BadReference, References
from ratoon_ingestion.worker.steps.result import StepResult, attribute

PERPLEXITY = "perplexity"
MAX_WORDS = 4_000_000
"""Number of words of the reference that are read, from its beginning."""
MAX_SEQUENCES = 20_000_000
_MODEL, _SETTINGS = "model.npz", "settings.json"
_MIN_TEXTS = 20


def prepare_perplexity(settings: Mapping[str, Any], references: References, folder: Path) -> None:
    """Write the model, and the perplexities of the reference: of each half, under a model of the other half."""
    by_characters = settings["unit"] == "characters"
    lower = not settings["arpa"]
    texts = _reference(settings["reference"], by_characters, lower, references)
    if settings["arpa"]:
        model = _read(settings["arpa"], references)
        known = model.perplexities(texts)
    else:
        model = fitted(texts, settings["order"])
        known = [0.0] * len(texts)
        for half in (0, 1):
            known[half::2] = fitted(texts[1 - half :: 2], settings["order"]).perplexities(texts[half::2])
    model.save(folder / _MODEL)
    bounds = {
        "min": settings["min_perplexity"],
        "max": settings["max_perplexity"] or float("inf"),
        "lower": lower,
    }
    if known and settings["max_percentile"] < 1:
        bounds["max"] = min(bounds["max"], float(np.quantile(known, settings["max_percentile"])))
    if known and settings["min_percentile"] > 0:
        bounds["min"] = max(bounds["min"], float(np.quantile(known, settings["min_percentile"])))
    (folder / _SETTINGS).write_text(json.dumps(bounds))


def perplexity(batch: pa.RecordBatch, unit: str, model: Path, **_: Any) -> StepResult:
    """Store the perplexity as an attribute; remove texts outside of the bounds."""
    bounds = json.loads((model / _SETTINGS).read_text())
    texts = [
        words_in(text, unit == "characters", bounds["lower"]) for text in batch.column("text").to_pylist()
    ]
    values = _loaded(model / _MODEL).perplexities(texts)
    removed = [
        "PERPLEXITY_HIGH" if value > bounds["max"] else "PERPLEXITY_LOW" if value < bounds["min"] else None
        for value in values
    ]
    return StepResult(
        removed=pa.array(removed, pa.string()),
        attributes=attribute(PERPLEXITY, (f"{value:.4g}" for value in values)),
    )


@cache
def _loaded(path: Path) -> Model:
    return Model.load(path)


def _reference(source: str, by_characters: bool, lower: bool, references: References) -> list[list[str]]:
    if not source:
        return []
    texts: list[list[str]] = []
    left = MAX_WORDS
    for text in references.texts(source):
        words = words_in(text, by_characters, lower)[:left]
        texts.append(words)
        left -= len(words)
        if left <= 0:
            break
    if len(texts) < _MIN_TEXTS:
        raise BadReference(
            f"The source {source} has {len(texts)} texts; the step perplexity needs {_MIN_TEXTS} or more to "
            "compare with."
        )
    return texts


def _read(source: str, references: References) -> Model:
    with references.opened(source) as stream, TextIOWrapper(stream, encoding="utf-8") as lines:
        try:
            return read_arpa(lines, MAX_SEQUENCES)
        except (BadArpa, UnicodeDecodeError) as error:
            raise BadReference(
                f"The source {source} is no language model in the ARPA format: {error}. Import the file as text."
            ) from None
