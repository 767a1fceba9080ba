"""Where a record went: dataset versions, splits, and the model versions that learned from it or from such a model."""

from collections.abc import Iterator
from typing import Any

from ratoon.sdk.client import Client

JSON = dict[str, Any]
_LEARNED = {"PART_TRAIN", "PART_VALIDATION"}
"""Parts that shape a model: the one it is fitted to, and the one that chooses its best epoch."""


def lineage_of(client: Client, project: str, record_id: str) -> JSON:
    """What ingestion says of a record, erased or not, with `modelVersions`: who saw it, oldest first."""
    found = client.get(f"{project}/records/{record_id}:lineage")
    placements = found.get("placements", [])
    splits = {placed["split"] for placed in placements if placed["part"] in _LEARNED}
    return {**found, "modelVersions": _that_saw(list(_versions(client, project)), splits)}


def _versions(client: Client, project: str) -> Iterator[JSON]:
    for model in client.list(f"{project}/models"):
        yield from client.list(f"{model['name']}/versions")


def _that_saw(versions: list[JSON], splits: set[str]) -> list[str]:
    """Versions trained on one of the splits, and those that went on from one that was."""
    saw: list[str] = []
    for version in sorted(versions, key=lambda each: str(each["createTime"])):
        lineage = version.get("lineage", {})
        if lineage.get("split") in splits or lineage.get("parentVersion") in saw:
            saw.append(version["name"])
    return saw
