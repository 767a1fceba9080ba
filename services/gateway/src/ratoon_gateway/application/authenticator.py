"""Lets callers in: an API key or a short-lived token becomes a principal. It knows no protocol."""

from datetime import datetime, timedelta
from typing import TypeVar

from ratoon.chassis.clock import Clock
from ratoon.chassis.errors import PermissionDenied, Unauthenticated
from ratoon.chassis.identity import EDGE, ISSUER_FOR_OTHERS, Principal, Role, Signer, Verifier
from ratoon_gateway.application.ports import Keys
from ratoon_gateway.domain.keys import PREFIX, ApiKey, Secret, check_credential, check_secret

K = TypeVar("K")
V = TypeVar("V")
TOKEN_S = 600
"""Seconds that a token for callers lasts; it ends at once when its key does."""
_FORWARDED_S = 120
"""Seconds that a token lasts by which the gateway calls other services for a caller."""
_MAX_REMEMBERED = 10_000


class Authenticator:
    """Who calls, and with what may they call on."""

    def __init__(self, keys: Keys, verifier: Verifier, signer: Signer, clock: Clock) -> None:
        self._keys, self._verifier, self._signer, self._clock = keys, verifier, signer, clock
        self._proven: dict[str, tuple[ApiKey, Principal]] = {}
        self._tokens: dict[Principal, tuple[str, float, datetime]] = {}

    def principal(self, bearer: str) -> Principal:
        """Who shows this; BadKey or Unauthenticated when nobody of ours does."""
        if not bearer:
            raise Unauthenticated(
                "No API key: send it as `Authorization: Bearer rtn_…`.", reason="NO_API_KEY"
            )
        if bearer.startswith(PREFIX):
            return self.key_holder(bearer)
        token = self._verifier.verified(bearer, EDGE)
        if token.issuer != ISSUER_FOR_OTHERS or token.principal.role is Role.SERVICE:
            return token.principal
        key = check_credential(self._keys.named(token.principal.name), token.credential, self._clock.now())
        return _principal(key)

    def key_holder(self, text: str) -> Principal:
        """Who holds this API key. One that was proven stays so while the very same key stands and has no end."""
        proven = self._proven.get(text)
        if proven is not None and self._keys.find(proven[0].selector) is proven[0]:
            return proven[1]
        secret = Secret.parse(text)
        key = check_secret(self._keys.find(secret.selector), secret, self._clock.now())
        principal = _principal(key)
        if key.expire_time is None:
            _remember(self._proven, text, (key, principal))
        return principal

    def caller(self, bearer: str, needed: Role) -> Principal:
        """Who shows this, if the role reaches."""
        principal = self.principal(bearer)
        if principal.role < needed:
            raise PermissionDenied(
                f"This needs the role {needed.name.lower()}; {principal.name} has {principal.role.name.lower()}.",
                reason="ROLE_TOO_LOW",
            )
        return principal

    def token(self, principal: Principal) -> str:
        """A token by which the other services know this principal; made again when half of its life is over."""
        known, now = self._tokens.get(principal), self._clock.now()
        if known is not None and known[1] > self._clock.monotonic() and known[2] > now:
            return known[0]
        seconds = self._bounded(self._keys.named(principal.name), _FORWARDED_S)
        token = self._signer.token_for(principal, seconds)
        until = now + timedelta(seconds=seconds / 2)  # by either clock, whichever was set
        _remember(self._tokens, principal, (token, self._clock.monotonic() + seconds / 2, until))
        return token

    def exchange(self, text: str) -> tuple[str, int]:
        """A token for the holder of this API key, which only the gateway takes, and the whole seconds that it lasts."""
        principal = self.key_holder(text)
        selector = Secret.parse(text).selector
        seconds = int(self._bounded(self._keys.find(selector), TOKEN_S))
        return self._signer.token_for(principal, seconds, audience=EDGE, credential=selector), seconds

    def check_still(self, principal: Principal) -> None:
        """BadKey once the key of a caller that was let in has ended: for streams, which outlive that moment."""
        if principal.role is not Role.SERVICE:
            check_credential(self._keys.named(principal.name), "", self._clock.now())

    def _bounded(self, key: ApiKey | None, seconds: float) -> float:
        """So many seconds, or those that the key has left."""
        if key is None or key.expire_time is None:
            return seconds
        return max(min(seconds, (key.expire_time - self._clock.now()).total_seconds()), 1.0)


def _principal(key: ApiKey) -> Principal:
    return Principal(key.name, Role(key.role), key.project)


def _remember(memory: dict[K, V], key: K, value: V) -> None:
    """Keep it, forgetting the oldest when there are too many."""
    if len(memory) >= _MAX_REMEMBERED:
        del memory[next(iter(memory))]
    memory[key] = value
