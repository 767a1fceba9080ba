"""Retries: which failures of a call are worth another attempt, and after how long."""

import random
from email.utils import parsedate_to_datetime
from time import time

from ratoon.client._errors import APIConnectionError, APIStatusError, RatoonError

_STATUSES = frozenset((408, 429, 502, 503, 504))
_INITIAL_S = 0.5
_MAX_S = 8.0
MAX_RETRY_AFTER_S = 60.0
"""Longest `Retry-After` that a call waits for; a longer one is an error at once."""


def retry_delay_s(failure: RatoonError, attempt: int) -> float | None:
    """Return the seconds to wait before the next attempt, from 1 on; None if another attempt would fail again."""
    if isinstance(failure, APIConnectionError):
        return backoff_s(attempt)
    if not isinstance(failure, APIStatusError) or failure.status_code not in _STATUSES:
        return None
    retry_after = _retry_after_s(failure.headers.get("retry-after", ""))
    if retry_after is None:
        return backoff_s(attempt)
    return max(retry_after, backoff_s(attempt)) if retry_after <= MAX_RETRY_AFTER_S else None


def backoff_s(attempt: int) -> float:
    """Return an exponentially growing delay, of which up to a quarter is random."""
    return float(min(_INITIAL_S * 2 ** (attempt - 1), _MAX_S) * (1 - random.random() / 4))


def _retry_after_s(value: str) -> float | None:
    """Return the seconds of a `Retry-After` header, which holds seconds or an HTTP date; None without a valid one."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, TypeError):
        return None
