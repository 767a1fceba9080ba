"""Upgrade steps of stored bodies, and the names by which the previous release reads them."""

from typing import Any

_CLASSIFY = "classify"


def add_project_task_v2(body: dict[str, Any]) -> dict[str, Any]:
    """Fill `task` of a project from its labels: every project of version 1 classifies."""
    task = body.get("task") or {"kind": _CLASSIFY}
    if task["kind"] != _CLASSIFY:
        return body
    return body | {"task": task | {"labels": body.get("labels", [])}}


def mirror_project_v1(body: dict[str, Any]) -> dict[str, Any]:
    """Return the labels of a project where version 1 reads them; none for tasks that it does not know."""
    return {"labels": (body.get("task") or {}).get("labels", [])}


def add_run_task_v2(body: dict[str, Any]) -> dict[str, Any]:
    """Fill the task of the project that a pipeline run holds."""
    return body | {"project": add_project_task_v2(body.get("project", {}))}


def mirror_run_v1(body: dict[str, Any]) -> dict[str, Any]:
    """Return the labels of the project that a pipeline run holds, where version 1 reads them."""
    return {"project": mirror_project_v1(body.get("project", {}))}
