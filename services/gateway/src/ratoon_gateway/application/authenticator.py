"""Authenticates callers: an API key or a short-lived token becomes a principal. It knows no protocol."""

from datetime import datetime, timedelta
from typing import TypeVar

from ratoon.process.clock import Clock
from ratoon.process.errors import PermissionDenied, Unauthenticated
from ratoon.security.identity import EDGE, ISSUER_FOR_OTHERS, Principal, Role, Signer, Verifier
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
    """Authenticates callers, and issues the tokens by which the gateway calls services for them."""

    def __init__(self, keys: Keys, verifier: Verifier, signer: Signer, clock: Clock) -> None:
        self._keys, self._verifier, self._signer, self._clock = keys, verifier, signer, clock
        self._proven: dict[str, tuple[ApiKey, Principal]] = {}
        self._tokens: dict[Principal, tuple[str, float, datetime]] = {}

    def principal(self, bearer: str) -> Principal:
        """Return the principal of a bearer; BadKey or Unauthenticated where it is not valid."""
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
        """Return the holder of an API key. A verified text is remembered while its key is unchanged."""
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
        """Return the principal of a bearer; PermissionDenied where its role is too low."""
        principal = self.principal(bearer)
        if principal.role < needed:
            raise PermissionDenied(
                f"This needs the role {needed.name.lower()}; {principal.name} has {principal.role.name.lower()}.",
                reason="ROLE_TOO_LOW",
            )
        return principal

    def token(self, principal: Principal) -> str:
        """Return a token that identifies this principal to services; renewed after half of its life."""
        known, now = self._tokens.get(principal), self._clock.now()
        if known is not None and known[1] > self._clock.monotonic() and known[2] > now:
            return known[0]
        seconds = self._bounded(self._keys.named(principal.name), _FORWARDED_S)
        token = self._signer.token_for(principal, seconds)
        until = now + timedelta(seconds=seconds / 2)  # by either clock, whichever was set
        _remember(self._tokens, principal, (token, self._clock.monotonic() + seconds / 2, until))
        return token

    def exchange(self, text: str) -> tuple[str, int]:
        """Return a token for the holder of an API key, which only the gateway accepts, and its life in seconds."""
        principal = self.key_holder(text)
        selector = Secret.parse(text).selector
        seconds = int(self._bounded(self._keys.find(selector), TOKEN_S))
        return self._signer.token_for(principal, seconds, audience=EDGE, credential=selector), seconds

    def check_still(self, principal: Principal) -> None:
        """Raise BadKey once the key of an admitted caller has ended: for streams, which outlive their admission."""
        if principal.role is not Role.SERVICE:
            check_credential(self._keys.named(principal.name), "", self._clock.now())

    def _bounded(self, key: ApiKey | None, seconds: float) -> float:
        """Return `seconds`, or less where the key expires before."""
        if key is None or key.expire_time is None:
            return seconds
        return max(min(seconds, (key.expire_time - self._clock.now()).total_seconds()), 1.0)


def _principal(key: ApiKey) -> Principal:
    return Principal(key.name, Role(key.role), key.project)


def _remember(memory: dict[K, V], key: K, value: V) -> None:
    """Store a value; the oldest is removed where there are too many."""
    if len(memory) >= _MAX_REMEMBERED:
        del memory[next(iter(memory))]
    memory[key] = value
