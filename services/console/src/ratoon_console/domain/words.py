"""Names, numbers, times and states as people read them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

JSON = dict[str, Any]

_TONES = {
    "good": ("SUCCEEDED", "READY", "DONE"),
    "busy": (
        "RUNNING", "PREPARING", "STARTING", "VERIFYING", "SHIFTING", "BAKING", "DRAINING", "ATTESTING",
        "PROBING", "PROMOTING",
    ),
    "bad": ("FAILED", "REFUSED"),
    "warn": ("ROLLED_BACK", "ROLLING_BACK", "CANCELLING", "CANCELLED", "REDACTED"),
}  # fmt: skip
_ENDED = {
    "SUCCEEDED", "READY", "FAILED", "CANCELLED", "REFUSED", "ROLLED_BACK", "REDACTED", "DONE", "SKIPPED", "STOPPED",
}  # fmt: skip
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


def last_part(name: str) -> str:
    """The id at the end of a resource name."""
    return name.rsplit("/", 1)[-1]


def short(name: str) -> str:
    """An id short enough for a table: generated ids keep their last eight characters, where they differ."""
    id_ = last_part(name)
    return f"…{id_[-8:]}" if len(id_) == 36 and id_.count("-") == 4 else id_


def plain_state(state: str) -> str:
    """`SUCCEEDED` of `STATE_SUCCEEDED`; an absent state reads PENDING."""
    return state.rsplit("STATE_", 1)[-1] or "PENDING"


def state_words(state: str) -> str:
    """A state in small letters: `rolled back`."""
    return plain_state(state).replace("_", " ").lower()


def tone(state: str) -> str:
    """How a state looks: good, busy, bad, warn or idle."""
    plain = plain_state(state)
    return next((name for name, states in _TONES.items() if plain in states), "idle")


def ended(state: str) -> bool:
    """Whether a resource in this state changes no more."""
    return plain_state(state) in _ENDED


def choice(value: str) -> str:
    """An enum value without its kind, in small letters: `second engine` of `STRATEGY_SECOND_ENGINE`."""
    return value.partition("_")[2].replace("_", " ").lower() or value


def trigger(value: str) -> str:
    """The trigger of a pipeline run: `manually`, `by drift`."""
    return f"by {choice(value)}".replace("by manual", "manually")


def time_of(text: str) -> datetime | None:
    """A time of the API (RFC 3339), or None when there is none."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def when(text: str) -> str:
    """A time to the second, UTC; a dash when there is none."""
    time = time_of(text)
    return f"{time:%d %b %Y, %H:%M:%S} UTC" if time else "–"


def clock(text: str) -> str:
    """The time of day of a time; a dash when there is none."""
    time = time_of(text)
    return f"{time:%H:%M:%S}" if time else "–"


def seconds_between(start: str, end: str) -> float | None:
    """Seconds from one time to another, at least 0 (clocks of two machines differ); None when one is missing."""
    first, last = time_of(start), time_of(end)
    return max(0.0, (last - first).total_seconds()) if first and last else None


def duration(seconds: object) -> str:
    """`41 s`, `3 min 5 s`, `2 h 10 min`; a dash when unknown."""
    if not isinstance(seconds, int | float):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def count(value: object) -> str:
    """A whole number with thousands marked; the API writes long ones as text."""
    return f"{int(str(value or 0)):,}"


def number(value: object) -> int:
    """A whole number of the API, which writes long ones as text."""
    return int(str(value or 0))


def size(value: object) -> str:
    """Bytes in the unit that suits."""
    amount, unit = float(str(value or 0)), 0
    while amount >= 1024 and unit < len(_SIZES) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.0f} {_SIZES[unit]}" if unit < 2 else f"{amount:.1f} {_SIZES[unit]}"


def percent(share: object, places: int = 1) -> str:
    """A share as a percentage."""
    return f"{float(str(share or 0)):.{places}%}"


def decimal(value: object, places: int = 3) -> str:
    """A measurement, short: small and large ones in powers of ten."""
    amount = float(str(value or 0))
    if amount and (abs(amount) < 10**-places or abs(amount) >= 1e7):
        return f"{amount:.2e}"
    if amount == int(amount) and abs(amount) >= 100:
        return f"{amount:,.0f}"
    return f"{amount:.{places}f}" if abs(amount) < 1000 else f"{amount:,.0f}"


def setting(value: object) -> str:
    """Return a setting as it stands; a number that is no integer with four digits."""
    text = str(value)
    try:
        return text if text.isdigit() else f"{float(text):.4g}"
    except ValueError:
        return text


def estimate(interval: Mapping[str, float] | None) -> str:
    """A value with its 95 % interval; a dash when it was not measured."""
    if not interval:
        return "–"
    return f"{interval.get('value', 0):.3f} [{interval.get('lower', 0):.3f}, {interval.get('upper', 0):.3f}]"


def sentence_of_names(text: str, project: str) -> str:
    """A sentence of the platform with resource names cut to their ids."""
    name = rf"projects/{re.escape(project)}(?:/[A-Za-z]+/[\w~-]+(?:\.[\w~-]+)*)+"
    return re.sub(name, lambda match: short(match[0]), text)


def spaced(name: str) -> str:
    """A field's name as words: `dataset version` of `datasetVersion`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()
