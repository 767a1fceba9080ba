"""Filters of the large web corpora: Gopher (arXiv 2112.11446, A1), C4 (arXiv 1910.10683), FineWeb (arXiv 2406.17557).

They are for languages that put spaces between words; texts of dense scripts (Chinese, Thai, …) pass Gopher's filters
and FineWeb's rule for line breaks. Elsewhere two characters of a dense script count as a word, and a character of it
as several of an alphabet, as in the step `length`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from ratoon_ingestion.worker.steps.result import StepResult
from ratoon_ingestion.worker.steps.text import array, series

WORD = r"[\p{L}\p{M}\p{N}_]+(?:['’.\-/][\p{L}\p{M}\p{N}_]+)*|\.{2,}|-{2,}|[^\s\p{L}\p{M}\p{N}_]"
"""Words, and punctuation marks as words of their own."""
_DENSE_RANGES = (
    r"\x{0e00}-\x{0eff}\x{1000}-\x{109f}\x{1780}-\x{17ff}\x{2e80}-\x{9fff}"
    r"\x{f900}-\x{faff}\x{20000}-\x{3ffff}"
)
_DENSE = f"[{_DENSE_RANGES}]"
_IDEOGRAPH = r"[\x{3400}-\x{9fff}\x{f900}-\x{faff}\x{20000}-\x{3ffff}]"
_LATIN_WORD = rf"[^\s{_DENSE_RANGES}]+"
_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_SENTENCE_END = r"[\p{Sentence_Terminal}][\"'”’»)\]]*(?:\s|$)|[。！？]|[^\s]$"
_TERMINAL = r"\p{Sentence_Terminal}$"
_CITATION = r"\[\d*\]|\[edit\]|\[citation needed\]"
_POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)

Counts = npt.NDArray[np.int64]


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
    frame = series(batch).to_frame("text").with_row_index("row")
    text = pl.col("text")
    words = _words(frame)
    is_word = pl.col("word").str.contains(r"[^\p{P}\p{S}]")
    counts = words.group_by("row").agg(
        tokens=pl.len(),
        words=is_word.sum(),
        chars=pl.col("word").str.len_chars().filter(is_word).sum(),
        letters=pl.col("word").str.contains(r"\p{L}").sum(),
        stops=pl.col("word").filter(pl.col("word").is_in(_STOP_WORDS)).n_unique(),
    )
    body = text.str.strip_suffix("\n")
    rows = frame.join(counts, on="row", how="left", maintain_order="left").with_columns(
        pl.col("tokens", "words", "chars", "letters", "stops").fill_null(0),
        lines=body.str.count_matches("\n") + 1,
        bullets=body.str.count_matches(r"(?m)^[^\S\n]*[•\-]"),
        ellipses=body.str.count_matches(r"(?m)(?:\.\.\.|…)[^\S\n]*$"),
        hashes=text.str.count_matches("#", literal=True),
        dots=text.str.count_matches(r"\.\.\.|…"),
        dense=_is_dense(text),
    )
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
    frame = series(batch).to_frame("text").with_row_index("row")
    text = pl.col("text")
    paragraphs = text.str.strip_chars().str.replace_all(r"\n{2,}", "\x1e").str.split("\x1e")
    lines = text.str.replace_all(r"\n+", "\n").str.split("\n")
    rows = frame.with_columns(chars=text.str.len_chars(), dense=_is_dense(text))
    rows = _with_duplicates(rows, paragraphs, "paragraph")
    rows = _with_duplicates(rows, lines, "line")
    words = _Words(_words(frame), frame.height)
    chars = np.maximum(rows["chars"].to_numpy(), 1)
    decided = rows["dense"].to_numpy().copy()
    each, rules = pl.col, []
    for size in (2, 3, 4):
        rows = rows.with_columns(pl.Series(f"top_{size}", words.top(size) / chars))
        rules.append(
            (f"GOPHER_TOP_{size}_GRAM", each(f"top_{size}") > gram_shares[f"max_top_{size}_gram_share"])
        )
    for size in range(5, 11):
        limit = gram_shares[f"max_duplicate_{size}_gram_share"]
        limits = np.where(decided, np.inf, limit * chars)
        share = words.repeated(size, limits) / chars
        decided |= share > limit
        rows = rows.with_columns(pl.Series(f"repeated_{size}", share))
        rules.append((f"GOPHER_DUPLICATE_{size}_GRAMS", each(f"repeated_{size}") > limit))
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
    frame = series(batch).to_frame("text").with_row_index("row")
    line = pl.col("line")
    lines = frame.select("row", line=pl.col("text").str.split("\n")).explode("line")
    lines = lines.with_columns(line=line.str.strip_chars())
    is_dense = _holds_dense(frame)
    word = _LATIN_WORD if is_dense else r"\S+"
    if max_word_chars < 10_000:
        lines = lines.filter(~line.str.contains(rf"{word[:-1]}{{{max_word_chars + 1}}}"))
    words = line.str.count_matches(word)
    words = words + line.str.count_matches(_DENSE) / 2 if is_dense else words
    lines = lines.filter(words >= min_words_per_line)
    lines = lines.with_columns(line=line.str.replace_all(_CITATION, ""))
    if end_punctuation:
        lines = lines.filter(line.str.contains(r"[.?!\"'。？！”’…」』]$") & ~line.str.ends_with("..."))
    lines = lines.with_columns(lower=line.str.to_lowercase())
    lower = pl.col("lower")
    is_content = ~lower.str.contains("javascript", literal=True) & ~lower.str.contains_any(list(_POLICIES))
    texts = lines.group_by("row", maintain_order=True).agg(
        filler=lower.str.contains("lorem ipsum", literal=True).any(),
        code=line.str.contains("{", literal=True).any(),
        content=line.filter(is_content).str.join("\n"),
        sentences=line.filter(is_content).str.count_matches(_SENTENCE_END).sum(),
    )
    rows = frame.join(texts, on="row", how="left", maintain_order="left")
    removed = _removed(
        rows,
        (
            ("C4_LOREM_IPSUM", pl.col("filler")),
            ("C4_CURLY_BRACKET", pl.col("code")),
            ("C4_FEW_SENTENCES", pl.col("sentences").fill_null(0) < min_sentences),
        ),
    )
    return StepResult(array(rows["content"].str.strip_chars()), removed.removed)


def fineweb(
    batch: pa.RecordBatch,
    min_end_punctuation_share: float,
    short_line_chars: int,
    max_short_line_share: float,
    max_duplicate_char_share: float,
    max_line_breaks_per_word: float,
) -> StepResult:
    """Remove texts by the share of lines that end a sentence, are short or repeated, and by line breaks a word."""
    frame = series(batch).to_frame("text").with_row_index("row")
    text, line = pl.col("text"), pl.col("line")
    lines = frame.select("row", line=text.str.split("\n")).explode("line").filter(line.str.contains(r"\S"))
    counts = lines.group_by("row").agg(
        lines=pl.len(),
        ends=line.str.contains(_TERMINAL).sum(),
        short=(_length(line, _holds_dense(frame)) <= short_line_chars).sum(),
        repeated=line.str.len_chars().filter(~line.is_first_distinct()).sum(),
    )
    rows = frame.join(counts, on="row", how="left", maintain_order="left").with_columns(
        chars=text.str.replace_all("\n", "", literal=True).str.len_chars(),
        breaks=text.str.count_matches("\n", literal=True),
        words=text.str.count_matches(WORD),
        dense=_is_dense(text),
    )
    each = pl.col
    return _removed(
        rows,
        (
            ("FINEWEB_NO_LINES", each("lines").is_null()),
            ("FINEWEB_LINE_ENDS", each("ends") / each("lines") < min_end_punctuation_share),
            ("FINEWEB_SHORT_LINES", each("short") / each("lines") > max_short_line_share),
            ("FINEWEB_DUPLICATE_LINES", each("repeated") / each("chars") > max_duplicate_char_share),
            (
                "FINEWEB_LINE_BREAKS",
                ~each("dense") & (each("breaks") / each("words") > max_line_breaks_per_word),
            ),
        ),
    )


def _words(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row a word, with the row of its text."""
    words = frame.select("row", word=pl.col("text").str.extract_all(WORD))
    return words.explode("word").drop_nulls("word")


