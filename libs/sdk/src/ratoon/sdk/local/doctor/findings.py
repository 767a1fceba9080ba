"""What checks say: a trouble, and what to do about it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from ratoon.sdk.local.installation import Installation


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and may not for long."""
    FAULT = "fault"
    """Something does not work."""


@dataclass(frozen=True)
class Finding:
    """What a check found, and what to do about it."""

    check: str
    severity: Severity
    said: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Trouble:
    """A finding before it has the name of its check."""

    said: str
    remedy: str
    severity: Severity = Severity.FAULT


Check = Callable[[Installation], Iterator[Trouble]]
