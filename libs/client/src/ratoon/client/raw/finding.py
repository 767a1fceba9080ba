"""Find records by their text, to get the ids that lineage and erasure need."""

import unicodedata
from collections.abc import Iterator
from typing import Any

from ratoon.client.raw.client import Client
from ratoon.client.raw.errors import ApiError

JSON = dict[str, Any]


def find_records(client: Client, project: str, text: str, version: str = "") -> Iterator[JSON]:
    """Yield each record whose text contains this text, with the newest `version` that contains the record.

    The search ignores case, white space and Unicode form. It reads all records over the network, which takes minutes
    for a million records.
    """
    sought, seen = _folded(text), set[str]()
    for name in [version] if version else _versions(client, project):
        try:
            for record in client.list(f"{name}/records"):
                if record["recordId"] not in seen and sought in _folded(record.get("text", "")):
                    seen.add(record["recordId"])
                    yield {**record, "version": name}
        except ApiError as error:
            if version or error.status not in (400, 409):  # a version that is not ready has no records yet
                raise


def _versions(client: Client, project: str) -> list[str]:
    """Return all dataset versions of a project, newest first."""
    versions = [
        each
        for dataset in client.list(f"{project}/datasets")
        for each in client.list(f"{dataset['name']}/versions")
    ]
    return [each["name"] for each in sorted(versions, key=lambda each: str(each["createTime"]), reverse=True)]


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
