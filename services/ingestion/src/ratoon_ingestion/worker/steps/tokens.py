"""Tokens of texts: their number, and where each begins."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from ratoon_ingestion.worker.steps.references import BadReference, References
from ratoon_ingestion.worker.steps.result import StepResult, attribute
from ratoon_ingestion.worker.words import words_of

TOKEN_COUNT = "token_count"
_FILE = "tokenizer.json"
_UNKNOWN = "[UNK]"
_SPECIAL = re.compile(r"\[.*\]")
"""Pieces that are marks, such as `[CLS]` and `[unused1]`."""
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
        text = data.decode("utf-8-sig")
        tokenizer = Tokenizer.from_str(text) if text.lstrip().startswith("{") else word_pieces(text)
    except Exception as error:
        raise BadReference(
            f"The source {source} holds no usable tokenizer ({error}). Import the file tokenizer.json of a model, or "
            "the vocab.txt of a BERT model, as text, and name that source."
        ) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    (folder / _FILE).write_text(tokenizer.to_str(), encoding="utf-8")


def word_pieces(vocabulary: str) -> Tokenizer:
    """Return the tokenizer of a `vocab.txt`, one piece a line; ValueError if it has no `[UNK]`.

    Texts are cut and normalised as BERT does (Devlin et al. 2019): controls are removed and Chinese characters stand
    alone; upper case becomes lower case and accents go if no piece has an upper-case letter.
    """
    pieces = vocabulary.splitlines()
    numbers = {piece.rstrip("\r"): number for number, piece in enumerate(pieces)}
    if _UNKNOWN not in numbers:
        raise ValueError(f"it is no JSON, and has no line {_UNKNOWN}")
    is_cased = any(piece != piece.lower() for piece in numbers if not _SPECIAL.fullmatch(piece))
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token=_UNKNOWN, max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=not is_cased)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


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