def _holds_dense(frame: pl.DataFrame) -> bool:
    """Return whether any text of a batch holds a character of a dense script."""
    return bool(frame["text"].str.contains(_DENSE).any())


def _length(text: pl.Expr, is_dense: bool) -> pl.Expr:
    """Return characters, of dense scripts two for one and of ideographs three, as `words.length_of` has it."""
    chars = text.str.len_chars()
    return chars + text.str.count_matches(_DENSE) + text.str.count_matches(_IDEOGRAPH) if is_dense else chars


def _is_dense(text: pl.Expr) -> pl.Expr:
    """Return whether a third or more of the characters of a text are of scripts without spaces between words."""
    return text.str.count_matches(_DENSE) * 3 >= text.str.count_matches(r"\S").clip(1)


def _removed(
    rows: pl.DataFrame, rules: Sequence[tuple[str, pl.Expr]], keep: pl.Expr | None = None
) -> StepResult:
    """Return the reason of the first rule that applies to each row; NaN and null apply to none."""
    reason: Any = pl.when(pl.lit(False) if keep is None else keep).then(pl.lit(None, pl.String))
    for name, applies in rules:
        reason = reason.when(applies.fill_null(False)).then(pl.lit(name))
    return StepResult(removed=array(rows.select(reason.otherwise(None)).to_series()))


