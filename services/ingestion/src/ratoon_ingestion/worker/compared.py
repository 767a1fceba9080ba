"""Steps that compare all records of a version: repeated substrings, texts of the same meaning.

They run after the last batch and before the search for exact and near duplicates, over the Arrow file of curated
records. What stays does not depend on the order in which records were read: the first of several by label, content and
ID does.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from ratoon.tasks.curation import SEMANTIC_DUPLICATES, SUBSTRING_DUPLICATES, Step, settings_of
from ratoon_ingestion.worker.batches import (
    CURATED,
    REJECTED,
    Verdict,
    partition,
    values,
    with_columns,
    with_steps,
)
from ratoon_ingestion.worker.embeddings import alike, embedded
from ratoon_ingestion.worker.normalise import comparable
from ratoon_ingestion.worker.stages import StageSettings, drop_short, measure
from ratoon_ingestion.worker.steps.apply import EXAMPLES, Change, Report
from ratoon_ingestion.worker.steps.substrings import repeated_spans, without_spans

MAX_CHARS = 1 << 31
"""Number of characters of a version that are searched for substrings."""
MAX_EMBEDDED = 200_000
"""Number of records of a version that are compared by meaning."""


class TooManyRecords(Exception):
    """A version is too large for a step that holds all of it in memory."""

    code, reason = "FAILED_PRECONDITION", "TOO_MANY_RECORDS"


def curated_table(path: Path) -> pa.Table:
    """Return the curated records of a file, mapped into memory."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def compared(
    path: Path, settings: StageSettings, reports: Sequence[Report], embedding_model: str
) -> tuple[Path, pa.Table]:
    """Run the steps over a file of curated records; returns the file of those that stay, and the rejections.

    What a step did is added to its report. `embedding_model`: the directory of the operator's model; empty for none.
    """
    rejected = [REJECTED.empty_table()]
    steps = [step for step in settings.config.steps if step.name in _STEPS]
    for number, step in enumerate(steps):
        began = time.perf_counter()
        report = next(each for each in reports if each.name == step.name)
        table = curated_table(path)
        edits = _STEPS[step.name](table, step, embedding_model)
        path = path.with_name(f"compared-{number}.arrow")
        rejected.append(_write(path, table, edits, step, settings, report))
        report.seconds += time.perf_counter() - began
    return path, pa.concat_tables(rejected)


Edits = tuple[Mapping[int, str], Mapping[int, tuple[str, str]]]
"""New texts by row, and reasons with details for which rows go."""


def _write(
    path: Path, table: pa.Table, edits: Edits, step: Step, settings: StageSettings, report: Report
) -> pa.Table:
    """Write the records that stay; those with new texts are measured again."""
    texts, gone = edits
    rejected: list[pa.RecordBatch] = []
    start = 0
    with pa.ipc.new_file(str(path), CURATED) as sink:
        for batch in table.to_batches():
            rows = range(start, start + batch.num_rows)
            start += batch.num_rows
            _report(report, batch, [(row - rows.start, texts[row]) for row in rows if row in texts])
            verdicts: list[Verdict] = [gone.get(row) for row in rows]
            changed = [row in texts for row in rows]
            if any(changed):
                edited = with_columns(
                    batch,
                    {
                        "text": pa.array(
                            [
                                texts.get(row, text)
                                for row, text in zip(rows, values(batch, "text"), strict=True)
                            ],
                            pa.string(),
                        )
                    },
                )
                batch = with_steps(edited, [[step.name] if each else [] for each in changed])
            outcome = partition(batch, step.name, verdicts)
            rejected.append(outcome.rejected)
            batch = outcome.accepted
            if any(changed):
                again = pa.array(
                    [each for each, verdict in zip(changed, verdicts, strict=True) if verdict is None],
                    pa.bool_(),
                )
                short = drop_short(batch.filter(again), settings)
                rejected.append(short.rejected)
                sink.write_batch(
                    measure(short.accepted, settings).accepted.select(CURATED.names).cast(CURATED)
                )
                batch = batch.filter(pc.invert(again))
            sink.write_batch(batch.select(CURATED.names))
    result = pa.Table.from_batches(rejected, schema=REJECTED)
    report.removed.update(reason for reason, _ in gone.values())
    report.removed_examples = values(result, "record_id")[:EXAMPLES]
    return result


