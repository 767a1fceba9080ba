"""Exports of Label Studio: each task is an item, its label the answer that all its annotations agree on.

Annotators and answers that differ come with `ImportAnnotations` of labeling, which finds these records by their text.
"""

from collections.abc import Mapping
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
from ratoon_ingestion.worker.readers.tables import Entries, read_jsonl
from ratoon_ingestion.worker.readers.values import NoCell, cell_line, whole

_TASK_ID = "label_studio_task"
_ELSEWHERE = ("/data/", "http://", "https://", "s3://", "gs://", "azure-blob://")
"""Beginnings of values that refer to a file."""
_ATTRIBUTE_CHARS = 256


def read_label_studio(source: SourceSpec, store: ArtifactStore, limits: Limits) -> Entries:
    """Yield the tasks of a JSON export, or of the list that an import takes."""
    return read_jsonl(source, store, limits, task_item)


def task_item(columns: Columns, task: Mapping[str, Any], place: str) -> Item | Rejection:
    """Return the item of a task; a task whose content is in a file that is not here is rejected with its address."""
    data = task.get("data")
    fields: Mapping[str, Any] = data if isinstance(data, Mapping) else task
    path = clean_path(f"task-{task['id']}") if isinstance(task.get("id"), int | str) else place
    texts = {name: value for name, value in fields.items() if isinstance(value, str) and value.strip()}
    named = texts.get(columns.text)
    here = (value for value in texts.values() if not value.startswith(_ELSEWHERE))
    text = named or next(here, "")
    if not text or text.startswith(_ELSEWHERE):
        address = text or next(iter(texts.values()), "")
        detail = f"{address[:200]} is not in the export" if address else "the task has no text"
        return Rejection(path, Rejected.NO_TEXT, detail)
    attributes = {_TASK_ID: str(task["id"])} if "id" in task else {}
    for name in columns.attributes:
        try:
            value = cell_line(fields.get(name))
        except NoCell as error:
            value = f"({error})"
        if value is not None:
            attributes[name] = value[:_ATTRIBUTE_CHARS]
    return Item(
        path,
        Kind.CELL,
        whole(text).encode(),
        _agreed(task, text),
        as_time(task.get("created_at")),
        attributes,
    )


def _agreed(task: Mapping[str, Any], text: str) -> str | None:
    """Return the answer of all annotations; None if there is none, or they differ."""
    given = (each for each in label_studio.given(task, text) if isinstance(each, Response))
    answers = {each.answer for each in given if not each.is_prediction}
    return next(iter(answers)) if len(answers) == 1 else None
