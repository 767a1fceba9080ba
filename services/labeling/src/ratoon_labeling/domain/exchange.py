"""Files of other annotation tools: tasks and answers read from them, and written for them.

| format | a file is | an answer is |
|---|---|---|
| `LABEL_STUDIO` | JSON list of tasks: JSON, JSON_MIN, or its import | an annotation; predictions are proposals |
| `ARGILLA` | JSON list of records of `Dataset.records.to_json` | a response; suggestions are proposed answers |
| `JSONL`, `CSV` | one answer a line | `record_id` or `text`, `label`, `annotator`, `time` |
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ratoon.tasks import label_studio
from ratoon.tasks.kind import Turn
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.label_studio import Left, Response
from ratoon_labeling.domain.errors import BadExchange
from ratoon_labeling.domain.marks import AnswerSpec, Boxes, Marks, Spans

_FIELDS = ("record_id", "text", "label", "annotator", "time", "proposed_label", "proposal_origin", "task")


_COMPARISONS = "Create a source of the file, in the format LABEL_STUDIO: its records are preferences."


class Format(StrEnum):
    """Format of a file."""

    LABEL_STUDIO = "LABEL_STUDIO"
    ARGILLA = "ARGILLA"
    JSONL = "JSONL"
    CSV = "CSV"
    PREFERENCES = "PREFERENCES"
    """Written alone."""


@dataclass(frozen=True)
class Incoming:
    """Answer in a file, to a record that is named by its ID or by its text."""

    record_id: str
    text: str
    answer: str
    annotator: str
    time: datetime | None = None


@dataclass(frozen=True)
class LeftOut:
    """What a file holds that is no answer here, with the reason and the place."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Outgoing:
    """Task that is written to a file, with the text of its record."""

    task: str
    record_id: str
    text: str
    answers: Sequence[Response]
    candidates: Sequence[str] = ()
    """The two answers of a comparison, the left one first; then `answers` holds preferences."""


@dataclass(frozen=True)
class RecordText:
    """Text of a record of a dataset version."""

    record_id: str
    content_digest: str
    text: str
    turns: Sequence[Turn] = ()
    """The conversation, if the record has one."""


def answers_in(format: Format, data: bytes, control: str = "") -> Iterator[Incoming | LeftOut]:
    """Yield the answers in a file, and what is left out of it; BadExchange if it does not have the format.

    `control` names the control of Label Studio, or the question of Argilla, whose answers count; empty: the first.
    """
    if format is Format.PREFERENCES:
        raise BadExchange("Preferences are exported alone: import them as a source of a dataset.", "format")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadExchange(f"The file is not in UTF-8, from byte {error.start:,} on: convert it.") from None
    if format is Format.CSV:
        yield from _answers_of_rows(csv.DictReader(io.StringIO(text)))
    elif format is Format.JSONL:
        yield from _answers_of_rows(_json(line) for line in text.splitlines() if line.strip())
    else:
        read = _of_label_studio if format is Format.LABEL_STUDIO else _of_argilla
        entries = _json(text)
        for number, entry in enumerate(entries if isinstance(entries, list) else [entries], 1):
            if isinstance(entry, Mapping):
                yield from read(entry, control, f"task {entry.get('id', number)}")
            else:
                yield LeftOut("MALFORMED", f"entry {number} is no object")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadExchange(f"The file is no JSON: {error}") from None


def _answers_of_rows(rows: Iterable[Any]) -> Iterator[Incoming | LeftOut]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            yield LeftOut("MALFORMED", f"line {number} is no object")
            continue
        label = row.get("label")
        answer = "\n".join(map(str, label)) if isinstance(label, list) else _text(label)
        if not answer:
            yield LeftOut("EMPTY", f"line {number} has no label")
            continue
        yield Incoming(
            _text(row.get("record_id")),
            _text(row.get("text")),
            answer,
            _text(row.get("annotator")),
            time_of(_text(row.get("time"))),
        )


def _of_label_studio(row: Mapping[str, Any], control: str, place: str) -> Iterator[Incoming | LeftOut]:
    task = label_studio.whole(row)
    data = task.get("data")
    fields: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    strings = [value for name, value in fields.items() if name != "record_id" and isinstance(value, str)]
    text = _text(fields.get("text")) or next(iter(strings), "")
    if label_studio.is_comparison(task):
        yield LeftOut("UNKNOWN_CONTROL", f"{place}: a comparison. {_COMPARISONS}")
        return
    for each in label_studio.given(task, text, control):
        if isinstance(each, Left):
            yield LeftOut(each.fault.value, f"{place}: {each.detail or each.fault.lower().replace('_', ' ')}")
        elif each.is_prediction:
            yield LeftOut("PREDICTION", f"{place}: a prediction of {each.annotator or 'a model'}")
        else:
            yield Incoming(
                _text(fields.get("record_id")), text, each.answer, each.annotator, time_of(each.time)
            )