def _report(report: Report, batch: pa.RecordBatch, changes: Iterable[tuple[int, str]]) -> None:
    for place, after in changes:
        report.changed += 1
        if len(report.changes) < EXAMPLES:
            record_id, path, before = (
                batch.column(name)[place].as_py() for name in ("record_id", "source_path", "text")
            )
            report.changes.append(Change(record_id, path, before, after))


def _substrings(table: pa.Table, step: Step, _: str) -> Edits:
    """Cut what stands in an earlier text, or remove texts that mostly do. Conversations are left out."""
    params, rows = settings_of(step), _texts_in_order(table)
    total = pc.sum(pc.utf8_length(table.column("text"))).as_py() or 0
    if total > MAX_CHARS:
        raise TooManyRecords(
            f"The version has {total:,} characters; the step {step.name} takes up to {MAX_CHARS:,}. Build smaller "
            "versions and mix them, or leave the step out."
        )
    column = table.column("text")
    texts = [column[row].as_py() for row in rows]
    edits: dict[int, str] = {}
    gone: dict[int, tuple[str, str]] = {}
    for row, text, spans in zip(rows, texts, repeated_spans(texts, params["min_chars"]), strict=True):
        share = sum(end - start for start, end in spans) / max(len(text), 1)
        left = without_spans(text, spans) if spans else text
        if params["action"] == "cut" and spans and comparable(left):
            edits[row] = left
        elif spans and (params["action"] == "cut" or share >= params["max_share"]):
            gone[row] = ("SUBSTRING_DUPLICATE", f"{share:.0%} of the text")
    return edits, gone


def _meanings(table: pa.Table, step: Step, embedding_model: str) -> Edits:
    """Remove texts whose embedding is close to that of one with the same label that stays. Conversations stay."""
    rows = _texts_in_order(table)
    if len(rows) > MAX_EMBEDDED:
        raise TooManyRecords(
            f"The version has {len(rows):,} texts; the step {step.name} takes up to {MAX_EMBEDDED:,}. Build smaller "
            "versions and mix them, or leave the step out."
        )
    column, labels, ids = (table.column(name) for name in ("text", "source_label", "record_id"))
    vectors = embedded([column[row].as_py() for row in rows], Path(embedding_model))
    groups: dict[Any, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        groups[labels[row].as_py()].append(place)
    gone: dict[int, tuple[str, str]] = {}
    for places in groups.values():
        for place, (stays, similarity) in alike(vectors[places], settings_of(step)["threshold"]).items():
            record_id = ids[rows[places[stays]]].as_py()
            gone[rows[places[place]]] = ("SEMANTIC_DUPLICATE", f"stays: {record_id}, cosine {similarity:.3f}")
    return {}, gone


def _texts_in_order(table: pa.Table) -> list[int]:
    """Return the rows that are no conversations, in an order of their own; labelled ones are first."""
    names = ("content_digest", "record_id", "source_label", "source", "source_path", "example")
    columns = {name: table.column(name).to_pylist() for name in names}

    def key(row: int) -> tuple[Any, ...]:
        label = columns["source_label"][row]
        return (label is None, *(columns[name][row] or "" for name in names[:5]))

    return sorted((row for row in range(table.num_rows) if columns["example"][row] is None), key=key)


_STEPS: Mapping[str, Callable[[pa.Table, Step, str], Edits]] = {
    SUBSTRING_DUPLICATES: _substrings,
    SEMANTIC_DUPLICATES: _meanings,
}
