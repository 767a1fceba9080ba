"""Findings of checks, each with a remedy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from ratoon.local.installation import Installation


class Severity(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    """Everything works, but may fail soon."""
    FAULT = "fault"
    """Something does not work."""


@dataclass(frozen=True)
class Finding:
    """A finding of a check and its remedy."""

    check: str
    severity: Severity
    message: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Trouble:
    """A finding without the name of its check."""

    message: str
    remedy: str
    severity: Severity = Severity.FAULT


Check = Callable[[Installation], Iterator[Trouble]]
