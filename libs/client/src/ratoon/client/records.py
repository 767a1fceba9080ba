"""Records of a project: find them by their text, and the models that were trained on them."""

import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ratoon.client._client import Ratoon
from ratoon.client._errors import BadRequestError, ConflictError

if TYPE_CHECKING:
    from ratoon.client.types import ModelVersion, Record, RecordLineage

_LEARNED = ("PART_TRAIN", "PART_VALIDATION")
"""Parts that influence a model: training, and validation, which selects the best epoch."""


def find_records(
    client: Ratoon, project: str, text: str, version: str = ""
) -> "Iterator[tuple[str, Record]]":
    """Yield each record whose text contains this text, after the name of the newest version that contains it.

    The search ignores case, white space and Unicode form. It reads all records over the network, which takes minutes
    for a million records.
    """
    sought, yielded = _folded(text), set[str]()
    for name in [version] if version else _dataset_versions(client, project):
        try:
            for record in client.records.list(name, page_size=500):
                if record.record_id not in yielded and sought in _folded(record.text):
                    yielded.add(record.record_id)
                    yield name, record
        except (BadRequestError, ConflictError):  # a version that is not ready has no records yet
            if version:
                raise


def lineage_of(
    client: Ratoon, project: str, record_id: str, reader: str = "", purpose: str = ""
) -> "tuple[RecordLineage, list[str]]":
    """Return the lineage of a record, erased or not, and the model versions trained on it, oldest first.

    That of a record of a test part is empty without a reader and a purpose, which are logged at the split.
    """
    lineage = client.records.lineage(project, record_id, reader=reader, purpose=purpose)
    splits = {placed.split for placed in lineage.placements if placed.part in _LEARNED}
    versions = [
        version
        for model in client.models.list(project, page_size=500)
        for version in client.model_versions.list(model.name, page_size=500)
    ]
    return lineage, _trained_on(versions, splits)


def _dataset_versions(client: Ratoon, project: str) -> list[str]:
    """Return all dataset versions of a project, newest first."""
    versions = [
        version
        for dataset in client.datasets.list(project, page_size=500)
        for version in client.dataset_versions.list(dataset.name, page_size=500)
    ]
    return [each.name for each in sorted(versions, key=lambda each: str(each.create_time), reverse=True)]


def _trained_on(versions: "list[ModelVersion]", splits: set[str]) -> list[str]:
    """Return the versions trained on one of the splits, and the versions that continue from those."""
    trained: list[str] = []
    for version in sorted(versions, key=lambda each: str(each.create_time)):
        lineage = version.lineage
        if lineage and (lineage.split in splits or lineage.parent_version in trained):
            trained.append(version.name)
    return trained


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
