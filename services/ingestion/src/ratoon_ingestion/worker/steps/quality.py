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
    DENSE,
    DENSE_RANGES,
    IDEOGRAPH,
    LETTER,
    PLAIN,
    TERMINAL,
    Array,
    Segments,
    Texts,
    between,
    is_first_distinct,
    pieces,
)
from ratoon_ingestion.worker.steps.result import StepResult
from ratoon_ingestion.worker.steps.text import array, series

_DENSE = f"[{DENSE_RANGES}]"
_LATIN_WORD = rf"[^\s{DENSE_RANGES}]+"
_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_STOP_WORD_CHARS = 4
_STOP_KEYS = np.sort(np.array([int.from_bytes(word.encode(), "little") for word in _STOP_WORDS], np.uint32))
"""The stop words as numbers of four bytes."""
_STOP_FIRSTS = np.isin(np.arange(256), [ord(word[0]) for word in _STOP_WORDS])
"""Whether a stop word begins with a character; the last of these stands for all later ones."""
_SENTENCE_END = r"[\p{Sentence_Terminal}][\"'”’»)\]]*(?:\s|$)|[。！？]|[^\s]$"
_CITATION = r"\[\d*\]|\[edit\]|\[citation needed\]"
_LINE_END = r"[.?!\"'。？！”’…」』]$"
_ENDING_BYTES = np.zeros(256, np.bool_)
_ENDING_BYTES[[*b".?!\"'", *range(0x80, 0x100)]] = True
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
_ELLIPSIS, _DOT, _HASH = ord("…"), ord("."), ord("#")


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
    rows = _rows(batch, _quality_counts)
    each = pl.col
    mean = each("chars") / each("words")
    return _removed(
        rows,
        (
            ("GOPHER_FEW_WORDS", each("words") < min_words),
            ("GOPHER_MANY_WORDS", each("words") > max_words),
            ("GOPHER_SHORT_WORDS", mean < min_mean_word_chars),
            ("GOPHER_LONG_WORDS", mean > max_mean_word_chars),
            ("GOPHER_HASHES", each("hashes") / each("tokens") > max_symbol_share),
            ("GOPHER_ELLIPSES", each("dots") / each("tokens") > max_symbol_share),
            ("GOPHER_BULLETS", each("bullets") / each("lines") > max_bullet_share),
            ("GOPHER_LINE_ENDS", each("ellipses") / each("lines") > max_ellipsis_share),
            ("GOPHER_FEW_LETTERS", each("letters") / each("tokens") < min_letter_word_share),
            ("GOPHER_STOP_WORDS", each("stops") < min_stop_words),
        ),
        keep=each("dense"),
    )


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
    rows = _rows(batch, lambda texts: repetition.counts(texts, limits))
    each = pl.col
    rules = [
        (
            f"GOPHER_TOP_{size}_GRAM",
            each(f"top_{size}") / each("chars") > gram_shares[f"max_top_{size}_gram_share"],
        )
        for size in repetition.TOP_SIZES
    ]
    rules += [
        (f"GOPHER_DUPLICATE_{size}_GRAMS", each(f"repeated_{size}") / each("chars") > limit)
        for size, limit in limits.items()
    ]
    return _removed(
        rows,
        (
            ("GOPHER_DUPLICATE_PARAGRAPHS", each("paragraph_share") > max_duplicate_paragraph_share),
            (
                "GOPHER_DUPLICATE_PARAGRAPH_CHARS",
                each("paragraph_chars") / each("chars") > max_duplicate_paragraph_char_share,
            ),
            ("GOPHER_DUPLICATE_LINES", each("line_share") > max_duplicate_line_share),
            (
                "GOPHER_DUPLICATE_LINE_CHARS",
                each("line_chars") / each("chars") > max_duplicate_line_char_share,
            ),
            *rules,
        ),
        keep=each("dense"),
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
        pl.DataFrame({"filler": filler, "code": code, "sentences": sentences}),
        (
            ("C4_LOREM_IPSUM", pl.col("filler") > 0),
            ("C4_CURLY_BRACKET", pl.col("code") > 0),
            ("C4_FEW_SENTENCES", pl.col("sentences") < min_sentences),
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


def fineweb(
    batch: pa.RecordBatch,
    min_end_punctuation_share: float,
    short_line_chars: int,
    max_short_line_share: float,
    max_duplicate_char_share: float,
    max_line_breaks_per_word: float,
) -> StepResult:
    """Remove texts by the share of lines that end a sentence, are short or repeated, and by line breaks a word."""
    rows = _rows(batch, lambda texts: _line_counts(texts, short_line_chars))
    each = pl.col
    return _removed(
        rows,
        (
            ("FINEWEB_NO_LINES", each("lines") == 0),
            ("FINEWEB_LINE_ENDS", each("ends") / each("lines") < min_end_punctuation_share),
            ("FINEWEB_SHORT_LINES", each("short") / each("lines") > max_short_line_share),
            ("FINEWEB_DUPLICATE_LINES", each("repeated") / each("chars") > max_duplicate_char_share),
            (
                "FINEWEB_LINE_BREAKS",
                ~each("dense") & (each("breaks") / each("words") > max_line_breaks_per_word),
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


def _rows(batch: pa.RecordBatch, counts: Callable[[Texts], Mapping[str, Any]]) -> pl.DataFrame:
    """Return one row per text with its counts, and whether it is of a dense script."""
    columns = [{**counts(texts), "dense": texts.is_dense} for texts in pieces(batch.column("text"))]
    if not columns:
        columns = [{**counts(Texts(())), "dense": np.zeros(0, np.bool_)}]
    return pl.DataFrame({name: np.concatenate([each[name] for each in columns]) for name in columns[0]})


def _quality_counts(texts: Texts) -> Mapping[str, Array]:
    """Return what Gopher's rules count in each text."""
    words = texts.words
    bits, chars = _word_bits(texts, words), words.chars
    is_word = bits & PLAIN != 0
    firsts = texts.codes[words.starts]
    dots = np.where(firsts == _DOT, chars // 3, firsts == _ELLIPSIS)
    bounds = np.searchsorted(words.starts, np.append(texts.starts, len(texts.codes)))
    return {
        "tokens": np.diff(bounds),
        "words": _sums(is_word, bounds),
        "chars": _sums(np.where(is_word, chars, 0), bounds),
        "letters": _sums(bits & LETTER != 0, bounds),
        "dots": _sums(dots, bounds),
        "hashes": _sums(firsts == _HASH, bounds),
        "stops": _stop_words(texts, words),
        **_line_marks(texts),
    }


def _word_bits(texts: Texts, words: Segments) -> npt.NDArray[np.uint8]:
    """Return the classes that occur in each word; an underscore alone is no word."""
    if not len(words.starts):
        return np.zeros(0, np.uint8)
    return np.bitwise_or.reduceat(texts.classes, words.starts)


def _stop_words(texts: Texts, words: Segments) -> Array:
    """Return the number of distinct stop words of each text."""
    firsts = np.minimum(texts.codes[words.starts], 0xFF)
    short = words.where((words.chars <= _STOP_WORD_CHARS) & _STOP_FIRSTS[firsts])
    keys = np.zeros(len(short.starts), np.uint32)
    for place in range(_STOP_WORD_CHARS):
        codes = texts.codes[np.minimum(short.starts + place, len(texts.codes) - 1)]
        keys |= np.where(place < short.chars, np.minimum(codes, 0xFF), 0).astype(np.uint32) << (8 * place)
    places = np.minimum(np.searchsorted(_STOP_KEYS, keys), len(_STOP_KEYS) - 1)
    is_stop = _STOP_KEYS[places] == keys
    occurs = np.zeros((texts.count, len(_STOP_KEYS)), np.bool_)
    occurs[short.rows[is_stop], places[is_stop]] = True
    distinct: Array = occurs.sum(axis=1)
    return distinct


def _line_marks(texts: Texts) -> Mapping[str, Array]:
    """Return the number of lines, and of those with a bullet at their start or an ellipsis at their end."""
    lines, solid, codes = texts.lines, texts.solid, texts.codes
    ends_in_line = (codes[np.maximum(texts.ends - 1, 0)] == ord("\n")) & (texts.chars > 0)
    first = np.searchsorted(solid, lines.starts)
    last = np.searchsorted(solid, lines.ends) - 1
    filled = first <= last
    rows, head, tail = lines.rows[filled], solid[first[filled]], solid[last[filled]]
    is_bullet = np.isin(codes[head], _BULLETS)
    is_dots = (codes[tail] == _DOT) & (codes[tail - 1] == _DOT) & (codes[tail - 2] == _DOT) & (tail >= 2)
    is_ellipsis = is_dots | (codes[tail] == _ELLIPSIS)
    return {
        "lines": np.bincount(lines.rows, minlength=texts.count) - ends_in_line,
        "bullets": np.bincount(rows[is_bullet], minlength=texts.count),
        "ellipses": np.bincount(rows[is_ellipsis], minlength=texts.count),
    }


def _line_counts(texts: Texts, short_line_chars: int) -> Mapping[str, Array]:
    """Return what FineWeb's rules count in each text."""
    lines = texts.lines.where(between(texts.solid, texts.lines.starts, texts.lines.ends) > 0)
    lengths = lines.chars
    for bit in (DENSE, IDEOGRAPH):
        if len(positions := texts.flagged(bit)):
            lengths = lengths + between(positions, lines.starts, lines.ends)
    repeated = np.where(is_first_distinct(texts.hashes(lines), lines.rows), 0, lines.chars)
    bounds = np.searchsorted(lines.starts, np.append(texts.starts, len(texts.codes)))
    breaks = np.bincount(texts.lines.rows, minlength=texts.count) - 1
    return {
        "lines": np.diff(bounds),
        "ends": _sums(texts.classes[lines.ends - 1] & TERMINAL != 0, bounds),
        "short": _sums(lengths <= short_line_chars, bounds),
        "repeated": _sums(repeated, bounds),
        "chars": texts.chars - breaks,
        "breaks": breaks,
        "words": texts.counts(texts.words.starts),
    }


def _sums(values: npt.NDArray[Any], bounds: Array) -> Array:
    """Return the sums of the values between bounds."""
    sums = np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
    differences: Array = sums[bounds[1:]] - sums[bounds[:-1]]
    return differences


def _removed(
    rows: pl.DataFrame, rules: Sequence[tuple[str, pl.Expr]], keep: pl.Expr | None = None
) -> StepResult:
    """Return the reason of the first rule that applies to each row; NaN and null apply to none."""
    reason: Any = pl.when(pl.lit(False) if keep is None else keep).then(pl.lit(None, pl.String))
    for name, applies in rules:
        reason = reason.when(applies.fill_null(False)).then(pl.lit(name))
    return StepResult(removed=array(rows.select(reason.otherwise(None)).to_series()))
