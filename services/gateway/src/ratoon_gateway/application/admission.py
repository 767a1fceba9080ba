"""Lets callers in: an API key or a short-lived token becomes a principal. It knows no protocol."""

from typing import TypeVar

from ratoon.chassis.clock import Clock
from ratoon.chassis.errors import PermissionDenied, Unauthenticated
from ratoon.chassis.identity import Principal, Role, Signer, Verifier
from ratoon_gateway.application.ports import Keys
from ratoon_gateway.domain.keys import PREFIX, ApiKey, Secret, check_secret

K = TypeVar("K")
V = TypeVar("V")
TOKEN_S = 600
_REMEMBER_S = 10.0
_MOST_REMEMBERED = 10_000


class Admission:
    """Who calls, and with what may they call on."""

    def __init__(self, keys: Keys, verifier: Verifier, signer: Signer, clock: Clock) -> None:
        self._keys, self._verifier, self._signer, self._clock = keys, verifier, signer, clock
        self._proven: dict[str, tuple[ApiKey, Principal]] = {}
        self._checked: dict[str, tuple[Principal, float]] = {}
        self._tokens: dict[Principal, tuple[str, float]] = {}

    def principal(self, bearer: str) -> Principal:
        """Who shows this; BadKey or Unauthenticated when nobody of ours does."""
        if not bearer:
            raise Unauthenticated(
                "No API key: send it as `Authorization: Bearer rtn_…`.", reason="NO_API_KEY"
            )
        if bearer.startswith(PREFIX):
            return self.key_holder(bearer)
        known = self._checked.get(bearer)
        if known is not None and known[1] > self._clock.boot():
            return known[0]
        principal = self._verifier.principal(bearer)
        _remember(self._checked, bearer, (principal, self._clock.boot() + _REMEMBER_S))
        return principal

    def key_holder(self, text: str) -> Principal:
        """Who holds this API key. One that was proven stays so while the very same key stands and has no end."""
        proven = self._proven.get(text)
        if proven is not None and self._keys.find(proven[0].selector) is proven[0]:
            return proven[1]
        secret = Secret.parse(text)
        key = check_secret(self._keys.find(secret.selector), secret, self._clock.now())
        principal = Principal(key.name, Role(key.role), key.project)
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
        """A token by which the other services know this principal; made anew when half of its life is over."""
        known = self._tokens.get(principal)
        if known is not None and known[1] > self._clock.boot():
            return known[0]
        token = self._signer.token_for(principal, TOKEN_S)
        _remember(self._tokens, principal, (token, self._clock.boot() + TOKEN_S / 2))
        return token


def _remember(memory: dict[K, V], key: K, value: V) -> None:
    """Keep it, forgetting the oldest when there are too many."""
    if len(memory) >= _MOST_REMEMBERED:
        del memory[next(iter(memory))]
    memory[key] = value
