"""Plain texts as samples of pre-training: documents in a row, cut into blocks of equal length. It knows no torch.

A document begins as the tokenizer begins a text and ends with its end token. The next one follows at once, so that no
place is padded, and a document that is longer than a block goes on in the next: every token is learned once an epoch.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.tasks.kind import Record
from ratoon.tasks.records import prompt_text
from ratoon.tasks.text import is_encodable
from ratoon_training.domain.errors import DataEmpty, advice
from ratoon_training.domain.recipes import Recipe
from ratoon_training.domain.schedule import order_key
from ratoon_training.worker import spill
from ratoon_training.worker.conversations import plain_tokens
from ratoon_training.worker.part_files import PartWriter
from ratoon_training.worker.samples import Counts
from ratoon_training.worker.text import Speech

_MIN_BLOCK = 2
"""Tokens of the shortest block: nothing predicts the first."""
_COLUMNS = ("tokens", "targets", "offsets", "record_ids")
_SCHEMA = pa.schema({"key": pa.binary(), "tokens": pa.binary()})


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
    path: Path, speech: Speech, recipe: Recipe, rows: Iterable[tuple[str, Record]], part: str
) -> DocumentCounts:
    """Write the blocks of a part, (record id, record) each; DataEmpty if it has no text.

    Documents follow one another in an order of the seed, whatever order their sources had.
    """
    counts, size = DocumentCounts(), recipe.max_tokens
    with (
        TemporaryDirectory(prefix=".documents-", dir=path.parent) as folder,
        PartWriter(path, _COLUMNS) as file,
    ):
        ordered = spill.in_order(_documents(speech, recipe, rows, counts), _SCHEMA, Path(folder))
        for block in _blocks((np.frombuffer(tokens, dtype=np.int32) for _, tokens in ordered), size):
            file.add(f"{file.samples:09d}", block, targets=[True] * len(block))
        if not file.samples:
            raise DataEmpty(
                f"{recipe.objective} would learn nothing of the {part} part: none of its {counts.records:,} records "
                f"has a text. {advice('plain texts', part)}"
            )
        counts.units = file.samples
        counts.learned_tokens = file.tokens - counts.units
        counts.ends = {speech.end}
        file.save()
    return counts


def _blocks(documents: Iterable[npt.NDArray[np.int32]], size: int) -> Iterator[list[int]]:
    """Yield the tokens of documents in a row, `size` at a time; the last ones if they are a block."""
    block = list[int]()
    for document in documents:
        block += document.tolist()
        while len(block) >= size:
            yield block[:size]
            block = block[size:]
    if len(block) >= _MIN_BLOCK:
        yield block


def _documents(
    speech: Speech, recipe: Recipe, rows: Iterable[tuple[str, Record]], counts: DocumentCounts
) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and tokens of each document."""
    for record_id, record in rows:
        counts.records += 1
        text = "\n\n".join(filter(None, (prompt_text(record.turns), *record.answers[:1])))
        if not text.strip() or not is_encodable(text):
            counts.empty_documents += 1
            continue
        ids = plain_tokens(speech, text)
        counts.long_documents += len(ids) > recipe.max_tokens
        key = order_key(recipe.seed, 0, record_id) + record_id.encode()
        yield key, np.asarray(ids, dtype=np.int32).tobytes()
