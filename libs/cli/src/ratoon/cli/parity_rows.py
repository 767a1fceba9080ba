"""Rows of a parity certificate for a table."""

from ratoon.cli.output import JSON

COLUMNS = ("step", "format", "runtime", "equal", "most", "mean", "accepted", "verdict", "reason")
"""Columns: equal choices of all, differences in nats at most and on average, accepted ones, and the verdict."""


def parity_row(link: JSON) -> JSON:
    """Return one link as a row of short values."""
    comparison, tolerance = link.get("comparison") or {}, link.get("tolerance") or {}
    row = {
        "step": _word(link, "step"),
        "format": link.get("format", ""),
        "runtime": link.get("runtime", ""),
        "verdict": _word(link, "verdict"),
        "reason": link.get("reason", ""),
        "source": link.get("source", ""),
        "artifactDigest": link.get("artifactDigest", ""),
        "templateDigest": (link.get("inputs") or {}).get("templateDigest", ""),
        "tokenizerDigest": (link.get("inputs") or {}).get("tokenizerDigest", ""),
    }
    if comparison:
        row |= {
            "equal": f"{comparison.get('equalPlaces', 0)} of {comparison.get('places', 0)}",
            "most": f"{comparison.get('maxDifference', 0.0):.4f}",
            "mean": f"{comparison.get('meanDifference', 0.0):.4f}",
        }
    accepted = [f"{tolerance[name]:g}" if name in tolerance else "any" for name in ("token", "mean")]
    return row | ({"accepted": " / ".join(accepted)} if tolerance else {})


def _word(link: JSON, field: str) -> str:
    """Return the value of an enum without its prefix."""
    return str(link.get(field, "")).removeprefix(f"{field.upper()}_").lower()
