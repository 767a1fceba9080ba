"""Etags: a mark of what a person can change, so that no caller overwrites a change that it has not read."""

import hashlib
from collections.abc import Collection
from dataclasses import fields
from typing import Any

from ratoon_flywheel.domain.errors import StaleEtag


def etag_of(*settings: object) -> str:
    """The mark of these settings: equal exactly when they are."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


def described(settings: Any, newer: Collection[str]) -> str:
    """Return the text of settings, a dataclass, that counts for etags: of newer ones those that are not their default.

    So etags of earlier releases stay valid.
    """
    named = [
        f"{each.name}={getattr(settings, each.name)!r}"
        for each in fields(settings)
        if each.name not in newer or getattr(settings, each.name) != each.default
    ]
    return f"{type(settings).__name__}({', '.join(named)})"


def check_etag(name: str, current: str, expected: str) -> None:
    """Refuse a change that was made on another state than the present one; an empty etag is not checked."""
    if expected and expected != current:
        raise StaleEtag(f"{name} was changed after you read it: read it again and retry.", "etag")
