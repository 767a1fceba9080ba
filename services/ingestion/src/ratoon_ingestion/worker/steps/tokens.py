"""Tokens of texts: their number, and where each begins."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tokenizers import Tokenizer

from ratoon_ingestion.worker.steps.references import BadReference, References
from ratoon_ingestion.worker.steps.result import StepResult, attribute
from ratoon_ingestion.worker.words import words_of

TOKEN_COUNT = "token_count"
_FILE = "tokenizer.json"
_MAX_BYTES = 256 << 20

Offsets = npt.NDArray[np.int64]


def prepare_tokenizer(settings: Mapping[str, Any], references: References, folder: Path) -> None:
    """Write the tokenizer that `tokenizer` names; BadReference if the source is no tokenizer.json."""
    source = settings["tokenizer"]
    if not source:
        return
    with references.opened(source) as stream:
        data = stream.read(_MAX_BYTES + 1)
    try:
        if len(data) > _MAX_BYTES:
            raise ValueError("the file is larger than 256 MiB")
        tokenizer = Tokenizer.from_str(data.decode())
    except Exception as error:
        raise BadReference(
            f"The source {source} holds no usable tokenizer ({error}). Import the file tokenizer.json of a model as "
            "text, and name that source."
        ) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    (folder / _FILE).write_text(tokenizer.to_str(), encoding="utf-8")


def token_count(
    batch: pa.RecordBatch, min_tokens: int, max_tokens: int, tokenizer: str, model: Path
) -> StepResult:
    """Store the number of tokens as an attribute; remove texts with fewer or more than the bounds (0: no bound)."""
    counts = [len(starts) for starts in token_starts(batch.column("text").to_pylist(), model)]
    removed = [
        "TOO_FEW_TOKENS" if count < min_tokens else "TOO_MANY_TOKENS" if 0 < max_tokens < count else None
        for count in counts
    ]
    return StepResult(
        removed=pa.array(removed, pa.string()), attributes=attribute(TOKEN_COUNT, map(str, counts))
    )


def token_starts(texts: list[str], model: Path) -> list[Offsets]:
    """Return the characters at which the tokens of each text begin, in ascending order.

    Without a tokenizer in the directory, tokens are the words that `words_of` returns.
    """
    path = model / _FILE
    if not path.is_file():
        return list(map(_word_starts, texts))
    encodings = _tokenizer(path).encode_batch(texts, add_special_tokens=False)
    return [
        np.maximum.accumulate(np.array([start for start, _ in encoding.offsets], np.int64))
        for encoding in encodings
    ]


@cache
def _tokenizer(path: Path) -> Tokenizer:
    return Tokenizer.from_file(str(path))


def _word_starts(text: str) -> Offsets:
    starts, place = [], 0
    for word in words_of(text):
        place = text.index(word, place)
        starts.append(place)
        place += len(word)
    return np.array(starts, np.int64)
