"""Plain texts as samples of pre-training: documents in a row, cut into blocks of equal length. It knows no torch.

A document begins as the tokenizer begins a text and ends with its end token. The next one follows at once, so that no
place is padded, and a document that is longer than a block goes on in the next: every token is learned once an epoch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ratoon.tasks.kind import Record
from ratoon.tasks.records import prompt_text
from ratoon.tasks.text import is_encodable
from ratoon_training.domain.errors import DataEmpty, advice
from ratoon_training.domain.recipes import Recipe
from ratoon_training.domain.schedule import order_key
from ratoon_training.worker.conversations import plain_tokens
from ratoon_training.worker.samples import Counts
from ratoon_training.worker.text import Speech

_MIN_BLOCK = 2
"""Tokens of the shortest block: nothing predicts the first."""


@dataclass
class DocumentCounts(Counts):
    """Number of documents of a part by what became of them."""

    units: int = 0
    """Blocks that are learned."""
    empty_documents: int = 0
    """Records without a text. They are left out."""
    long_documents: int = 0
    """Documents that are longer than a block, and go on in the next ones."""


def save_documents(
    path: Path, speech: Speech, recipe: Recipe, rows: Sequence[tuple[str, Record]], part: str
) -> DocumentCounts:
    """Write the blocks of a part, (record id, record) each; DataEmpty if it has no text.

    Documents follow one another in an order of the seed, whatever order their sources had.
    """
    counts = DocumentCounts()
    ordered = sorted(rows, key=lambda row: (order_key(recipe.seed, 0, row[0]), row[0]))
    stream = np.asarray(list(_tokens(speech, recipe, ordered, counts)), dtype=np.int32)
    size = recipe.max_tokens
    offsets = [*range(0, len(stream), size), len(stream)]
    if len(offsets) > 1 and offsets[-1] - offsets[-2] < _MIN_BLOCK:
        offsets = offsets[:-1]
    if len(offsets) < 2:
        raise DataEmpty(
            f"{recipe.objective} would learn nothing of the {part} part: none of its {counts.records:,} records has a "
            f"text. {advice('plain texts', part)}"
        )
    stream = stream[: offsets[-1]]
    counts.units = len(offsets) - 1
    counts.learned_tokens = len(stream) - counts.units
    counts.ends = {speech.end}
    np.savez(
        path,
        tokens=stream,
        targets=np.ones(len(stream), dtype=np.bool_),
        offsets=np.asarray(offsets, dtype=np.int64),
        record_ids=np.asarray([f"{number:09d}" for number in range(counts.units)]),
    )
    return counts


def _tokens(
    speech: Speech, recipe: Recipe, rows: Sequence[tuple[str, Record]], counts: DocumentCounts
) -> Iterator[int]:
    for _, record in rows:
        counts.records += 1
        text = "\n\n".join(filter(None, (prompt_text(record.turns), *record.answers[:1])))
        if not text.strip() or not is_encodable(text):
            counts.empty_documents += 1
            continue
        ids = plain_tokens(speech, text)
        counts.long_documents += len(ids) > recipe.max_tokens
        yield from ids