def _with_duplicates(rows: pl.DataFrame, parts: pl.Expr, name: str) -> pl.DataFrame:
    """Add the share of parts that occurred before in their text, and the number of their characters."""
    part = pl.col("part")
    repeated = ~part.is_first_distinct()
    counts = (
        rows.select("row", part=parts)
        .explode("part")
        .group_by("row")
        .agg(
            repeated.mean().alias(f"{name}_share"),
            part.str.len_chars().filter(repeated).sum().alias(f"{name}_chars"),
        )
    )
    return rows.join(counts, on="row", how="left", maintain_order="left")


class _Words:
    """Words of all texts of a batch as hashes, for sequences of words."""

    def __init__(self, words: pl.DataFrame, texts: int) -> None:
        self.texts = texts
        self.text = words["row"].to_numpy().astype(np.int64)
        self.words = words["word"]
        self.hashes = words["word"].hash(1).to_numpy()
        self.chars = words["word"].str.len_chars().to_numpy().astype(np.int64)
        self.ends = np.concatenate(([0], np.cumsum(self.chars)))
        self.bounds = np.searchsorted(self.text, np.arange(texts + 1))

    def top(self, size: int) -> Counts:
        """Return the characters of the most frequent sequence of each text, spaces included; 0 if none repeats."""
        grams, starts = self._grams(size)
        result = np.zeros(self.texts, np.int64)
        frame = pl.DataFrame({"text": self.text[starts], "gram": grams, "start": starts})
        top = (
            frame.filter(pl.col("gram").is_duplicated())
            .group_by("gram")
            .agg(count=pl.len(), start=pl.col("start").min(), text=pl.col("text").first())
            .sort("count", "start", descending=[True, False])
            .group_by("text", maintain_order=True)
            .first()
        )
        start = top["start"].to_numpy()
        chars = self.ends[start + size] - self.ends[start] + size - 1
        result[top["text"].to_numpy()] = chars * top["count"].to_numpy()
        return result

    def repeated(self, size: int, limits: npt.NDArray[np.float64]) -> Counts:
        """Return the characters of each text in sequences that occurred before; 0 where they are within the limit."""
        grams, starts = self._grams(size)
        again = starts[~pl.Series(grams).is_first_distinct().to_numpy()]
        cover = np.zeros(len(self.hashes) + 1, np.int64)
        np.add.at(cover, again, 1)
        np.add.at(cover, again + size, -1)
        inside = np.cumsum(cover)[:-1] > 0
        bound = np.bincount(self.text, weights=self.chars * inside, minlength=self.texts)
        result = np.zeros(self.texts, np.int64)
        for text in np.flatnonzero(bound > limits):
            result[text] = self._repeated_in(slice(self.bounds[text], self.bounds[text + 1]), size)
        return result

    def _repeated_in(self, place: slice, size: int) -> int:
        """Return the characters of one text in sequences that occurred before, each word counted once."""
        words = self.words[place].to_list()
        seen: set[tuple[str, ...]] = set()
        chars = start = 0
        while start <= len(words) - size:
            gram = tuple(words[start : start + size])
            if gram in seen:
                chars += sum(map(len, gram))
                start += size
            else:
                seen.add(gram)
                start += 1
        return chars

    def _grams(self, size: int) -> tuple[npt.NDArray[np.uint64], Counts]:
        """Return the hashes of all sequences within one text, different for each text, and where they start."""
        count = max(len(self.hashes) - size + 1, 0)
        grams = np.zeros(count, np.uint64)
        with np.errstate(over="ignore"):
            for offset in range(size):
                grams = grams * np.uint64(0x9E3779B97F4A7C15) + self.hashes[offset : offset + count]
            grams ^= grams >> np.uint64(31)
            grams *= np.uint64(0xBF58476D1CE4E5B9)
        starts = np.flatnonzero(self.text[:count] == self.text[size - 1 : size - 1 + count])
        with np.errstate(over="ignore"):
            of_text = self.text[starts].astype(np.uint64) * np.uint64(0xD6E8FEB86659FD93)
        return grams[starts] ^ of_text, starts
