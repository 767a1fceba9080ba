"""Upgrade steps of stored bodies, and the names by which the previous release reads them."""

from typing import Any

_CLASSIFY = "classify"


def add_task_v2(body: dict[str, Any]) -> dict[str, Any]:
    """Fill `task` from the labels of a body: everything of version 1 classifies."""
    task = body.get("task") or {"kind": _CLASSIFY}
    if task["kind"] != _CLASSIFY:
        return body
    return body | {"task": task | {"labels": body.get("labels", [])}}


def mirror_labels_v1(body: dict[str, Any]) -> dict[str, Any]:
    """Return the labels where version 1 reads them; none for tasks that it does not know."""
    return {"labels": (body.get("task") or {}).get("labels", [])}
