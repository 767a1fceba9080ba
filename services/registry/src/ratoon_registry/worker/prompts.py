"""The texts of golden prompts. They come from a validation part, or are built-in sentences."""

from __future__ import annotations

from io import BytesIO

import pyarrow.parquet as pq

from ratoon.storage.artifacts import ArtifactStore

SENTENCES = (
    "The meeting moves to Monday at ten; please bring the notes of the last review.",
    "Subject: your order has been shipped and will arrive within three days.",
    "Click here now to claim the prize that is waiting for you.",
    "The new release fixes a leak in the parser and updates the documentation.",
    "Dear customer, we could not process the payment for your subscription.",
    "Does anybody know how to mount this volume after the upgrade?",
    "Limited offer: buy two and get the third for free until midnight.",
    "I read the article that you sent; the second chart does not add up.",
)
"""Texts to use where no source of texts is configured."""


def read_texts(store: ArtifactStore, digest: str) -> list[str]:
    """Texts in the source's order, those without letters left out; the built-in ones without a source."""
    if not digest:
        return list(SENTENCES)
    table = pq.read_table(BytesIO(store.read(digest)), columns=["text"])
    texts = [text for text in table.column("text").to_pylist() if text and any(map(str.isalpha, text))]
    return texts or list(SENTENCES)
