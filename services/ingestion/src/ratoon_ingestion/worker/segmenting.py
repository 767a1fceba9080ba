"""The step `segment`: long texts become several records, each traced to its text."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from ratoon.tasks.curation import SEGMENT, settings_of
from ratoon_ingestion.domain.conversations import SEGMENT_OF
from ratoon_ingestion.domain.curation import CurationStep, Rejected
from ratoon_ingestion.worker.batches import (
    Outcome,
    Verdict,
    partition,
    values,
    with_attributes,
    with_columns,
    with_steps,
)
from ratoon_ingestion.worker.steps.registry import directory_of
from ratoon_ingestion.worker.steps.segments import windows
from ratoon_ingestion.worker.steps.tokens import token_starts

if TYPE_CHECKING:
    from ratoon_ingestion.worker.stages import StageSettings


def segment(batch: pa.RecordBatch, settings: "StageSettings") -> Outcome:
    """Cut long texts into windows. Each has a record ID of its own, and that of the text in the attribute `segment_of`.

    Conversations stay whole. A text is rejected if one of its windows was erased.
    """
    params = settings_of(next(step for step in settings.config.steps if step.name == SEGMENT))
    texts, ids = values(batch, "text"), values(batch, "record_id")
    whole = [example is not None for example in values(batch, "example")]
    starts = token_starts(texts, directory_of(SEGMENT, settings.models))
    pieces = [
        [text]
        if is_whole
        else windows(text, each, params["max_tokens"], params["overlap"], params["unit"] == "sentences")
        for text, each, is_whole in zip(texts, starts, whole, strict=True)
    ]
    names = [
        [segment_id(settings.key, parent, number) for number in range(len(each))] if len(each) > 1 else []
        for parent, each in zip(ids, pieces, strict=True)
    ]
    erased: list[Verdict] = [
        (Rejected.ERASED, "") if settings.excluded.intersection(each) else None for each in names
    ]
    retained = partition(batch, CurationStep.ERASURE, erased)
    rows = [row for row, verdict in enumerate(erased) if verdict is None]
    cut = _segmented(retained.accepted, [pieces[row] for row in rows], [names[row] for row in rows])
    segmented = [len(names[row]) for row in rows if names[row]]
    counts = {"segmented": len(segmented), "segments": sum(segmented)} if segmented else {}
    return Outcome(cut, retained.rejected, counts)


def segment_id(key: bytes, parent: str, number: int) -> str:
    """Return the record ID of a segment, from that of its text."""
    return hmac.new(key, f"{parent}:segment:{number}".encode(), hashlib.sha256).hexdigest()


def _segmented(
    batch: pa.RecordBatch, pieces: Sequence[Sequence[str]], names: Sequence[Sequence[str]]
) -> pa.RecordBatch:
    """Return the batch with a row for each piece; rows without names stay as they are."""
    rows = [row for row, each in enumerate(pieces) for _ in each]
    result = batch.take(pa.array(rows, pa.int64()))
    parents = values(batch, "record_id")
    attributes = [
        {SEGMENT_OF: parents[row], SEGMENT: f"{number} of {len(each)}"} if each else {}
        for row, each in enumerate(names)
        for number in range(1, max(len(each), 1) + 1)
    ]
    return with_steps(
        with_attributes(
            with_columns(
                result,
                {
                    "text": pa.array([piece for each in pieces for piece in each], pa.string()),
                    "record_id": pa.array(
                        [name for row, each in enumerate(names) for name in each or (parents[row],)],
                        pa.string(),
                    ),
                },
            ),
            attributes,
        ),
        [[SEGMENT] if each else [] for each in attributes],
    )