def _of_argilla(record: Mapping[str, Any], control: str, place: str) -> Iterator[Incoming | LeftOut]:
    fields, responses = record.get("fields"), record.get("responses")
    metadata = record.get("metadata")
    strings = (
        [value for value in fields.values() if isinstance(value, str)] if isinstance(fields, Mapping) else []
    )
    text = (_text(fields.get("text")) if isinstance(fields, Mapping) else "") or next(iter(strings), "")
    record_id = _text(metadata.get("record_id")) if isinstance(metadata, Mapping) else ""
    if isinstance(record.get("suggestions"), Mapping) and record["suggestions"]:
        yield LeftOut("PREDICTION", f"{place}: a suggestion")
    questions = responses if isinstance(responses, Mapping) else {}
    chosen = control or next(iter(questions), "")
    for question, given in questions.items():
        for each in given if isinstance(given, list) else ():
            value = each.get("value") if isinstance(each, Mapping) else None
            if question != chosen:
                yield LeftOut("UNKNOWN_CONTROL", f"{place}: the question {question}")
            elif each.get("status", "submitted") != "submitted" if isinstance(each, Mapping) else True:
                yield LeftOut("DRAFT", f"{place}: a response that was not submitted")
            elif value is None:
                yield LeftOut("EMPTY", f"{place}: a response without a value")
            else:
                answer = "\n".join(map(str, value)) if isinstance(value, list) else _text(value)
                yield Incoming(record_id, text, answer, _text(each.get("user_id")))


def file_of(
    format: Format, tasks: Iterable[Outgoing], spec: TaskSpec, marks: label_studio.Marks | None
) -> Iterator[bytes]:
    """Yield a file of tasks with their answers, piece by piece."""
    if format in (Format.JSONL, Format.CSV):
        yield from _rows(format, tasks)
        return
    write = _label_studio_task if format is Format.LABEL_STUDIO else _argilla_record
    yield b"["
    for number, each in enumerate(tasks):
        body = json.dumps(write(each, spec, marks), ensure_ascii=False)
        yield (",\n" if number else "\n").encode() + body.encode("utf-8", "replace")
    yield b"\n]\n"


def _rows(format: Format, tasks: Iterable[Outgoing]) -> Iterator[bytes]:
    sink = io.StringIO()
    writer = csv.DictWriter(sink, _FIELDS, lineterminator="\r\n")
    if format is Format.CSV:
        writer.writeheader()
    for task in tasks:
        proposed = next((each for each in task.answers if each.is_prediction), None)
        people = [each for each in task.answers if not each.is_prediction]
        for each in people or [Response("", "")]:
            row = {
                "record_id": task.record_id,
                "text": task.text,
                "label": each.answer,
                "annotator": each.annotator,
                "time": each.time,
                "proposed_label": proposed.answer if proposed else "",
                "proposal_origin": proposed.annotator if proposed else "",
                "task": task.task,
            }
            if format is Format.CSV:
                writer.writerow(row)
            else:
                sink.write(json.dumps(row, ensure_ascii=False) + "\n")
        yield sink.getvalue().encode("utf-8", "replace")
        sink.seek(0)
        sink.truncate()


def _label_studio_task(each: Outgoing, spec: TaskSpec, marks: label_studio.Marks | None) -> Mapping[str, Any]:
    data = {"text": each.text, "record_id": each.record_id, "task": each.task}
    if each.candidates:
        left, right = each.candidates
        return label_studio.comparison_with(data, (left, right), each.answers)
    return label_studio.task_with(data, each.answers, spec, marks)


def _argilla_record(each: Outgoing, spec: TaskSpec, marks: label_studio.Marks | None) -> Mapping[str, Any]:
    people = [answer for answer in each.answers if not answer.is_prediction]
    proposed = next((answer for answer in each.answers if answer.is_prediction), None)
    return {
        "id": each.task.rpartition("/")[2],
        "fields": {"text": each.text},
        "metadata": {"record_id": each.record_id},
        "responses": {"answer": [{"value": answer.answer, "user_id": answer.annotator} for answer in people]},
        "suggestions": (
            {"answer": {"value": proposed.answer, "agent": proposed.annotator, "score": proposed.score}}
            if proposed
            else {}
        ),
    }


def moved_marks(answer: str, before: str, after: str) -> str | None:
    """Return marks of one form of a text at the same words of another form; None if one is not found.

    A mark whose words occur several times keeps its place among them.
    """
    marks = json.loads(answer)
    if before == after or not isinstance(marks, list):
        return answer
    moved = []
    for mark in marks:
        if "start" not in mark:
            moved.append(mark)
            continue
        words = before[mark["start"] : mark["end"]]
        start = -1
        for _ in range(before[: mark["start"]].count(words) + 1):
            start = after.find(words, start + 1)
            if start < 0:
                return None
        moved.append({**mark, "start": start, "end": start + len(words)})
    return json.dumps(moved, ensure_ascii=False)


def time_of(text: str) -> datetime | None:
    """Return a time of ISO 8601 in UTC; None if the text is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def marks_of(spec: AnswerSpec) -> label_studio.Marks | None:
    """Return the marks that annotators set, as Label Studio's controls know them."""
    return label_studio.Marks(spec.labels, isinstance(spec, Boxes)) if isinstance(spec, Marks) else None


def spec_of_config(label_config: str, control: str = "") -> tuple[AnswerSpec, str]:
    """Return what annotators enter by a labeling config of Label Studio, and its instructions.

    Raises BadExchange if it is no config, or has no control that Ratoon has.
    """
    try:
        config = label_studio.parsed_config(label_config)
        task, marks = label_studio.task_of(config.control(control))
    except label_studio.BadConfig as error:
        raise BadExchange(str(error)) from None
    if marks is None:
        return task, config.instructions
    return Boxes(marks.labels) if marks.are_boxes else Spans(marks.labels), config.instructions
