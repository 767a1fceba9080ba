"""What curation did, step by step: how many items came in, how many each step removed, and why."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ratoon_console.domain.words import JSON

_STEPS = {
    "read": "Reading",
    "decode": "Decoding to text",
    "language": "Language",
    "length": "Length",
    "garbage": "Text quality",
    "exact_duplicate": "Exact duplicates",
    "near_duplicate": "Near duplicates",
}
_DEFAULT = ("language", "length", "garbage")
_REASONS = {
    "TOO_LARGE": "too large",
    "NOT_A_FILE": "link or device, not a file",
    "METADATA_FILE": "archive metadata",
    "NESTED_ARCHIVE": "nested archive",
    "ENCRYPTED": "encrypted",
    "DAMAGED_MEMBER": "damaged",
    "COMPRESSION_RATIO": "suspicious compression ratio",
    "BAD_ROW": "unreadable row",
    "NO_TEXT": "no text",
    "UNDECODABLE": "unknown encoding",
    "UNWANTED_LANGUAGE": "language not selected",
    "TOO_SHORT": "too short and unlabelled",
    "FEW_LETTERS": "mostly not letters",
    "BROKEN_CHARACTERS": "broken characters",
    "LONG_WORDS": "overlong words",
    "REPETITION": "repetitive text",
    "EXACT_DUPLICATE": "exact duplicate",
    "NEAR_DUPLICATE": "near duplicate",
    "WITHDRAWN": "withdrawn, since it vanished from its place",
    "NO_PARTNER": "no row of the joined table has its key",
    "NOT_MEDIA": "neither image, audio nor video",
    "CONTAMINATED": "text of a test part or benchmark",
    "PERSONAL_DATA": "personal data",
}
_TOUCHED = {
    "mime": "parsed as email",
    "mime_defective": "malformed email",
    "html": "HTML converted to text",
    "charset_guessed": "charset guessed",
    "cleaned": "line endings and control characters cleaned",
    "normalised": "white space and Unicode normalised (by an earlier release)",
    "mask_email": "email addresses masked",
    "mask_phone": "phone numbers masked",
    "mask_card": "card numbers masked",
    "mask_ip": "IP addresses masked",
    "mask_url": "URLs masked",
    "mask_iban": "IBANs masked",
    "mask_national_id": "ID numbers masked",
    "mask_passport": "passport numbers masked",
    "short_but_labelled": "short, kept because it has a label",
}
COLUMN_ROLES = (
    ("text", "Text"),
    ("label", "Label"),
    ("id", "ID"),
    ("time", "Time"),
    ("messages", "Messages"),
    ("prompt", "Prompt"),
    ("answer", "Answer, or the chosen one of two"),
    ("rejected", "Rejected answer"),
    ("system", "System prompt"),
    ("tools", "Tools"),
    ("weight", "Weight in training"),
)
"""Columns of a source with what they hold."""


@dataclass(frozen=True)
class Removal:
    """Number of items that a step removed, and why."""

    reason: str
    count: int


@dataclass(frozen=True)
class FunnelStep:
    """A step: its name, what it removed, by reason, and what was left after it."""

    name: str
    title: str
    removed: int
    left: int
    removals: tuple[Removal, ...]


@dataclass(frozen=True)
class Bar:
    """A named count, and what share of all it is."""

    name: str
    count: int
    share: float


def profile_of(version: JSON) -> JSON:
    """The profile of a dataset version; empty while there is none."""
    profile: JSON = json.loads(version.get("profileJson") or "{}")
    return profile


def funnel(profile: JSON, names: Sequence[str] = ()) -> list[FunnelStep]:
    """Every step in its order, those of the curation as named; the ones that removed nothing, too."""
    removed = {
        step: tuple(Removal(_REASONS.get(row["reason"], row["reason"]), row["count"]) for row in rows)
        for step, rows in groupby(profile.get("removed", []), key=lambda row: str(row["step"]))
    }
    left, steps = int(profile.get("items", 0)), []
    for id_, title in _titles(removed, names).items():
        removals = removed.get(id_, ())
        count = sum(removal.count for removal in removals)
        left -= count
        steps.append(FunnelStep(id_, title, count, left, removals))
    return steps


def _titles(removed: Mapping[str, object], names: Sequence[str]) -> dict[str, str]:
    """Return the titles of all steps in their order; steps that removed items and are not known stand last."""
    known = [id_ for id_ in _STEPS if id_ not in _DEFAULT or not names]
    place = known.index("exact_duplicate")
    order = dict.fromkeys((*known[:place], *names, *known[place:], *removed))
    return {id_: _STEPS.get(id_) or id_.replace("_", " ").capitalize() for id_ in order}


def touched(profile: JSON) -> list[Bar]:
    """What curation changed in the records that stayed."""
    steps = profile.get("steps", {})
    return bars({_TOUCHED.get(name, name): count for name, count in steps.items()}, profile.get("records", 0))


def kinds_of(preview: JSON) -> dict[str, int]:
    """Return the number of previewed records of each kind; empty if they are texts alone."""
    counts = {kind: int(count) for kind, count in preview.get("kindCounts", {}).items()}
    return {} if set(counts) <= {"text"} else counts


def bars(counts: Mapping[str, int], total: int = 0, max_bars: int = 12) -> list[Bar]:
    """Counts in descending order; those beyond `max_bars` are summed up."""
    whole = total or sum(counts.values())
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = [
        Bar(name or "none", count, count / whole if whole else 0.0) for name, count in ordered[:max_bars]
    ]
    rest = sum(count for _, count in ordered[max_bars:])
    return [*shown, Bar(f"{len(ordered) - max_bars} others", rest, rest / whole)] if rest else shown


def quantiles(profile: Mapping[str, float]) -> list[tuple[str, float]]:
    """The quantiles of a profile with their names."""
    names = {"p0": "minimum", "p25": "p25", "p50": "median", "p75": "p75",
             "p95": "p95", "p100": "maximum", "mean": "mean"}  # fmt: skip
    return [(name, profile[key]) for key, name in names.items() if key in profile]
