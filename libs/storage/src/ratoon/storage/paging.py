"""Opaque, signed page tokens: a caller can hand one back, not make one up. It knows no table."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Generic, TypeVar

from ratoon.process.errors import InvalidArgument

T = TypeVar("T")

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items in order, and the token of the next page; empty at the end."""

    items: list[T]
    next_token: str = ""


class PageTokens:
    """Seals where a listing stands into a token, and opens it again for the same listing only."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def seal(self, listing: str, position: list[str]) -> str:
        """A token for this position of this listing."""
        body = json.dumps([listing, position], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(body) + body).decode().rstrip("=")

    def open(self, listing: str, token: str) -> list[str] | None:
        """The position in a token; None for the first page. InvalidArgument when it was made elsewhere."""
        if not token:
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            mac, body = raw[:16], raw[16:]
            if not hmac.compare_digest(mac, self._mac(body)):
                raise ValueError("signature")
            sealed_listing, position = json.loads(body)
            if sealed_listing != listing:
                raise ValueError("listing")
        except (ValueError, TypeError):
            raise InvalidArgument(
                "This page token is not one of this listing; start again without one.",
                reason="BAD_PAGE_TOKEN",
                field="page_token",
            ) from None
        return [str(part) for part in position]

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, hashlib.sha256)[:16]


def page_size(requested: int) -> int:
    """The number of items for a request's `page_size`: 0 means the default; more than the most is cut."""
    if requested < 0:
        raise InvalidArgument("page_size may not be negative.", reason="BAD_PAGE_SIZE", field="page_size")
    return min(requested or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
