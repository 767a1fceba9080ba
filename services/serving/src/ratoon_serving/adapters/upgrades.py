"""Upgrade steps of stored bodies, and the names by which the previous release reads them."""

from typing import Any

_RENAMED = {
    "forsaken": "old_engine_unrecoverable",
    "superseded": "previous_alias",
    "unheard_since": "reports_missing_since",
}


def copy_rollout_v2(body: dict[str, Any]) -> dict[str, Any]:
    """Fill `placement` of a rollout from `apart` and `inside`, and the renamed fields from their old names."""
    copied = body | {new: body[old] for old, new in _RENAMED.items() if old in body}
    limits = body.get("limits", {})
    if "room_s" in limits:
        copied["limits"] = limits | {"placement_timeout_s": limits["room_s"]}
    return copied | {"placement": _placement(body)}


def mirror_rollout_v1(body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that version 1 of a rollout reads under other names."""
    limits, placement = body.get("limits", {}), body.get("placement") or {}
    return {
        **{old: body[new] for old, new in _RENAMED.items() if new in body},
        "apart": placement["engine"] if placement.get("use") == "OWN_PROCESS" else "",
        "inside": placement.get("use") == "SHARED_PROCESS",
        "limits": {"room_s": limits["placement_timeout_s"]} if "placement_timeout_s" in limits else {},
    }


def _placement(body: dict[str, Any]) -> dict[str, str] | None:
    if engine := body.get("apart"):
        return {"use": "OWN_PROCESS", "engine": engine}
    return {"use": "SHARED_PROCESS", "engine": body["green"]} if body.get("inside") else None
