"""Which records belong to which slice: language, length, and each attribute of few values.

It knows no score.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence

LENGTHS = (0, 200, 500, 1000, 2000, 5000)
"""Where length buckets begin, in characters of the curated text."""
MIN_RECORDS = 5
"""Smaller slices say nothing and are left out."""
MAX_VALUES = 12
"""An attribute with more values than this is an identifier, not a slice."""


def slices_of(
    lengths: Sequence[int], languages: Sequence[str], attributes: Sequence[Mapping[str, str]]
) -> dict[str, list[int]]:
    """Record positions by slice (`chars=200-499`, `language=en`, `difficulty=hard`), sorted by name.

    A slice that holds every record is left out, too: it would repeat the whole.
    """
    keyed: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for position, (length, language, named) in enumerate(zip(lengths, languages, attributes, strict=True)):
        keyed["chars"][length_bucket(length)].append(position)
        for key, value in {"language": language, **named}.items():
            if value:
                keyed[key][value].append(position)
    return {
        f"{key}={value}": positions
        for key, values in sorted(keyed.items())
        if len(values) <= MAX_VALUES
        for value, positions in sorted(values.items(), key=_natural)
        if MIN_RECORDS <= len(positions) < len(lengths)
    }


def length_bucket(characters: int) -> str:
    """The bucket's name: `0-199`, `200-499`, …, `5000+`."""
    index = bisect_right(LENGTHS, characters) - 1
    start = LENGTHS[index]
    return f"{start}-{LENGTHS[index + 1] - 1}" if index + 1 < len(LENGTHS) else f"{start}+"


def _natural(item: tuple[str, list[int]]) -> tuple[int, str]:
    """Sort key: by the leading number, if any, so that 1000 comes after 200."""
    digits = item[0].split("-")[0].rstrip("+")
    return (int(digits) if digits.isdecimal() else -1, item[0])
