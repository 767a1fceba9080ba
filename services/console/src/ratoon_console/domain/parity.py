"""Parity certificates: the forms of a version as rows of a table."""

from collections.abc import Iterable, Mapping
from typing import Any


def rows(links: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a link, with its numbers as text; empty where nothing was compared."""
    return [_row(link) for link in links]


def _row(link: Mapping[str, Any]) -> dict[str, Any]:
    comparison, tolerance = link.get("comparison") or {}, link.get("tolerance") or {}
    places = comparison.get("places", 0)
    accepted = [f"{tolerance[name]:g}" if name in tolerance else "any" for name in ("token", "mean")]
    return {
        "step": str(link.get("step", "")).removeprefix("STEP_").capitalize(),
        "format": link.get("format", ""),
        "runtime": link.get("runtime", ""),
        "equal": f"{comparison.get('equalPlaces', 0)} of {places}" if places else "",
        "most": f"{comparison.get('maxDifference', 0.0):.4f}" if places else "",
        "mean": f"{comparison.get('meanDifference', 0.0):.4f}" if places else "",
        "accepted": " / ".join(accepted) if tolerance else "",
        "within": link.get("verdict") == "VERDICT_WITHIN",
        "reason": link.get("reason", ""),
        "message": link.get("message", ""),
    }
