"""Lists of words of the operator, such as of toxic words or of words that stand for groups of people."""

import json
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from ratoon_ingestion.worker.steps.lists import patterns_of
from ratoon_ingestion.worker.steps.references import BadReference, References
from ratoon_ingestion.worker.steps.result import StepResult, attribute
from ratoon_ingestion.worker.steps.text import array, series
from ratoon_ingestion.worker.words import words_of

MASKED = "***"
MAX_WORDS = 100_000
_FILE = "lists.json"


def prepare_lists(settings: Mapping[str, Any], references: References, folder: Path) -> None:
    """Write the words of each list: one entry a line, without what follows a tab."""
    lists: dict[str, list[str]] = {}
    for source in settings["lists"]:
        words = dict.fromkeys(
            word
            for text in references.texts(source)
            for line in text.splitlines()
            if (word := line.partition("\t")[0].strip()) and not word.startswith("#")
        )
        if not words or len(words) > MAX_WORDS:
            raise BadReference(
                f"The source {source} has {len(words):,} words; a list has 1 to {MAX_WORDS:,}, one a line."
            )
        lists[source] = list(words)
    (folder / _FILE).write_text(json.dumps(lists))


def listed_words(
    batch: pa.RecordBatch,
    name: str,
    action: str,
    min_matches: int,
    max_share: float,
    model: Path,
    lists: tuple[str, ...],
) -> StepResult:
    """Store the number of words of each list as an attribute; remove or mask them where there are too many."""
    text = series(batch)
    totals = {each: _counted(text, model, each) for each in lists}
    sums = [sum(column) for column in zip(*totals.values(), strict=True)]
    words = [len(words_of(each)) if total else 0 for each, total in zip(text.to_list(), sums, strict=True)]
    exceeds = [
        total >= min_matches and total > max_share * count for total, count in zip(sums, words, strict=True)
    ]
    counts = {each: sum(count > 0 for count in column) for each, column in totals.items() if any(column)}
    values = [
        ", ".join(f"{each}:{totals[each][row]}" for each in lists if totals[each][row]) or None
        for row in range(len(text))
    ]
    removed = ["LISTED_WORDS" if each and action == "drop" else None for each in exceeds]
    return StepResult(
        texts=_masked(text, exceeds, model) if action == "mask" else None,
        removed=pa.array(removed, pa.string()),
        attributes=attribute(name, values),
        counts=Counter(counts),
    )


def _masked(text: pl.Series, exceeds: list[bool], model: Path) -> pa.Array:
    masked = text
    for patterns in _patterns(model).values():
        for pattern in patterns:
            masked = masked.str.replace_all(pattern, MASKED)
    chosen = pl.Series(exceeds, dtype=pl.Boolean)
    return array(masked.zip_with(chosen, text))


def _counted(text: pl.Series, model: Path, name: str) -> list[int]:
    matches = pl.zeros(len(text), pl.UInt32, eager=True)
    for pattern in _patterns(model)[name]:
        matches = matches + text.str.count_matches(pattern)
    return list(matches.to_list())


@cache
def _patterns(model: Path) -> dict[str, list[str]]:
    lists = json.loads((model / _FILE).read_text())
    return {name: list(patterns_of(words)) for name, words in lists.items()}
