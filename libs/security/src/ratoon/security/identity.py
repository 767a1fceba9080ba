"""Identity of callers: keys of services, short-lived tokens, roles. It knows no method and no resource.

Each service signs its own calls with its own Ed25519 key; the public halves stand in one file. The gateway's key also
signs the tokens that callers get for their API keys: only `gateway` may speak for others. A token is verified
offline (JWT, EdDSA).
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from contextvars import Token as Mark
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ratoon.process.clock import Clock
from ratoon.process.errors import FailedPrecondition, Unauthenticated
from ratoon.process.files import OWNER_ONLY, replace_file, write_json

ISSUER_FOR_OTHERS = "gateway"
ANY_PROJECT = "-"
ACTING_FOR = "x-ratoon-project"
"""The metadata by which a service says for which project it calls another one."""
OTHER_KEYS = ("operator",)
"""Files of the key directory that are no service's key: the operator's API key of the first start."""
_SERVICE_TOKEN_S = 120
_LEEWAY_S = 10
_MAX_VERIFICATIONS = 4_096


class Role(IntEnum):
    """Permissions of a caller; each role includes those of the roles before it. The numbers are the contract's."""

    PUBLIC = 1
    CALLER = 2
    VIEWER = 3
    ANNOTATOR = 4
    ENGINEER = 5
    OPERATOR = 6
    SERVICE = 7


@dataclass(frozen=True)
class Principal:
    """Caller: the name of an API key or a service, its role, and the one project it may touch (`-`: any)."""

    name: str
    role: Role
    project: str = ANY_PROJECT

    def may_touch(self, resource_name: str) -> bool:
        """Return whether the resource lies in a project this principal may touch."""
        own = f"projects/{self.project}"
        return self.project == ANY_PROJECT or resource_name == own or resource_name.startswith(f"{own}/")


ANONYMOUS = Principal("anonymous", Role.PUBLIC, "")
EDGE = "edge"
"""The audience of tokens that callers get for their API keys: the gateway takes them, no service does."""


@dataclass(frozen=True)
class VerifiedToken:
    """Verified claims of a token: principal, issuer, credential, expiry."""

    principal: Principal
    issuer: str
    credential: str
    """The selector of the API key's secret that bought it; empty for others."""
    expire_time: datetime


_CALLER: ContextVar[Principal] = ContextVar("ratoon_caller", default=ANONYMOUS)


def caller() -> Principal:
    """Return the principal of the call that is being served here."""
    return _CALLER.get()


def set_caller(principal: Principal) -> None:
    """Note who makes the call that is being served here; for entrypoints and tests."""
    _CALLER.set(principal)


_ACTING_FOR: ContextVar[str] = ContextVar("ratoon_acting_for", default="")


def acting_for() -> str:
    """The one project that is being worked for here; empty where it may be any."""
    return _ACTING_FOR.get()


def act_for(project: str) -> Mark[str]:
    """Work for one project from here on, in this context: calls to other services carry it and stay inside it.

    `-` and nothing mean any project. What it returns goes to `end_acting`.
    """
    return _ACTING_FOR.set("" if project == ANY_PROJECT else project)


def end_acting(mark: Mark[str]) -> None:
    """Work for whatever it was before."""
    _ACTING_FOR.reset(mark)


