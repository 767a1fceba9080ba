"""Filters of the large web corpora: Gopher (arXiv 2112.11446, A1), C4 (arXiv 1910.10683), FineWeb (arXiv 2406.17557).

They are for languages that put spaces between words; texts of dense scripts (Chinese, Thai, …) pass Gopher's filters
and FineWeb's rule for line breaks. Elsewhere two characters of a dense script count as a word, and a character of it
as several of an alphabet, as in the step `length`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ratoon_ingestion.worker.steps import repetition
from ratoon_ingestion.worker.steps.characters import (
    DENSE_RANGES,
    TERMINAL,
    Array,
    Flags,
    Texts,
    counted,
    is_first_distinct,
    sums,
)
from ratoon_ingestion.worker.steps.result import StepResult
from ratoon_ingestion.worker.steps.text import array, series

_DENSE = f"[{DENSE_RANGES}]"
_LATIN_WORD = rf"[^\s{DENSE_RANGES}]+"
_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_STOP_KEYS = np.array([int.from_bytes(word.encode(), "little") for word in _STOP_WORDS], np.int32)
"""The stop words as numbers of four bytes."""
_SENTENCE_END = r"[\p{Sentence_Terminal}][\"'”’»)\]]*(?:\s|$)|[。！？]|[^\s]$"
_CITATION = r"\[\d*\]|\[edit\]|\[citation needed\]"
_LINE_END = r"[.?!\"'。？！”’…」』]$"
_ENDING_BYTES = np.zeros(256, np.bool_)
_ENDING_BYTES[[*b".?!\"'", *range(0x80, 0x100)]] = True
_no_division_faults = np.errstate(divide="ignore", invalid="ignore")
"""A share of nothing is no number, and exceeds no limit."""
_FIRST_DENSE, _PUNCTUATION = chr(0xE00).encode(), chr(0x2E80).encode()
"""The first character of a dense script, and the one after general punctuation and symbols, which are none."""
_FEW_WORDS, _MAX_WORD_CHARS = 16, 10_000
"""Words and characters up to which an expression that repeats so often is compiled."""
_COMPATIBLE = pl.CompatLevel.oldest()
_POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
_BULLETS = (ord("•"), ord("-"))


@_no_division_faults
def gopher_quality(
    batch: pa.RecordBatch,
    min_words: int,
    max_words: int,
    min_mean_word_chars: int,
    max_mean_word_chars: int,
    max_symbol_share: float,
    max_bullet_share: float,
    max_ellipsis_share: float,
    min_letter_word_share: float,
    min_stop_words: int,
) -> StepResult:
    """Remove texts by their number of words, length of words, symbols, bullets, ellipses, letters and stop words."""
    each = _rows(batch, _quality_counts)
    mean = each["chars"] / each["words"]
    return _removed(
        (
            ("GOPHER_FEW_WORDS", each["words"] < min_words),
            ("GOPHER_MANY_WORDS", each["words"] > max_words),
            ("GOPHER_SHORT_WORDS", mean < min_mean_word_chars),
            ("GOPHER_LONG_WORDS", mean > max_mean_word_chars),
            ("GOPHER_HASHES", each["hashes"] / each["tokens"] > max_symbol_share),
            ("GOPHER_ELLIPSES", each["dots"] / each["tokens"] > max_symbol_share),
            ("GOPHER_BULLETS", each["bullets"] / each["lines"] > max_bullet_share),
            ("GOPHER_LINE_ENDS", each["ellipses"] / each["lines"] > max_ellipsis_share),
            ("GOPHER_FEW_LETTERS", each["letters"] / each["tokens"] < min_letter_word_share),
            ("GOPHER_STOP_WORDS", each["stops"] < min_stop_words),
        ),
        keep=each["dense"],
    )


@_no_division_faults
def gopher_repetition(
    batch: pa.RecordBatch,
    max_duplicate_line_share: float,
    max_duplicate_paragraph_share: float,
    max_duplicate_line_char_share: float,
    max_duplicate_paragraph_char_share: float,
    **gram_shares: float,
) -> StepResult:
    """Remove texts by the share of repeated paragraphs, lines and sequences of words.

    A sequence of 2 to 4 words counts from its second occurrence on; those of 5 to 10 words are counted once where they
    overlap.
    """
    limits = {size: gram_shares[f"max_duplicate_{size}_gram_share"] for size in repetition.REPEATED_SIZES}
    each = _rows(batch, repetition.counts)
    rules = [
        (
            f"GOPHER_TOP_{size}_GRAM",
            each[f"top_{size}"] / each["chars"] > gram_shares[f"max_top_{size}_gram_share"],
        )
        for size in repetition.TOP_SIZES
    ]
    rules += [
        (f"GOPHER_DUPLICATE_{size}_GRAMS", each[f"repeated_{size}"] / each["chars"] > limit)
        for size, limit in limits.items()
    ]
    return _removed(
        (
            ("GOPHER_DUPLICATE_PARAGRAPHS", each["paragraph_share"] > max_duplicate_paragraph_share),
            (
                "GOPHER_DUPLICATE_PARAGRAPH_CHARS",
                each["paragraph_chars"] / each["chars"] > max_duplicate_paragraph_char_share,
            ),
            ("GOPHER_DUPLICATE_LINES", each["line_share"] > max_duplicate_line_share),
            (
                "GOPHER_DUPLICATE_LINE_CHARS",
                each["line_chars"] / each["chars"] > max_duplicate_line_char_share,
            ),
            *rules,
        ),
        keep=each["dense"],
    )


def c4(
    batch: pa.RecordBatch,
    min_sentences: int,
    min_words_per_line: int,
    max_word_chars: int,
    end_punctuation: bool,
) -> StepResult:
    """Drop lines without words, final punctuation or content; remove texts of code, of filler, or of few sentences."""
    text = series(batch)
    lines = text.to_frame("line").with_row_index("row").with_columns(pl.col("line").str.split("\n"))
    lines = lines.explode("line").with_columns(pl.col("line").str.strip_chars())
    if end_punctuation:
        lines = lines.filter(_may_end(lines["line"]))
    elif min_words_per_line > 0:
        lines = lines.filter(pl.col("line").str.len_bytes() > 0)
    lines = _without_long_words(lines, max_word_chars)
    line = pl.col("uncited")
    lines = lines.with_columns(uncited=pl.col("line").str.replace_all(_CITATION, ""))
    if end_punctuation:
        lines = lines.filter(line.str.contains(_LINE_END) & ~line.str.ends_with("..."))
    lines = lines.filter(_have_words(lines["line"], min_words_per_line))
    lower = line.str.to_lowercase()
    is_content = ~lower.str.contains("javascript", literal=True) & ~lower.str.contains_any(list(_POLICIES))
    columns = lines.select(
        "row",
        line,
        filler=lower.str.contains("lorem ipsum", literal=True),
        code=line.str.contains("{", literal=True),
        content=is_content,
    )
    of_content = columns.filter("content")
    rows, filler, code, content_rows = (
        np.bincount(each["row"].to_numpy(), minlength=len(text))
        for each in (columns, columns.filter("filler"), columns.filter("code"), of_content)
    )
    # a line with final punctuation has a sentence
    few = content_rows < min_sentences if end_punctuation else np.ones(len(text), np.bool_)
    sentences = np.where(few, _sentences(of_content, few), content_rows)
    removed = _removed(
        (
            ("C4_LOREM_IPSUM", filler > 0),
            ("C4_CURLY_BRACKET", code > 0),
            ("C4_FEW_SENTENCES", sentences < min_sentences),
        ),
    )
    lists = pa.LargeListArray.from_arrays(
        np.concatenate(([0], np.cumsum(content_rows))),
        of_content["uncited"].to_arrow(compat_level=_COMPATIBLE),
    )
    joined = pl.Series(
        "text", pc.binary_join(lists, pa.scalar("\n", pa.large_string())), pl.String
    ).str.strip_chars()
    texts = pc.if_else(pa.array(rows > 0), array(joined), pa.scalar(None, pa.string()))
    return StepResult(texts, removed.removed)


@_no_division_faults
def fineweb(
    batch: pa.RecordBatch,
    min_end_punctuation_share: float,
    short_line_chars: int,
    max_short_line_share: float,
    max_duplicate_char_share: float,
    max_line_breaks_per_word: float,
) -> StepResult:
    """Remove texts by the share of lines that end a sentence, are short or repeated, and by line breaks a word."""
    each = _rows(batch, lambda texts: _line_counts(texts, short_line_chars))
    return _removed(
        (
            ("FINEWEB_NO_LINES", each["lines"] == 0),
            ("FINEWEB_LINE_ENDS", each["ends"] / each["lines"] < min_end_punctuation_share),
            ("FINEWEB_SHORT_LINES", each["short"] / each["lines"] > max_short_line_share),
            ("FINEWEB_DUPLICATE_LINES", each["repeated"] / each["chars"] > max_duplicate_char_share),
            (
                "FINEWEB_LINE_BREAKS",
                ~each["dense"] & (each["breaks"] / each["words"] > max_line_breaks_per_word),
            ),
        ),
    )


def _may_end(lines: pl.Series) -> pl.Series:
    """Return whether a line ends in final punctuation, or would without a citation, judged by its bytes.

    Lines whose last character is not of ASCII may.
    """
    bounds, characters = _bytes_of(lines)
    filled = np.diff(bounds) > 0
    may_end = _hold(np.flatnonzero(characters == ord("[")), bounds)
    may_end[filled] |= _ENDING_BYTES[characters[bounds[1:][filled] - 1]]
    return pl.Series(may_end)


def _have_words(lines: pl.Series, count: int) -> pl.Series:
    """Return whether a line has so many words. Of lines without dense scripts, only the first words are looked at."""
    bounds, characters = _bytes_of(lines)
    leads = np.flatnonzero(characters >= _FIRST_DENSE[0])
    is_other = (characters[leads] == _PUNCTUATION[0]) & (characters[leads + 1] < _PUNCTUATION[1])
    may_be_dense = _hold(leads[~is_other], bounds)
    result = np.zeros(len(lines), np.bool_)
    for flags in (may_be_dense, ~may_be_dense):
        chosen = lines.filter(pl.Series(flags)).to_frame("line")
        result[flags] = (
            chosen.select(_has_words(pl.col("line"), count, flags is may_be_dense)).to_series().to_numpy()
        )
    return pl.Series(result)


def _bytes_of(lines: pl.Series) -> tuple[Array, npt.NDArray[np.uint8]]:
    """Return where each line begins and the last one ends in bytes, and the bytes."""
    column = lines.to_arrow(compat_level=_COMPATIBLE)
    _, offsets, data = column.buffers()
    if not len(column):
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    return bounds, np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)


def _hold(places: Array, bounds: Array) -> npt.NDArray[np.bool_]:
    """Return which lines have one of these places."""
    return np.diff(np.searchsorted(places, bounds)) > 0


def _without_long_words(lines: pl.DataFrame, max_chars: int) -> pl.DataFrame:
    """Return the lines without those that have a longer word."""
    line = pl.col("line")
    if max_chars >= _MAX_WORD_CHARS or not bool((lines["line"].str.len_bytes() > max_chars).any()):
        return lines
    lines = lines.with_row_index("place")
    long = lines.filter(line.str.len_bytes() > max_chars)
    places = long.filter(line.str.contains(rf"{_LATIN_WORD[:-1]}{{{max_chars + 1}}}"))["place"]
    return lines.filter(~pl.col("place").is_in(places.implode())).drop("place")


def _has_words(line: pl.Expr, count: int, is_dense: bool) -> pl.Expr:
    """Return whether a line has so many words. Those of a line without dense scripts are not all counted."""
    if is_dense:
        return line.str.count_matches(_LATIN_WORD) + line.str.count_matches(_DENSE) / 2 >= count
    if not 0 < count <= _FEW_WORDS:
        return line.str.count_matches(r"\S+") >= count
    return line.str.contains(rf"(?:\S+\s+){{{count - 1}}}\S")


def _sentences(lines: pl.DataFrame, of_texts: npt.NDArray[np.bool_]) -> Array:
    """Return the number of sentences of the texts to count."""
    rows = lines["row"].to_numpy()
    chosen = of_texts[rows]
    counts = lines["uncited"].filter(pl.Series(chosen)).str.count_matches(_SENTENCE_END).to_numpy()
    return np.bincount(rows[chosen], weights=counts, minlength=len(of_texts)).astype(np.int64)


def _rows(batch: pa.RecordBatch, counts: Callable[[Texts], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the counts of each text, and whether it is of a dense script."""
    return counted(batch.column("text"), lambda texts: {**counts(texts), "dense": texts.is_dense})


