"""Generated answers and wrong ones as parquet blobs.

Records are named by id and digest. Prompts and right answers are not repeated: only the part holds them, from which
they can be erased. The blob of the answers names the settings they were made with, so that answers of other settings
are never taken for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.process.errors import NotFound
from ratoon.storage.artifacts import ArtifactStore
from ratoon_evaluation.worker.generator import Completions
from ratoon_evaluation.worker.parts import ATTRIBUTES, Part, write_table

_SETTINGS = b"ratoon.answer_settings"


def write_answers(store: ArtifactStore, part: Part, answers: Completions, settings: str) -> str:
    """Store a row a record, in the part's order; returns the blob's digest.

    Columns: record_id, predicted, tokens, finish, nll, nll_tokens, unfit, attributes.
    """
    columns = {
        "record_id": pa.array(part.record_ids),
        "predicted": pa.array(answers.texts),
        "tokens": pa.array(answers.tokens, pa.int32()),
        "finish": pa.array(answers.finish),
        "nll": pa.array(answers.nll),
        "nll_tokens": pa.array(answers.nll_tokens, pa.int32()),
        "unfit": pa.array(answers.unfit),
        "attributes": pa.array([list(row.items()) for row in part.attributes], ATTRIBUTES),
    }
    return write_table(store, columns, {_SETTINGS: settings.encode()})


def read_answers(store: ArtifactStore, digest: str, part: Part, settings: str) -> Completions | None:
    """Return the stored answers to a part; None if they are gone, incomplete, or of other settings."""
    try:
        table = pq.read_table(BytesIO(store.read(digest)))
    except (NotFound, pa.ArrowInvalid):
        return None
    if (table.schema.metadata or {}).get(_SETTINGS) != settings.encode():
        return None
    if tuple(table["record_id"].to_pylist()) != part.record_ids:
        return None
    return Completions(
        texts=tuple(table["predicted"].to_pylist()),
        tokens=table["tokens"].to_numpy().astype(np.int64),
        finish=tuple(table["finish"].to_pylist()),
        nll=table["nll"].to_numpy(),
        nll_tokens=table["nll_tokens"].to_numpy().astype(np.int64),
    )


def write_wrong(
    store: ArtifactStore,
    part: Part,
    answers: Sequence[str],
    reference: Sequence[str] | None,
    rows: Sequence[int],
    scores: Sequence[float | None],
) -> str:
    """Store these rows in this order; returns the blob's digest.

    Columns: record_id, content_digest, predicted, reference_predicted (null without a reference model), score
    (of the primary metric; null where one record has none), attributes.
    """
    taken = pa.array(rows, pa.int64())
    columns = {
        "record_id": pa.array(part.record_ids),
        "content_digest": pa.array(part.content_digests),
        "predicted": pa.array(answers),
        "reference_predicted": pa.array([None] * len(part) if reference is None else reference, pa.string()),
        "score": pa.array(scores, pa.float64()),
        "attributes": pa.array([list(row.items()) for row in part.attributes], ATTRIBUTES),
    }
    return write_table(store, {name: column.take(taken) for name, column in columns.items()})
