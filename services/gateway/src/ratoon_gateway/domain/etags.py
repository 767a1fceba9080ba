"""Etags: fingerprints of what a person can change, so that no update overwrites an unread change."""

import hashlib

from ratoon_gateway.domain.errors import StaleEtag


def etag_of(*settings: object) -> str:
    """Return the etag of these values: equal exactly when they are."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


def check_etag(name: str, current: str, expected: str) -> None:
    """Refuse a change that was made on another state than the present one; an empty etag is not checked."""
    if expected and expected != current:
        raise StaleEtag(f"{name} was changed after you read it: read it again and retry.")
