"""Signatures of webhooks as Standard Webhooks defines them: an HMAC-SHA256 over `id.timestamp.body`.

A secret belongs to one project. Several secrets of a project are valid at once, so that they can be rotated.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ratoon_gateway.domain.errors import BadSignature, BadWebhookSecrets, StaleWebhook

TOLERANCE_S = 300
"""Seconds that the time of a delivery may differ from now."""
MAX_SECRETS = 100
_PREFIX = "whsec_"
_MIN_BYTES, _MAX_BYTES = 24, 64
_VERSION = "v1"
_MAX_SIGNATURES = 20
_PROJECT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_ID = re.compile(r"[\x21-\x7e]{1,256}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class WebhookSecret:
    """Secret that senders of a project's events share with the gateway; its key is in no text of it."""

    project: str
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Delivery:
    """Headers of one delivery of a webhook."""

    id: str
    """Names the event, however often it is delivered."""
    timestamp: str
    """Seconds since 1970."""
    signatures: str
    """Signatures, each with its version, separated by spaces."""

    def check(self, now: datetime) -> None:
        """Raise BadSignature if a header is missing or unreadable, StaleWebhook if the delivery is too old or too new.

        The signature itself needs the body.
        """
        if not (self.id and self.timestamp and self.signatures):
            raise BadSignature(
                "The delivery is not signed: send webhook-id, webhook-timestamp and webhook-signature as Standard "
                "Webhooks defines them."
            )
        if not _ID.fullmatch(self.id) or not _TIMESTAMP.fullmatch(self.timestamp):
            raise BadSignature(
                "webhook-id must be 1 to 256 visible characters, webhook-timestamp a number of seconds."
            )
        if abs(now.timestamp() - int(self.timestamp)) > TOLERANCE_S:
            raise StaleWebhook(
                f"webhook-timestamp differs from the time of the gateway by more than {TOLERANCE_S} s: sign each "
                "delivery anew, and check the clock."
            )

    def project(self, body: bytes, secrets: Iterable[WebhookSecret]) -> str:
        """Return the project whose secret signed this delivery of a body; BadSignature if none did."""
        signed = b".".join((self.id.encode(), self.timestamp.encode(), body))
        given = list(self._given())
        for secret in secrets:
            expected = hmac.digest(secret.key, signed, hashlib.sha256)
            if any(hmac.compare_digest(expected, each) for each in given):
                return secret.project
        raise BadSignature(
            "No signature in webhook-signature is that of a webhook secret of this installation: check the secret, and "
            "that the body is sent as it was signed."
        )

    def _given(self) -> Iterable[bytes]:
        """Yield the signatures of the version that is supported."""
        for each in self.signatures.split(" ")[:_MAX_SIGNATURES]:
            version, _, signature = each.partition(",")
            if version == _VERSION and (decoded := _decoded(signature)):
                yield decoded


def secrets_of(text: str) -> Sequence[WebhookSecret]:
    """Return the secrets in a text of lines `PROJECT whsec_…`; BadWebhookSecrets names the line that cannot be read.

    Empty lines and lines that begin with `#` are left out.
    """
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1)]
    written = [(number, words) for number, words in lines if words and not words[0].startswith("#")]
    if len(written) > MAX_SECRETS:
        raise BadWebhookSecrets(f"There are {len(written)} webhook secrets; at most {MAX_SECRETS}.")
    secrets = [_secret(number, words) for number, words in written]
    if len({secret.key for secret in secrets}) < len(secrets):
        raise BadWebhookSecrets("A webhook secret occurs twice; each belongs to one project.")
    return secrets


def _secret(number: int, words: Sequence[str]) -> WebhookSecret:
    if len(words) != 2 or not _PROJECT.fullmatch(words[0]):
        raise BadWebhookSecrets(f"Line {number} is not the ID of a project and a secret.")
    key = _decoded(words[1].removeprefix(_PREFIX)) if words[1].startswith(_PREFIX) else b""
    if not _MIN_BYTES <= len(key) <= _MAX_BYTES:
        raise BadWebhookSecrets(
            f"The secret in line {number} must be {_PREFIX} and {_MIN_BYTES} to {_MAX_BYTES} bytes in base64."
        )
    return WebhookSecret(words[0], key)


def _decoded(text: str) -> bytes:
    """Return the bytes of a base64 text; empty if it is none. Padding may be missing."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