class Signer:
    """Signs tokens with one service's private key."""

    def __init__(self, service: str, private_key: Ed25519PrivateKey, clock: Clock) -> None:
        self.service = service
        self._key, self._clock = private_key, clock
        self._token, self._renew_at, self._old_at = "", 0.0, clock.now()

    def own_token(self) -> str:
        """A token for a call of this service itself; renewed when half of its life is over, by either clock."""
        if self._clock.monotonic() >= self._renew_at or self._clock.now() >= self._old_at:
            self._token = self.token_for(Principal(self.service, Role.SERVICE), _SERVICE_TOKEN_S)
            self._renew_at = self._clock.monotonic() + _SERVICE_TOKEN_S / 2
            self._old_at = self._clock.now() + timedelta(seconds=_SERVICE_TOKEN_S / 2)
        return self._token

    def token_for(
        self, principal: Principal, seconds: float, *, audience: str = "", credential: str = ""
    ) -> str:
        """Return a token for a principal that is valid for `seconds`, and with an audience only there."""
        now = self._clock.now()
        claims = {
            "iss": self.service,
            "sub": principal.name,
            "role": principal.role.name,
            "project": principal.project,
            "iat": now,
            "exp": now + timedelta(seconds=seconds),
            **({"aud": audience} if audience else {}),
            **({"credential": credential} if credential else {}),
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA")

    def sign(self, data: bytes) -> bytes:
        """An Ed25519 signature over these bytes (64 bytes)."""
        return self._key.sign(data)


@dataclass(frozen=True)
class _Verification:
    """Claims of a token whose signature is valid, with the public key that verified it."""

    claims: dict[str, Any]
    key: Ed25519PublicKey

    def holds(self, keys: Mapping[str, Ed25519PublicKey]) -> bool:
        """Return whether the token has not expired and its issuer still has the same key."""
        has_expired = self.claims["exp"] <= time.time() - _LEEWAY_S
        return not has_expired and keys.get(self.claims["iss"]) is self.key


class Verifier:
    """Checks tokens against the public keys of the services.

    The signature of a token is verified once. Its expiry, the key of its issuer and its audience are checked each time.
    """

    def __init__(self, public_keys: Mapping[str, Ed25519PublicKey]) -> None:
        self._keys = dict(public_keys)
        self._verifications: dict[bytes, _Verification] = {}
        """Valid tokens by the hash of their text, the oldest first."""
        self._lock = threading.Lock()

    @property
    def keys(self) -> Mapping[str, Ed25519PublicKey]:
        """The public keys by service."""
        return self._keys

    def principal(self, token: str) -> Principal:
        """Return the principal of the token; Unauthenticated when it is not valid, or meant for the edge alone."""
        return self.verified(token).principal

    def verified(self, token: str, audience: str = "") -> VerifiedToken:
        """Return the claims of the token; Unauthenticated when it is not valid, or meant for another audience."""
        try:
            claims = self._claims(token)
            principal = Principal(str(claims["sub"]), Role[claims["role"]], str(claims["project"]))
            if claims.get("aud", audience) != audience:
                raise jwt.InvalidAudienceError
        except (jwt.InvalidTokenError, KeyError):
            raise Unauthenticated(
                "The bearer token is not valid or has expired; get a new one with POST /v1/token.",
                reason="BAD_TOKEN",
            ) from None
        issuer = str(claims["iss"])
        if issuer != ISSUER_FOR_OTHERS and principal.name != issuer:
            raise Unauthenticated(f"{issuer} may not speak for {principal.name}.", reason="BAD_TOKEN")
        expires = datetime.fromtimestamp(claims["exp"], UTC)
        return VerifiedToken(principal, issuer, str(claims.get("credential", "")), expires)

    def _claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a valid token; InvalidTokenError or KeyError for others."""
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._verifications.get(digest)
        if known is None or not known.holds(self._keys):
            known = self._verify(token)
            self._remember(digest, known)
        return known.claims

    def _verify(self, token: str) -> _Verification:
        issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss", ""))
        key = self._keys[issuer]
        # A token from before the clock was set back seems to come from the future, and is good all the same.
        required = {"require": ["exp", "iss", "sub"], "verify_iat": False, "verify_aud": False}
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["EdDSA"],
            leeway=_LEEWAY_S,
            options=required,  # type: ignore[arg-type]
        )
        return _Verification(claims, key)

    def _remember(self, digest: bytes, verification: _Verification) -> None:
        with self._lock:
            self._verifications.pop(digest, None)
            if len(self._verifications) >= _MAX_VERIFICATIONS:
                del self._verifications[next(iter(self._verifications))]
            self._verifications[digest] = verification


def make_keys(folder: Path, services: Iterable[str]) -> list[str]:
    """Make the keys that are missing (0600) and write the public halves; returns the services that got new ones."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    created = [service for service in services if _make_key(folder / f"{service}.key")]
    if created or not (folder / "public.json").exists():
        ours = [path for path in sorted(folder.glob("*.key")) if path.stem not in OTHER_KEYS]
        halves = {path.stem: public_text_of(load_key(path)) for path in ours}
        write_json(folder / "public.json", halves, indent=1)
    return created


def make_signing_key(folder: Path) -> Path:
    """Return the key that signs model manifests (ECDSA P-256, 0600), created with its public half if missing."""
    path = folder / "model-signing.pem"
    if not path.exists():
        key = new_signing_key()
        (folder / "model-signing.pub").write_bytes(public_half_of_signing_key(key))
        replace_file(path, key, mode=OWNER_ONLY)
    return path


def new_signing_key() -> bytes:
    """Create a key that signs model manifests; return its PEM."""
    return pem_of(ec.generate_private_key(ec.SECP256R1()))


def public_half_of_signing_key(key: bytes) -> bytes:
    """Return the public half of a key that signs models, as PEM; FailedPrecondition if it is another kind of key."""
    private = serialization.load_pem_private_key(key, password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise FailedPrecondition("The key that signs models is no EC key.", reason="KEY_UNSUITABLE")
    return public_pem_of(private)


def check_private(path: Path) -> None:
    """FailedPrecondition when others than its owner can read a secret file.

    A mounted Secret belongs to root and is shown to the process by its group: that is as private as it gets there.
    """
    stat = path.stat()
    mounted = stat.st_uid == 0 and os.geteuid() != 0
    if stat.st_mode & (0o037 if mounted else 0o077):
        raise FailedPrecondition(
            f"{path} can be read by others; run: chmod 600 {path}", reason="KEY_TOO_OPEN"
        )


def load_key(path: Path) -> Ed25519PrivateKey:
    """A service's private key; FailedPrecondition when it is missing or others can read it."""
    try:
        check_private(path)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        raise FailedPrecondition(
            f"The service key {path} is missing; `ratoon up` makes the keys of a new installation.",
            reason="KEY_MISSING",
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise FailedPrecondition(f"{path} is no Ed25519 key.", reason="KEY_UNSUITABLE")
    return key


def load_public_keys(path: Path) -> dict[str, Ed25519PublicKey]:
    """The public keys by service, from the one file that holds them."""
    try:
        halves = json.loads(path.read_text())
    except FileNotFoundError:
        raise FailedPrecondition(
            f"The file of public keys {path} is missing; `ratoon up` makes it.", reason="KEY_MISSING"
        ) from None
    return {
        service: Ed25519PublicKey.from_public_bytes(bytes.fromhex(half)) for service, half in halves.items()
    }


def _make_key(path: Path) -> bool:
    if path.exists():
        return False
    replace_file(path, pem_of(Ed25519PrivateKey.generate()), mode=OWNER_ONLY)
    return True


def pem_of(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half of a key that signs models, as PEM."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def public_text_of(key: Ed25519PrivateKey) -> str:
    """The public half of a service's key as the file of public keys has it: 32 bytes in hex."""
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()
