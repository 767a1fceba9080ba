"""Steps that change texts: broken encodings, normal forms, remains of HTML."""

import re
from typing import Any, Literal, cast

import ftfy
import polars as pl
import pyarrow as pa

from ratoon_ingestion.worker.markup import text_of
from ratoon_ingestion.worker.steps.result import StepResult

_FULL_WIDTH = [
    *map(chr, (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))),
    *"\u00a0\u2007\u202f\u3000",
]
_USUAL_WIDTH = [
    *map(chr, (*range(0x30, 0x3A), *range(0x41, 0x5B), *range(0x61, 0x7B))),
    *"    ",
]
_TAG = re.compile(
    r"</?(?:html|body|head|div|p|br|table|tr|td|span|ul|ol|li|h[1-6]|a|b|i|img|font)\b[^<>]*>", re.I
)
_MIN_TAGS = 2


def fix_text(
    batch: pa.RecordBatch, html_entities: bool, quotes: bool, ligatures: bool, width: bool
) -> StepResult:
    """Texts that were decoded by a wrong encoding, repaired by ftfy; entities of HTML outside of HTML.

    With `quotes`, `ligatures` and `width`, typographic quotes, Latin ligatures and full-width characters become plain.
    """
    config = ftfy.TextFixerConfig(
        unescape_html="auto" if html_entities else False,
        uncurl_quotes=quotes,
        fix_latin_ligatures=ligatures,
        fix_character_width=width,
        normalization=None,
        explain=False,
    )
    texts = [ftfy.fix_text(text, config) for text in batch.column("text").to_pylist()]
    return StepResult(texts=pa.array(texts, pa.string()))


def normalize(batch: pa.RecordBatch, form: str, width: bool, whitespace: bool) -> StepResult:
    """Unicode normal form, usual width of letters and digits, single spaces and at most one empty line."""
    text = series(batch)
    if form != "none":
        text = text.str.normalize(cast(Literal["NFC", "NFKC"], form))
    if width:
        text = _expression(text, pl.col("text").str.replace_many(_FULL_WIDTH, _USUAL_WIDTH))
    if whitespace:
        text = (
            text.str.replace_all("\r\n?|[\u2028\u2029\u0085\u000b\u000c]", "\n")
            .str.replace_all(r"[^\S\n]+", " ")
            .str.replace_all(" ?\n ?", "\n")
            .str.replace_all("\n{3,}", "\n\n")
            .str.strip_chars()
        )
    return StepResult(texts=array(text))


def html_boilerplate(batch: pa.RecordBatch) -> StepResult:
    """Main text of texts that hold HTML: at least two tags of a page."""
    texts = [
        text_of(text) if len(_TAG.findall(text)) >= _MIN_TAGS else None
        for text in batch.column("text").to_pylist()
    ]
    return StepResult(texts=pa.array(texts, pa.string()))


def series(batch: pa.RecordBatch) -> pl.Series:
    """Return the texts of a batch."""
    return pl.Series("text", batch.column("text").cast(pa.large_string()), pl.String)


def array(values: pl.Series) -> pa.Array:
    """Return texts or reasons as an Arrow array."""
    return values.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string())


def _expression(text: pl.Series, expression: Any) -> pl.Series:
    return text.to_frame("text").select(expression).to_series()
