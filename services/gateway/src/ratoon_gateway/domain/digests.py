"""Digests as callers write them."""

import re

from ratoon_gateway.domain.errors import BadDigest

_DIGEST = re.compile(r"[0-9a-f]{64}")


def checked_digest(digest: str) -> str:
    """The digest; BadDigest unless it is a sha256 in lowercase hex."""
    if not _DIGEST.fullmatch(digest):
        raise BadDigest(f"{digest[:80]!r} is not a sha256 digest in lowercase hex.")
    return digest
