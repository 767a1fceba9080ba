"""Lineage of a record: dataset versions, splits, and the model versions trained on it or continued from such one."""

from collections.abc import Iterator
from typing import Any

from ratoon.client.raw.client import Client

JSON = dict[str, Any]
_LEARNED = {"PART_TRAIN", "PART_VALIDATION"}
"""Parts that influence a model: training, and validation, which selects the best epoch."""


def lineage_of(client: Client, project: str, record_id: str) -> JSON:
    """Return the lineage of a record, erased or not, and the `modelVersions` trained on it, oldest first."""
    lineage = client.get(f"{project}/records/{record_id}:lineage")
    placements = lineage.get("placements", [])
    splits = {placed["split"] for placed in placements if placed["part"] in _LEARNED}
    return {**lineage, "modelVersions": _that_saw(list(_versions(client, project)), splits)}


def _versions(client: Client, project: str) -> Iterator[JSON]:
    for model in client.list(f"{project}/models"):
        yield from client.list(f"{model['name']}/versions")


def _that_saw(versions: list[JSON], splits: set[str]) -> list[str]:
    """Return the versions trained on one of the splits, and the versions that continue from those."""
    saw: list[str] = []
    for version in sorted(versions, key=lambda each: str(each["createTime"])):
        lineage = version.get("lineage", {})
        if lineage.get("split") in splits or lineage.get("parentVersion") in saw:
            saw.append(version["name"])
    return saw
