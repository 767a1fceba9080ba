"""Upgrade steps of stored bodies, and the names by which the previous release reads them."""

from collections.abc import Mapping
from typing import Any

_ENGINE = {"most_rank": "max_rank", "proofs": "attestations"}
_DEPLOYMENT = {"wanted_at": "wake_requested_at"}
_BOUNDS = {"least": "min_replicas", "most": "max_replicas"}
_ROLLOUT = {
    "forsaken": "old_engine_unrecoverable",
    "superseded": "previous_alias",
    "unheard_since": "reports_missing_since",
}
_LIMITS = {"room_s": "placement_timeout_s"}


def copy_engine_v2(body: dict[str, Any]) -> dict[str, Any]:
    """Fill the renamed fields of an engine from their old names."""
    return _copied(body, _ENGINE)


def mirror_engine_v1(body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that version 1 of an engine reads under other names."""
    return _mirrored(body, _ENGINE)


def copy_deployment_v2(body: dict[str, Any]) -> dict[str, Any]:
    """Fill the renamed fields of a deployment and of its bounds from their old names."""
    return _copied(body, _DEPLOYMENT) | _nested(body, "bounds", _BOUNDS)


def mirror_deployment_v1(body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that version 1 of a deployment reads under other names."""
    return _mirrored(body, _DEPLOYMENT) | {"bounds": _mirrored(body.get("bounds", {}), _BOUNDS)}


def copy_rollout_v2(body: dict[str, Any]) -> dict[str, Any]:
    """Fill `placement` of a rollout from `apart` and `inside`, and the renamed fields from their old names."""
    copied = _copied(body, _ROLLOUT) | _nested(body, "limits", _LIMITS)
    return copied | {"placement": _placement(body)}


def mirror_rollout_v1(body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that version 1 of a rollout reads under other names."""
    placement = body.get("placement") or {}
    return {
        **_mirrored(body, _ROLLOUT),
        "apart": placement["engine"] if placement.get("use") == "OWN_PROCESS" else "",
        "inside": placement.get("use") == "SHARED_PROCESS",
        "limits": _mirrored(body.get("limits", {}), _LIMITS),
    }


def _copied(body: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the body with the values of its old names under the new ones."""
    return body | {new: body[old] for old, new in names.items() if old in body}


def _nested(body: dict[str, Any], field: str, names: Mapping[str, str]) -> dict[str, Any]:
    return {field: _copied(body[field], names)} if field in body else {}


def _mirrored(body: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of the new names under the old ones."""
    return {old: body[new] for old, new in names.items() if new in body}


def _placement(body: dict[str, Any]) -> dict[str, str] | None:
    if engine := body.get("apart"):
        return {"use": "OWN_PROCESS", "engine": engine}
    return {"use": "SHARED_PROCESS", "engine": body["green"]} if body.get("inside") else None
