"""Exports of Label Studio: each task is an item, its label the answer that all its annotations agree on.

Of a task whose annotations choose between two texts (`Pairwise`), the item is a preference: its prompt, the text that
more annotators chose, and the other one. Annotators and answers that differ come with `ImportAnnotations` of labeling,
which finds these records by their text.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks import label_studio
from ratoon.tasks.label_studio import Response
from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.domain.sources import Columns
from ratoon_ingestion.worker.readers.items import (
    Item,
    Kind,
    Limits,
    Rejection,
    SourceSpec,
    as_time,
    clean_path,
)
from ratoon_ingestion.worker.readers.tables import Entries, read_jsonl, row_item
from ratoon_ingestion.worker.readers.values import NoCell, cell_line, whole

_TASK_ID = "label_studio_task"
_ELSEWHERE = ("/data/", "http://", "https://", "s3://", "gs://", "azure-blob://")
"""Beginnings of values that refer to a file."""
_ATTRIBUTE_CHARS = 256
_PROMPTS = ("prompt", "text", "question", "instruction")
"""Fields that hold the prompt of a comparison, if none is named."""
_UNKNOWN_FIELDS = (
    "a task that compares two texts needs a prompt and two texts; it has {}. Name their columns: prompt, answer for "
    "the left text and rejected for the right one"
)


def read_label_studio(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Entries:
    """Yield the tasks of a JSON export, or of the list that an import takes."""
    return read_jsonl(source, store, limits, task_item)


def task_item(columns: Columns, task: Mapping[str, Any], place: str) -> Item | Rejection:
    """Return the item of a task; a task whose content is in a file that is not here is rejected with its address."""
    data = task.get("data")
    fields: Mapping[str, Any] = data if isinstance(data, Mapping) else task
    path = clean_path(f"task-{task['id']}") if isinstance(task.get("id"), int | str) else place
    if label_studio.is_comparison(task):
        return _preference(columns, task, fields, path)
    texts = {name: value for name, value in fields.items() if isinstance(value, str) and value.strip()}
    named = texts.get(columns.text)
    here = (value for value in texts.values() if not value.startswith(_ELSEWHERE))
    text = named or next(here, "")
    if not text or text.startswith(_ELSEWHERE):
        address = text or next(iter(texts.values()), "")
        detail = f"{address[:200]} is not in the export" if address else "the task has no text"
        return Rejection(path, Rejected.NO_TEXT, detail)
    return Item(
        path,
        Kind.CELL,
        whole(text).encode(),
        _agreed(task, text),
        as_time(task.get("created_at")),
        _attributes(columns, task, fields),
    )


def _attributes(columns: Columns, task: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, str]:
    attributes = {_TASK_ID: str(task["id"])} if "id" in task else {}
    for name in columns.attributes:
        try:
            value = cell_line(fields.get(name))
        except NoCell as error:
            value = f"({error})"
        if value is not None:
            attributes[name] = value[:_ATTRIBUTE_CHARS]
    return attributes


def _preference(
    columns: Columns, task: Mapping[str, Any], fields: Mapping[str, Any], path: str
) -> Item | Rejection:
    """Return the preference of a task: the text that more annotators chose, and the other one."""
    texts = {name: value for name, value in fields.items() if isinstance(value, str) and value.strip()}
    pair = (columns.answer, columns.rejected)
    if not set(pair) <= texts.keys():
        pair = label_studio.compared_fields(task, list(texts)) or _other_two(columns, texts)
    prompt = next(
        (
            texts[name]
            for name in (columns.prompt, columns.text, *_PROMPTS)
            if name in texts and name not in pair
        ),
        "",
    )
    if not prompt or not set(pair) <= texts.keys():
        return Rejection(path, Rejected.BAD_ROW, _UNKNOWN_FIELDS.format(", ".join(texts)))
    given = (each for each in label_studio.given(task, prompt) if isinstance(each, Response))
    votes = Counter(each.answer for each in given if not each.is_prediction)
    first, second = votes["PREFERENCE_FIRST"], votes["PREFERENCE_SECOND"]
    if first == second:
        return Rejection(
            path, Rejected.BAD_ROW, f"{first} annotators prefer each text: there is no better one"
        )
    better, worse = pair if first > second else pair[::-1]
    row = {"prompt": prompt, "chosen": texts[better], "rejected": texts[worse]}
    item = row_item(Columns(), row, path)
    if isinstance(item, Rejection):
        return item
    attributes = {**item.attributes, **_attributes(columns, task, fields)}
    return replace(item, time=as_time(task.get("created_at")), attributes=attributes)


def _other_two(columns: Columns, texts: Mapping[str, str]) -> tuple[str, str]:
    """Return the two fields of a task beside its prompt, in their order; empty names if there are not two."""
    prompt = next((name for name in (columns.prompt, columns.text, *_PROMPTS) if name in texts), "")
    rest = [name for name in texts if name not in (prompt, *columns.attributes)]
    return (rest[0], rest[1]) if len(rest) == 2 else ("", "")


def _agreed(task: Mapping[str, Any], text: str) -> str | None:
    """Return the answer of all annotations; None if there is none, or they differ."""
    given = (each for each in label_studio.given(task, text) if isinstance(each, Response))
    answers = {each.answer for each in given if not each.is_prediction}
    return next(iter(answers)) if len(answers) == 1 else None
