"""Two or more things side by side: only where they differ."""

from collections.abc import Sequence

from ratoon_console.domain.words import JSON

_UNSET = ("", "0", "0.0", "False")
"""Texts of fields that have the default of their type."""


def flat(value: JSON, prefix: str = "") -> dict[str, str]:
    """A nested object as dotted names and texts."""
    values: dict[str, str] = {}
    for key, each in value.items():
        name = f"{prefix}{key}"
        if isinstance(each, dict):
            values |= flat(each, f"{name}.")
        else:
            values[name] = ", ".join(map(str, each)) if isinstance(each, list) else str(each)
    return values


def stated(value: JSON) -> dict[str, str]:
    """Return the fields of a nested object that a request has set, as dotted names and texts."""
    return {
        name: text
        for name, text in flat(value).items()
        if text not in _UNSET and not text.endswith("_UNSPECIFIED")
    }


def differing(values: Sequence[JSON]) -> list[tuple[str, list[str]]]:
    """The names on which the objects differ, with the text of each."""
    flats = [flat(value) for value in values]
    names = sorted({name for each in flats for name in each})
    rows = [(name, [each.get(name, "–") for each in flats]) for name in names]
    return [(name, texts) for name, texts in rows if len(set(texts)) > 1]
