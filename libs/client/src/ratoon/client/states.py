"""States of long work: which are final, and which of these are a success."""

from typing import Any

SUCCESS = frozenset(("STATE_READY", "STATE_SUCCEEDED"))
"""Final states of work with a result."""
FAILURE = frozenset(
    ("STATE_FAILED", "STATE_CANCELLED", "STATE_REFUSED", "STATE_ROLLED_BACK", "STATE_REDACTED")
)
"""Final states of work without a result."""


def has_ended(resource: Any) -> bool:
    """Return True if the state of a resource is final."""
    return str(resource.state) in SUCCESS | FAILURE


def has_succeeded(resource: Any) -> bool:
    """Return True if the state of a resource is final and a success."""
    return str(resource.state) in SUCCESS