def _quality_counts(texts: Texts) -> Mapping[str, Array]:
    """Return what Gopher's rules count in each text."""
    from ratoon_ingestion.worker.steps import kernels

    words, places = texts.words, texts.word_places
    counts = np.zeros((texts.count, 6), np.int64)
    kernels.tally(words.bits, words.chars, words.firsts, words.keys, places, _STOP_KEYS, counts)
    lines, line_places = texts.lines, texts.line_places
    is_last_empty = (lines.chars[line_places[1:] - 1] == 0) & (texts.chars > 0)
    is_bullet = (lines.firsts == _BULLETS[0]) | (lines.firsts == _BULLETS[1])
    return {
        "tokens": np.diff(places),
        **dict(zip(("words", "chars", "letters", "dots", "hashes", "stops"), counts.T, strict=True)),
        "lines": np.diff(line_places) - is_last_empty,
        "bullets": sums(is_bullet, line_places),
        "ellipses": sums(lines.ellipses, line_places),
    }


def _line_counts(texts: Texts, short_line_chars: int) -> Mapping[str, Array]:
    """Return what FineWeb's rules count in each text."""
    lines, places = texts.lines, texts.line_places
    is_filled = lines.solid > 0
    is_short = is_filled & (lines.chars + lines.dense + lines.ideographs <= short_line_chars)
    filled = lines.where(is_filled)
    is_first = is_first_distinct(texts.hashes(filled.starts, filled.ends), filled.rows)
    repeated = np.zeros(len(is_filled), np.int64)
    repeated[is_filled] = np.where(is_first, 0, filled.chars)
    breaks = np.diff(places) - 1
    return {
        "lines": sums(is_filled, places),
        "ends": sums(is_filled & (lines.last_bits & TERMINAL != 0), places),
        "short": sums(is_short, places),
        "repeated": sums(repeated, places),
        "chars": texts.chars - breaks,
        "breaks": breaks,
        "words": np.diff(texts.word_places),
    }


def _removed(rules: Sequence[tuple[str, Flags]], keep: Flags | None = None) -> StepResult:
    """Return the reason of the first rule that applies to each text."""
    reason = np.full(len(rules[0][1]), len(rules))
    for place, (_, applies) in reversed(list(enumerate(rules))):
        reason[applies] = place
    if keep is not None:
        reason[keep] = len(rules)
    names = pa.array([*(name for name, _ in rules), None], pa.string())
    return StepResult(removed=names.take(pa.array(reason)))
