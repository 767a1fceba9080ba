"""Mixtures: the form of a mixture, which the address of its page holds, and what its plan shows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ratoon_console.domain.errors import BadForm
from ratoon_console.domain.words import JSON

STRATEGIES = {"STRATEGY_TEMPERATURE": "weight × size^(1/T)", "STRATEGY_RATIO": "weight alone"}
"""Rules for the shares, as pages name them."""
UNITS = {"UNIT_TOKENS": "tokens", "UNIT_RECORDS": "records"}
"""Units of sizes and budgets."""
EXTRA_ROWS = 2
"""Empty rows for further components."""
_MAX_ROWS = 50
_FIELDS = (
    "strategy",
    "temperature",
    "unit",
    "budget",
    "seed",
    "language_shares",
    "label_shares",
    "balance_labels",
)
_ROW = ("version", "source", "weight", "repeats")


@dataclass(frozen=True)
class Row:
    """One component as its form shows it, all as texts."""

    version: str = ""
    source: str = ""
    weight: str = ""
    repeats: str = ""


def rows_of(fields: Mapping[str, str]) -> list[Row]:
    """Return the components that a form names, in their order."""
    rows = [
        Row(*(fields.get(f"{name}-{number}", "").strip() for name in _ROW)) for number in range(_MAX_ROWS)
    ]
    return [row for row in rows if row.version]


def mixture_of(fields: Mapping[str, str]) -> JSON:
    """Return the mixture of a form; BadForm if a number or a share is none."""
    mixture: JSON = {"components": [_component(row) for row in rows_of(fields)]}
    mixture |= {
        name: fields[key]
        for key, name, known in (("strategy", "strategy", STRATEGIES), ("unit", "unit", UNITS))
        if fields.get(key) in known
    }
    for key in ("temperature", "budget", "seed"):
        if text := fields.get(key, "").strip():
            mixture[key] = _number(text) if key == "temperature" else _whole(text)
    for key, name in (("language_shares", "languageShares"), ("label_shares", "labelShares")):
        if shares := _shares(fields.get(key, "")):
            mixture[name] = shares
    return mixture | ({"balanceLabels": True} if fields.get("balance_labels") == "yes" else {})


def fields_of(query: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a form that the address of its page holds; it may hold others."""
    return {key: value for key, value in query.items() if key in _FIELDS or key.split("-")[0] in _ROW}


def _component(row: Row) -> JSON:
    component: JSON = {"datasetVersion": row.version}
    if row.source:
        component["source"] = row.source
    if row.weight:
        component["weight"] = _number(row.weight)
    if row.repeats:
        component["maxRepeats"] = _number(row.repeats)
    return component


def _shares(text: str) -> dict[str, float]:
    """Return shares such as `zh=0.5, en=0.5`."""
    shares = {}
    for pair in filter(None, (each.strip() for each in text.replace("\n", ",").split(","))):
        name, equals, share = pair.rpartition("=")
        if not equals or not name.strip():
            raise BadForm(f"{pair[:40]!r} is not NAME=SHARE, such as zh=0.5. Go back and correct it.")
        shares[name.strip()] = _number(share)
    return shares


def _whole(text: str) -> int:
    value = _number(text.replace(",", ""))
    if not value.is_integer():
        raise BadForm(f"{text[:40]!r} is not a whole number. Go back and correct it.")
    return int(value)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadForm(f"{text[:40]!r} is not a number. Go back and correct it.")
    return value
