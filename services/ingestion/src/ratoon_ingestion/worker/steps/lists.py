"""Filters by lists: addresses, words, licences."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import polars as pl
import pyarrow as pa

from ratoon_ingestion.worker.steps.result import StepResult
from ratoon_ingestion.worker.steps.text import series

_URL_ATTRIBUTES = ("url", "uri", "source_url")
_WORDS_A_PATTERN = 500
_DENSE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af]")


def url_blocklist(batch: pa.RecordBatch, block: Sequence[str]) -> StepResult:
    """Remove records from a blocked domain (with its subdomains) or below a blocked address, such as `a.example/ads`.

    The address of a record is its attribute `url`, or its place in the source if that is an address.
    """
    blocked = frozenset(map(_address, block))
    rows = zip(batch.column("source_path").to_pylist(), batch.column("attributes").to_pylist(), strict=True)
    removed = [
        "BLOCKED_URL"
        if any(each in blocked for each in _prefixes(_url(path, dict(attributes or ()))))
        else None
        for path, attributes in rows
    ]
    return StepResult(removed=pa.array(removed, pa.string()))


def word_list(batch: pa.RecordBatch, block: Sequence[str], min_matches: int) -> StepResult:
    """Remove texts with blocked words, whatever their case; words of scripts without spaces are found in others."""
    text, matches = series(batch), pl.zeros(batch.num_rows, pl.UInt32, eager=True)
    for pattern in patterns_of(block):
        matches = matches + text.str.count_matches(pattern)
    removed = ["BLOCKED_WORD" if count >= min_matches else None for count in matches.to_list()]
    return StepResult(removed=pa.array(removed, pa.string()))


def patterns_of(words: Sequence[str]) -> Iterator[str]:
    """Yield expressions that match the words, whatever their case, in the syntax of polars."""
    for start in range(0, len(words), _WORDS_A_PATTERN):
        pattern = "|".join(map(_pattern, words[start : start + _WORDS_A_PATTERN]))
        yield f"(?i)(?:{pattern})"


def license(batch: pa.RecordBatch, allow: Sequence[str]) -> StepResult:
    """Remove records of sources with another licence than those allowed, or with none."""
    removed = [
        None if value in allow else "LICENSE_NOT_ALLOWED" for value in batch.column("licence").to_pylist()
    ]
    return StepResult(removed=pa.array(removed, pa.string()))


def is_dense(word: str) -> bool:
    """Return whether a word has characters of scripts without spaces between words."""
    return _DENSE.search(word) is not None


def _pattern(word: str) -> str:
    escaped = re.sub(r"([^\w\s])", r"\\\1", word, flags=re.ASCII) if word.isascii() else re.escape(word)
    return escaped if is_dense(word) else rf"\b{escaped}\b"


def _url(path: str | None, attributes: dict[str, str]) -> str:
    named = next((attributes[name] for name in _URL_ATTRIBUTES if attributes.get(name)), "")
    return named or (path if path and "://" in path else "")


def _address(url: str) -> str:
    """Return host and path of an address in the form in which addresses are compared."""
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        host = (parts.hostname or "").removeprefix("www.").rstrip(".")
    except ValueError:
        return ""
    return f"{host}{parts.path.rstrip('/')}"


def _prefixes(url: str) -> Iterator[str]:
    """Yield the domain of an address with those above it, and the address with those above it."""
    host, *folders = _address(url).split("/")
    if not host:
        return
    labels = host.split(".")
    yield from (".".join(labels[start:]) for start in range(len(labels)))
    yield from ("/".join((host, *folders[:end])) for end in range(1, len(folders) + 1))
