"""API keys: a secret that is shown once and kept as a hash. It knows no store and no request."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum

from ratoon_gateway.domain.errors import BadKey, BadRequest, KeyEnded, RoleTooHigh
from ratoon_gateway.domain.etags import etag_of
from ratoon_gateway.domain.limits import Limits, checked_limits

PREFIX = "rtn_"
_NO_LIMITS = Limits()


class Role(IntEnum):
    """Permissions of the holder; each role includes those of the roles before it."""

    CALLER = 2
    VIEWER = 3
    ANNOTATOR = 4
    ENGINEER = 5
    OPERATOR = 6


@dataclass(frozen=True)
class ApiKey:
    """`projects/{project}/apiKeys/{id}`; `selector` finds the key, `secret_hash` (sha256, hex) proves it."""

    name: str
    create_time: datetime
    update_time: datetime
    role: Role
    selector: str
    secret_hash: str
    display_name: str = ""
    expire_time: datetime | None = None
    revoke_time: datetime | None = None
    limits: Limits = _NO_LIMITS
    revision: int = 0

    @property
    def etag(self) -> str:
        """Return the etag of what can be changed."""
        return etag_of(self.display_name, self.limits, self.expire_time)

    @property
    def project(self) -> str:
        """The project it opens; `-` opens all."""
        return self.name.split("/")[1]


@dataclass(frozen=True)
class Secret:
    """A key as its holder knows it: `rtn_<selector>_<verifier>`."""

    selector: str
    verifier: str

    @staticmethod
    def new() -> "Secret":
        """A fresh one, of 256 random bits."""
        return Secret(secrets.token_hex(8), secrets.token_urlsafe(32))

    @staticmethod
    def parse(text: str) -> "Secret":
        """Return the secret in a text; BadKey where it is not a key."""
        selector, separator, verifier = text.removeprefix(PREFIX).partition("_")
        if not text.startswith(PREFIX) or not separator or not verifier:
            raise BadKey("This key is unknown or incomplete; keys start with `rtn_`.")
        return Secret(selector, verifier)

    @property
    def text(self) -> str:
        """The whole secret."""
        return f"{PREFIX}{self.selector}_{self.verifier}"

    @property
    def digest(self) -> str:
        """Return the stored hash. The secret has 256 random bits, so one round of sha256 is enough."""
        return hashlib.sha256(self.verifier.encode()).hexdigest()


@dataclass(frozen=True)
class Used:
    """Usage of a key."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    last_use: datetime | None = None

    def plus(self, other: "Used") -> "Used":
        """Both together."""
        return Used(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            max(filter(None, (self.last_use, other.last_use)), default=None),
        )


def new_key(
    name: str,
    role: Role,
    secret: Secret,
    now: datetime,
    *,
    expires: datetime | None = None,
    label: str = "",
    limits: Limits = _NO_LIMITS,
) -> ApiKey:
    """A key that begins now; BadRequest when it would have ended already."""
    if expires is not None and expires <= now:
        raise BadRequest("expire_time is in the past.", field="api_key.expire_time")
    return ApiKey(
        name,
        now,
        now,
        role,
        secret.selector,
        secret.digest,
        label,
        expires,
        limits=checked_limits(limits),
    )


def changed(
    key: ApiKey, label: str, limits: Limits, expires: datetime | None, names: Sequence[str], now: datetime
) -> ApiKey:
    """The key with another label, end and limits, as far as they are named (`limits.tokens_per_day`)."""
    for name in names:
        whole, _, part = name.partition(".")
        if name == "display_name":
            key = replace(key, display_name=label)
        elif name == "expire_time":
            key = _ending(key, expires, now)
        elif name == "limits":
            key = replace(key, limits=checked_limits(limits))
        elif whole == "limits" and part in Limits.__dataclass_fields__:
            changed = replace(key.limits, **{part: getattr(limits, part)})
            key = replace(key, limits=checked_limits(changed))
        else:
            raise BadRequest(f"{name} cannot be changed.", field="update_mask")
    return key


def _ending(key: ApiKey, expires: datetime | None, now: datetime) -> ApiKey:
    """The key with another end, or none."""
    if key.revoke_time is not None:
        raise KeyEnded(f"{key.name} was revoked and cannot be extended; create a new key.")
    if expires is not None and expires <= now:
        raise BadRequest("expire_time is in the past; revoke the key instead.", field="api_key.expire_time")
    return replace(key, expire_time=expires)


def rotated(key: ApiKey, secret: Secret) -> ApiKey:
    """The same key with a new secret; the old one ends."""
    if key.revoke_time is not None:
        raise KeyEnded(f"{key.name} was revoked; create a new key.")
    return replace(key, selector=secret.selector, secret_hash=secret.digest)


def revoked(key: ApiKey, now: datetime) -> ApiKey:
    """The key, ended; one that has ended stays as it is."""
    return key if key.revoke_time is not None else replace(key, revoke_time=now)


def is_permanent_operator(key: ApiKey) -> bool:
    """Return True if the key manages the whole installation and does not expire."""
    opens_all = key.role is Role.OPERATOR and key.project == "-"
    return opens_all and key.revoke_time is None and key.expire_time is None


def check_grant(granter: int, granter_project: str, role: Role, project: str) -> None:
    """Nobody makes a key that reaches further than their own."""
    if role > granter:
        raise RoleTooHigh(f"The key would have the role {role.name.lower()}, which is above your own role.")
    if granter_project not in ("-", project):
        raise RoleTooHigh(f"You may create keys only in project {granter_project}.")


def check_secret(key: ApiKey | None, secret: Secret, now: datetime) -> ApiKey:
    """The key, if this secret opens it now; BadKey otherwise. The comparison takes the same time either way."""
    stored = key.secret_hash if key else "0" * 64
    fits = hmac.compare_digest(stored, secret.digest)
    if key is None or not fits:
        raise BadKey("The API key is not valid.")
    return check_valid(key, now)


def check_credential(key: ApiKey | None, selector: str, now: datetime) -> ApiKey:
    """The key behind a token, if it has not ended and the secret that bought the token (if known) is still its own."""
    if key is None:
        raise BadKey("The API key of this token no longer exists; ask an operator for a new one.")
    if selector and not hmac.compare_digest(selector, key.selector):
        raise BadKey("The API key of this token was rotated; get a token with the new secret.")
    return check_valid(key, now)


def check_valid(key: ApiKey, now: datetime) -> ApiKey:
    """The key, if it has not ended; BadKey otherwise."""
    if key.revoke_time is not None:
        raise BadKey("The API key was revoked; ask an operator for a new one.")
    if key.expire_time is not None and key.expire_time <= now:
        raise BadKey(f"The API key expired on {key.expire_time:%Y-%m-%d}; ask an operator for a new one.")
    return key
