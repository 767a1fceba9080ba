"""Predictions and wrong answers as parquet blobs. They hold no text: records are named by id and digest."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.process.errors import NotFound
from ratoon.storage.artifacts import ArtifactStore
from ratoon_evaluation.worker.parts import ATTRIBUTES, Part, write_table
from ratoon_evaluation.worker.scorer import Answers


def write_predictions(store: ArtifactStore, part: Part, labels: Sequence[str], answers: Answers) -> str:
    """Store a row a record, in the part's order; returns the blob's digest.

    Columns: record_id, label, predicted, correct, label_logprob (of the true label), nll, tokens, unfit, attributes,
    and label_logprobs (by label).
    """
    return write_table(store, _columns(part, labels, answers))


def read_predictions(store: ArtifactStore, digest: str, part: Part, labels: Sequence[str]) -> Answers | None:
    """Return the stored answers to a part; None if they are gone or incomplete."""
    try:
        table = pq.read_table(BytesIO(store.read(digest)))
    except (NotFound, pa.ArrowInvalid):
        return None
    if "unfit" not in table.column_names or tuple(table["record_id"].to_pylist()) != part.record_ids:
        return None
    by_label = [dict(row) for row in table["label_logprobs"].to_pylist()]
    return Answers(
        predicted=tuple(table["predicted"].to_pylist()),
        label_logprobs=np.array([[row[label] for label in labels] for row in by_label], dtype=np.float64),
        nll=table["nll"].to_numpy(),
        tokens=table["tokens"].to_numpy().astype(np.int64),
        unfit=np.array(table["unfit"].to_pylist(), dtype=np.bool_),
    )


def write_wrong(store: ArtifactStore, part: Part, labels: Sequence[str], answers: Answers) -> tuple[str, int]:
    """Store the rows answered wrongly, the surest first; returns the blob's digest and how many they are.

    Columns: record_id, content_digest, label, predicted, label_logprob, attributes.
    """
    truth = _logprob_of_truth(part, labels, answers)
    pairs = zip(part.labels, answers.predicted, strict=True)
    wrong = [row for row, (label, predicted) in enumerate(pairs) if label != predicted]
    wrong.sort(key=lambda row: (truth[row], part.record_ids[row]))
    columns = _columns(part, labels, answers) | {"content_digest": pa.array(part.content_digests)}
    names = ("record_id", "content_digest", "label", "predicted", "label_logprob", "attributes")
    rows = pa.array(wrong, pa.int64())
    return write_table(store, {name: columns[name].take(rows) for name in names}), len(wrong)


def _columns(part: Part, labels: Sequence[str], answers: Answers) -> dict[str, pa.Array]:
    by_label = [list(zip(labels, row, strict=True)) for row in answers.label_logprobs.tolist()]
    return {
        "record_id": pa.array(part.record_ids),
        "label": pa.array(part.labels),
        "predicted": pa.array(answers.predicted),
        "correct": pa.array([a == b for a, b in zip(part.labels, answers.predicted, strict=True)]),
        "label_logprob": pa.array(_logprob_of_truth(part, labels, answers)),
        "nll": pa.array(answers.nll),
        "tokens": pa.array(answers.tokens, pa.int32()),
        "unfit": pa.array(answers.unfit),
        "attributes": pa.array([list(row.items()) for row in part.attributes], ATTRIBUTES),
        "label_logprobs": pa.array(by_label, pa.map_(pa.string(), pa.float64())),
    }


def _logprob_of_truth(part: Part, labels: Sequence[str], answers: Answers) -> list[float]:
    columns = [list(labels).index(label) for label in part.labels]
    values: list[float] = answers.label_logprobs[np.arange(len(columns)), columns].tolist()
    return values
