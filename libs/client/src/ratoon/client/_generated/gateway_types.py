# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of gateway."""

from ratoon.client._generated.common_types import Role
from ratoon.client._models import Int64, Message, Timestamp


class KeyUsage(Message):
    """Usage of an API key."""

    request_count: Int64 = 0
    """Number of answered completion requests."""

    prompt_token_count: Int64 = 0
    """Number of prompt tokens."""

    completion_token_count: Int64 = 0
    """Number of answer tokens."""


class KeyLimits(Message):
    """Limits of an API key.

    0 selects the default of the installation; the maximum is 10^12. Only completion requests count.
    """

    requests_per_minute: Int64 = 0
    """Maximum number of requests in a minute."""

    tokens_per_minute: Int64 = 0
    """Maximum number of tokens in a minute, prompts and answers together."""

    concurrent_requests: Int64 = 0
    """Maximum number of concurrent requests."""

    tokens_per_day: Int64 = 0
    """Maximum number of tokens in a UTC day, prompts and answers together."""


class ApiKey(Message):
    """API key of a caller. Only a hash of the secret is stored."""

    name: str = ""
    """Resource name: `projects/{project}/apiKeys/{api_key}`; `projects/-` for keys of the whole
    installation.
    """

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    role: Role = Role.UNSPECIFIED
    """Role of the key. A role above that of the caller who creates the key is refused."""

    expire_time: Timestamp | None = None
    """Time at which the key expires. Not set: never. A time in the past is refused."""

    revoke_time: Timestamp | None = None
    """Time at which the key was revoked. Not set: the key is not revoked."""

    last_use_time: Timestamp | None = None
    """Time of the last use. Not set: the key was never used."""

    secret: str = ""
    """Secret of the key. Returned only by the call that creates or rotates the key."""

    display_name: str = ""
    """Name for people. At most 1,024 characters."""

    usage: KeyUsage | None = None
    """Usage of the key since its creation."""

    limits: KeyLimits | None = None
    """Limits of the key."""

    etag: str = ""
    """Version tag of the changeable fields.

    Send it with an update or a delete: a stale value is refused.
    """


class DailyUsage(Message):
    """Usage of an API key in one UTC day."""

    date: str = ""
    """Date in UTC, for example `2026-11-22`."""

    usage: KeyUsage | None = None
    """Usage on this day."""


class ApiKeyUsage(Message):
    """Usage of an API key, in total and by day."""

    name: str = ""
    """Resource name of the API key."""

    total: KeyUsage | None = None
    """Usage since the creation of the key."""

    days: list[DailyUsage] = []
    """Usage by day, oldest first. Days without usage are omitted."""


class SafetyFilter(Message):
    """Words and phrases that are not allowed in prompts and answers of a project.

    Matching ignores case, accents and white space.
    """

    name: str = ""
    """Resource name: `projects/{project}/safetyFilter`.

    The filter of `projects/-` applies to every project.
    """

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    etag: str = ""
    """Version tag of the lists. Send it with an update: a stale value is refused."""

    input_words: list[str] = []
    """Words of the prompt filter, at most 10,000 of 1 to 100 characters each.

    Repeated words are stored once. A prompt that contains one is refused with the reason
    `CONTENT_BLOCKED`.
    """

    output_words: list[str] = []
    """Words of the answer filter, at most 10,000 of 1 to 100 characters each.

    Repeated words are stored once. An answer that would contain one ends before it, with the finish
    reason `content_filter`.
    """


class Token(Message):
    """Short-lived bearer token."""

    access_token: str = ""
    """The token, for the `Authorization` header."""

    token_type: str = ""
    """Type of the token: `Bearer`."""

    expires_in: int = 0
    """Lifetime of the token in seconds."""
