"""Records of a test, from a part of a split, Parquet or JSON Lines. It knows no model and no score."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.process.errors import NotFound
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.kind import Record, Role, Turn, conversation_fault
from ratoon.tasks.records import BadRecord, from_json, prompt_text, record_of, to_json
from ratoon.tasks.text import is_encodable
from ratoon_evaluation.worker.parts import Part, UnusablePart, read_part
from ratoon_evaluation.worker.suites.failures import TestFailed

MAX_ROWS, MAX_BYTES = 100_000, 64 << 20
_PROMPTS = ("messages", "prompt", "text")
_ANSWERS = ("references", "reference", "completion", "label", "answer", "answers")
_COLUMNS_OF_PARTS = {"record_id", "content_digest", "text", "label"}
_PARQUET = b"PAR1"


def read_records(store: ArtifactStore, digest: str) -> Part:
    """Return the records of a blob; raises TestFailed with the number of a row that is none."""
    data = read_blob(store, digest)
    if data[:4] != _PARQUET:
        return _part(digest, json_objects(data))
    try:
        if set(pq.read_schema(BytesIO(data)).names) >= _COLUMNS_OF_PARTS:
            return read_part(store, digest)
        return _part(digest, pq.read_table(BytesIO(data)).to_pylist())
    except (pa.ArrowInvalid, UnusablePart) as error:
        raise TestFailed(f"The records {digest} cannot be read: {error}") from error


def is_part_of_split(store: ArtifactStore, digest: str) -> bool:
    """Return whether a blob is a part of a split, whose records can be erased."""
    with store.open(digest) as stream:
        if stream.read(4) != _PARQUET:
            return False
        return set(pq.read_schema(stream).names) >= _COLUMNS_OF_PARTS


def read_blob(store: ArtifactStore, digest: str) -> bytes:
    """Return the bytes of a file of a test; raises TestFailed if it is gone or too large."""
    try:
        if store.size(digest) > MAX_BYTES:
            raise TestFailed(f"The file {digest} has more than {MAX_BYTES >> 20} MiB: split the test.")
        return store.read(digest)
    except NotFound as error:
        raise TestFailed(
            f"The file {digest} is not in the store: upload it again, or update the suite."
        ) from error


def json_objects(data: bytes) -> list[dict[str, Any]]:
    """Return the objects of JSON Lines, or of a JSON list; raises TestFailed with the line that is none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TestFailed(f"The file is not UTF-8: byte {error.start}.") from error
    if text.lstrip()[:1] == "[":
        return _objects(text)
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            rows.append(_object(line, f"Line {number}"))
    if not rows:
        raise TestFailed("The file has no row.")
    return rows


def _objects(text: str) -> list[dict[str, Any]]:
    rows = _parsed(text, "The file")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise TestFailed(f"Row {number} is no JSON object.")
    if not rows:
        raise TestFailed("The file has no row.")
    return list(rows)


def _object(line: str, place: str) -> dict[str, Any]:
    row = _parsed(line, place)
    if not isinstance(row, dict):
        raise TestFailed(f"{place} is no JSON object.")
    return row


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise TestFailed(f"{place} is not JSON: {str(error)[:200]}.") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return fields


def _part(digest: str, rows: Sequence[Mapping[str, Any]]) -> Part:
    if len(rows) > MAX_ROWS:
        raise TestFailed(f"The records {digest} have {len(rows):,} rows; at most {MAX_ROWS:,} are allowed.")
    return part_of(digest, [_record(row, number) for number, row in enumerate(rows, 1)])


def part_of(digest: str, records: Sequence[Record]) -> Part:
    """Return records as a part of this digest."""
    texts = [prompt_text(record.turns) for record in records]
    labels = [record.answers[0].strip() if record.answers else "" for record in records]
    plain = [
        record == record_of(text, label or None)
        for record, text, label in zip(records, texts, labels, strict=True)
    ]
    contents = [
        hashlib.sha256(to_json(record).encode(errors="surrogatepass")).hexdigest() for record in records
    ]
    return Part(
        digest=digest,
        record_ids=tuple(
            hashlib.sha256(f"{place}:{content}".encode()).hexdigest()
            for place, content in enumerate(contents)
        ),
        content_digests=tuple(contents),
        texts=tuple(texts),
        labels=tuple(labels),
        languages=("",) * len(records),
        attributes=({},) * len(records),
        examples=tuple(
            "" if is_plain else to_json(record) for record, is_plain in zip(records, plain, strict=True)
        ),
        clusters=tuple(contents),
    )


def _record(row: Mapping[str, Any], number: int) -> Record:
    record = _read(row, number)
    if fault := conversation_fault(record.turns):
        raise TestFailed(f"Row {number}: {fault}")
    if not all(answer.strip() and is_encodable(answer) for answer in record.answers):
        raise TestFailed(
            f"Row {number}: a reference is empty or contains half of a surrogate pair. Correct it or leave it out."
        )
    return record


def _read(row: Mapping[str, Any], number: int) -> Record:
    if isinstance(row.get("example"), str) and row["example"]:
        try:
            return from_json(row["example"])
        except BadRecord as error:
            raise TestFailed(f"Row {number}: {error}") from error
    name = next((name for name in _PROMPTS if row.get(name)), None)
    if name is None:
        raise TestFailed(f"Row {number} has no prompt: give one of {', '.join(_PROMPTS)}.")
    turns = _turns(row[name], number)
    answers = _answers(row, number)
    if not answers and turns and turns[-1].role == Role.ASSISTANT:
        return Record(turns[:-1], (turns[-1].content,))
    return Record(turns, answers)


def _turns(value: object, number: int) -> tuple[Turn, ...]:
    if isinstance(value, str):
        return (Turn(Role.USER, value),)
    try:
        return from_json(json.dumps({"messages": value})).turns
    except (BadRecord, TypeError) as error:
        raise TestFailed(f"Row {number}: the messages are no conversation ({error}).") from error


def _answers(row: Mapping[str, Any], number: int) -> tuple[str, ...]:
    value = next((row[name] for name in _ANSWERS if row.get(name) is not None), None)
    each = value if isinstance(value, list) else [] if value is None else [value]
    if not all(map(_is_reference, each)):
        raise TestFailed(f"Row {number}: a reference must be a text, a number, or a list of them.")
    return tuple(json.dumps(answer) if isinstance(answer, bool) else str(answer) for answer in each)


def _is_reference(value: object) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
