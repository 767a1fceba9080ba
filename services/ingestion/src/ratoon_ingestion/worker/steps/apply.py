"""How a step is applied to a batch of records: texts of conversations, records on which it fails, its report."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.tasks.curation import Step
from ratoon.tasks.kind import Record
from ratoon.tasks.records import from_json
from ratoon_ingestion.domain.conversations import changed, wording
from ratoon_ingestion.worker.batches import (
    ATTRIBUTES,
    Outcome,
    Verdict,
    partition,
    values,
    with_attributes,
    with_columns,
    with_steps,
)
from ratoon_ingestion.worker.rows import records_of, with_records, without_text
from ratoon_ingestion.worker.steps.registry import function_of
from ratoon_ingestion.worker.steps.result import StepResult

STEP_FAILED = "STEP_FAILED"
EXAMPLES = 10
_MIN_OF_LANGUAGE, _NEARLY_ALL = 20, 0.95
"""Records of a language from which, and share of them above which, a step removes nearly all of it."""
_ROW = "row"
_VIEW = pa.schema(
    {
        "text": pa.string(),
        "source_path": pa.string(),
        "source_label": pa.string(),
        "licence": pa.string(),
        "language": pa.string(),
        "attributes": ATTRIBUTES,
    }
)

Apply = Callable[[pa.RecordBatch], StepResult]


@dataclass(frozen=True)
class Change:
    """One record before and after a step."""

    record_id: str
    source_path: str
    before: str
    after: str


@dataclass
class Report:
    """What a step did to records: how many it received, changed and removed, ten examples of each, and seconds."""

    name: str
    received: int = 0
    changed: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    changes: list[Change] = field(default_factory=list)
    removed_examples: list[str] = field(default_factory=list)
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    """Records received by language, as far as it is known by then."""
    removed_languages: Counter[str] = field(default_factory=Counter)

    @property
    def stated_counts(self) -> dict[str, int]:
        """Return what the step counted, and the records that it removed by language, nearly all of it or not."""
        removed = {f"removed.{language}": count for language, count in self.removed_languages.items()}
        nearly_all = {
            f"removed_nearly_all.{language}": count
            for language, count in self.removed_languages.items()
            if self.languages[language] >= _MIN_OF_LANGUAGE and count > _NEARLY_ALL * self.languages[language]
        }
        return dict(sorted({**self.counts, **removed, **nearly_all}.items()))

    def add(self, other: "Report") -> None:
        """Add what the step did to a later batch."""
        self.received += other.received
        self.changed += other.changed
        self.removed.update(other.removed)
        self.changes = (self.changes + other.changes)[:EXAMPLES]
        self.removed_examples = (self.removed_examples + other.removed_examples)[:EXAMPLES]
        self.seconds += other.seconds
        self.counts.update(other.counts)
        self.languages.update(other.languages)
        self.removed_languages.update(other.removed_languages)


def reported(
    name: str, batch: pa.RecordBatch, stage: Callable[[pa.RecordBatch], Outcome]
) -> tuple[Outcome, Report]:
    """Return the outcome of a stage and its report."""
    numbered = with_columns(batch, {_ROW: pa.array(range(batch.num_rows), pa.int64())})
    began = time.perf_counter()
    outcome = stage(numbered)
    report = Report(name, batch.num_rows, seconds=time.perf_counter() - began)
    report.removed.update(values(outcome.rejected, "reason"))
    report.counts.update(outcome.counts)
    report.removed_examples = values(outcome.rejected.slice(0, EXAMPLES), "record_id")
    report.languages = _languages(batch)
    if outcome.rejected.num_rows:
        report.removed_languages = report.languages - _languages(outcome.accepted)
    if outcome.changes_texts:
        _add_changes(report, batch.take(outcome.accepted.column(_ROW)), outcome.accepted)
    return Outcome(outcome.accepted.drop_columns([_ROW]), outcome.rejected), report


def _add_changes(report: Report, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
    """Add the number of rows whose text or conversation differs, and examples of them."""
    places = _differing(before, after)
    report.changed = len({after.column(_ROW)[place].as_py() for place in places})
    report.changes = [
        Change(
            record_id=before.column("record_id")[place].as_py(),
            source_path=before.column("source_path")[place].as_py(),
            before=_shown(before, place),
            after=_shown(after, place),
        )
        for place in places[:EXAMPLES]
    ]


def _languages(batch: pa.RecordBatch) -> Counter[str]:
    """Return the number of records by language; none before the step that finds it."""
    if "language" not in batch.schema.names:
        return Counter()
    pairs = pc.value_counts(batch.column("language").drop_null()).to_pylist()
    return Counter({pair["values"]: pair["counts"] for pair in pairs})


def run_step(step: Step, batch: pa.RecordBatch, models: str = "") -> Outcome:
    """Apply a step. Records on which it raises are rejected as STEP_FAILED; the others are not affected.

    `models`: the directory with what steps prepared.
    """
    function, records = function_of(step, models), records_of(batch)
    result, failures = _isolated(function, _view(batch, _wordings(batch, records)))
    reasons = [None] * batch.num_rows if result.removed is None else result.removed.to_pylist()
    verdicts: list[Verdict] = [
        (STEP_FAILED, failures[row]) if row in failures else (reason, "") if reason else None
        for row, reason in enumerate(reasons)
    ]
    if result.texts is not None:
        texts = values(batch, "text")
        rows = _changed_rows(function, texts, records, result.texts.to_pylist(), failures)
        old = [text if record is None else record for record, text in zip(records, texts, strict=True)]
        names = [[step.name] if after != before else [] for after, before in zip(rows, old, strict=True)]
        batch = with_steps(with_records(batch, rows), names)
        verdicts = [
            verdict or (STEP_FAILED, failures[row]) if row in failures else verdict or empty
            for row, (verdict, empty) in enumerate(zip(verdicts, without_text(batch), strict=True))
        ]
    if result.attributes is not None:
        batch = with_attributes(batch, [dict(row or ()) for row in result.attributes.to_pylist()])
    outcome = partition(batch, step.name, verdicts)
    return replace(outcome, counts=result.counts, changes_texts=result.texts is not None)


def _wordings(batch: pa.RecordBatch, records: list[Record | None]) -> pa.Array:
    """Return the texts of a batch, with all messages and answers of its records."""
    texts = batch.column("text")
    if batch.column("example").null_count == batch.num_rows:
        return texts
    rows = zip(texts.to_pylist(), records, strict=True)
    return pa.array([text if record is None else all_texts(record) for text, record in rows], pa.string())


def _changed_rows(
    function: Apply,
    texts: list[str],
    records: list[Record | None],
    new: list[str | None],
    failures: dict[int, str],
) -> list[str | Record]:
    """Return new texts, and records with each of their texts changed; adds rows whose texts fail to `failures`."""
    pieces = {row: pieces_of(record) for row, record in enumerate(records) if record is not None}
    distinct = list(dict.fromkeys(piece for each in pieces.values() for piece in each))
    result, failed = (
        _isolated(function, _view(None, pa.array(distinct, pa.string()))) if distinct else (StepResult(), {})
    )
    changed_pieces = distinct if result.texts is None else result.texts.to_pylist()
    by_text = {old: old if text is None else text for old, text in zip(distinct, changed_pieces, strict=True)}
    broken = {distinct[place]: error for place, error in failed.items()}
    for row, each in pieces.items():
        if error := next((broken[piece] for piece in each if piece in broken), ""):
            failures.setdefault(row, error)
    return [
        (text if new[row] is None else new[row] or "")
        if (record := records[row]) is None
        else changed(record, by_text.__getitem__)
        for row, text in enumerate(texts)
    ]


def pieces_of(record: Record) -> list[str]:
    """Return each text of a record."""
    texts: list[str] = []

    def collect(text: str) -> str:
        texts.append(text)
        return text

    changed(record, collect)
    return texts


def _isolated(function: Apply, view: pa.RecordBatch) -> tuple[StepResult, dict[int, str]]:
    """Return the result for a batch, and, if the step raises, the rows on which it does, with the kind of the error."""
    try:
        return _checked(function(view), view.num_rows), {}
    except Exception:
        pass
    texts, removed, failures = list[str | None](), list[str | None](), dict[int, str]()
    attributes, counts = list[Any](), Counter[str]()
    for row in range(view.num_rows):
        try:
            result = _checked(function(view.slice(row, 1)), 1)
        except Exception as error:
            failures[row] = type(error).__name__
            result = StepResult()
        texts.append(None if result.texts is None else result.texts[0].as_py())
        removed.append(None if result.removed is None else result.removed[0].as_py())
        attributes.append(None if result.attributes is None else result.attributes[0].as_py())
        counts.update(result.counts)
    changes = any(text is not None for text in texts)
    result = StepResult(
        pa.array(texts, pa.string()) if changes else None,
        pa.array(removed, pa.string()),
        pa.array(attributes, ATTRIBUTES) if any(attributes) else None,
        counts,
    )
    return result, failures


def _checked(result: StepResult, rows: int) -> StepResult:
    """Return a result whose columns are texts, one a row; TypeError or ValueError otherwise."""
    for column in (result.texts, result.removed, result.attributes):
        if column is not None and len(column) != rows:
            raise ValueError(f"the step returned {len(column)} values for {rows} rows")
    texts, removed = (
        column if column is None or column.type == pa.string() else pa.array(column.to_pylist(), pa.string())
        for column in (result.texts, result.removed)
    )
    attributes = None if result.attributes is None else pa.array(result.attributes.to_pylist(), ATTRIBUTES)
    return StepResult(
        texts, removed, attributes, {str(name): int(count) for name, count in result.counts.items()}
    )


def _view(batch: pa.RecordBatch | None, texts: pa.Array) -> pa.RecordBatch:
    """Return the columns that a step sees."""
    columns: Mapping[str, pa.Array] = (
        {} if batch is None else dict(zip(batch.schema.names, batch.columns, strict=True))
    )
    return pa.RecordBatch.from_arrays(
        [
            texts if name == "text" else columns.get(name, pa.nulls(len(texts), _VIEW.field(name).type))
            for name in _VIEW.names
        ],
        schema=_VIEW,
    )


def all_texts_of(row: Mapping[str, Any]) -> str:
    """Return the text of a row, or all messages and answers of its record."""
    return str(row["text"]) if row["example"] is None else all_texts(from_json(row["example"]))


def all_texts(record: Record) -> str:
    """Return all messages and answers of a record."""
    return "\n\n".join(filter(None, (wording(record), *record.answers, record.rejected)))


def _differing(before: pa.RecordBatch, after: pa.RecordBatch) -> list[int]:
    """Return the rows whose text or conversation differs."""
    same = pc.and_(
        pc.equal(before.column("text"), after.column("text")),
        pc.equal(before.column("example").fill_null(""), after.column("example").fill_null("")),
    )
    places: list[int] = pc.indices_nonzero(pc.invert(same)).to_pylist()
    return places


def _shown(batch: pa.RecordBatch, row: int) -> str:
    one = batch.slice(row, 1)
    (record,) = records_of(one)
    return str(one.column("text")[0].as_py()) if record is None else all_texts(record)
