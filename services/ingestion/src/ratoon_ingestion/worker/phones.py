"""Phone numbers by the numbering plans of countries (phonenumbers)."""

import re
from collections.abc import Iterator

from ratoon_ingestion.domain.identifiers import Hit

_DIGITS = re.compile(r"(?:\d\D{0,3}){6}\d", re.ASCII)
_TRIES = 65_535
"""Candidates of a text that are tried."""


def phones(regions: tuple[str, ...], text: str) -> Iterator[Hit]:
    """Yield numbers that these countries assign, or any country behind `+`; other possible ones look alike."""
    if _DIGITS.search(text) is None:
        return
    from phonenumbers import Leniency  # slow to import

    valid = _spans(regions, text, Leniency.VALID)
    possible = [span for span in _spans(regions, text, Leniency.POSSIBLE) if not _overlaps(span, valid)]
    hits = [Hit(*span) for span in valid] + [Hit(*span, False) for span in _apart(possible)]
    yield from sorted(hits, key=lambda each: each.start)


def unknown_regions(regions: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the regions that have no numbering plan."""
    if not regions:
        return ()
    from phonenumbers import SUPPORTED_REGIONS

    return tuple(region for region in regions if region not in SUPPORTED_REGIONS)


def _spans(regions: tuple[str, ...], text: str, leniency: int) -> list[tuple[int, int]]:
    from phonenumbers import PhoneNumberMatcher

    spans = sorted(
        {
            (match.start, match.end)
            for region in regions
            for match in PhoneNumberMatcher(text, region, leniency=leniency, max_tries=_TRIES)
        }
    )
    return _apart(spans)


def _apart(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the spans without those that overlap an earlier one."""
    apart: list[tuple[int, int]] = []
    for span in spans:
        if not apart or span[0] >= apart[-1][1]:
            apart.append(span)
    return apart


def _overlaps(span: tuple[int, int], others: list[tuple[int, int]]) -> bool:
    return any(span[0] < stop and start < span[1] for start, stop in others)
