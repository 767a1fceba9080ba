"""Upgrade steps of stored bodies. A step copies: a body keeps its old fields for pods of the previous release."""

from typing import Any

_RENAMED = {
    "forsaken": "old_engine_unrecoverable",
    "superseded": "previous_alias",
    "unheard_since": "reports_missing_since",
}


def copy_rollout_v2(body: dict[str, Any]) -> dict[str, Any]:
    """Fill `placement` of a rollout from `apart` and `inside`, and the renamed fields from their old names."""
    copied = body | {new: body[old] for old, new in _RENAMED.items() if old in body}
    if placement := _placement(body):
        copied["placement"] = placement
    limits = body.get("limits", {})
    if "room_s" in limits:
        copied["limits"] = limits | {"placement_timeout_s": limits["room_s"]}
    return copied


def _placement(body: dict[str, Any]) -> dict[str, str] | None:
    if engine := body.get("apart"):
        return {"use": "OWN_PROCESS", "engine": engine}
    return {"use": "SHARED_PROCESS", "engine": body["green"]} if body.get("inside") else None
