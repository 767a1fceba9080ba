"""Answer ids: signed names of answers, made by the gateway and checked offline by the receiver of feedback.

An id is `<uuid7>~<project>~<model>~<version>~<segment>~<seal>`: safe in URLs and headers, sealed by a keyed hash
under a secret that gateway and flywheel share (a file next to the service keys, 0600). It knows no traffic.
"""

import hashlib
import hmac
import random
import secrets
import time
from base64 import urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ratoon.process.errors import InvalidArgument
from ratoon.process.files import OWNER_ONLY, create_file
from ratoon.security.identity import check_private

SECRET_FILE = "answers.secret"
_PREFIXES = ("chatcmpl-", "cmpl-")
_SEAL_BYTES = 16


@dataclass(frozen=True, slots=True)
class AnswerName:
    """Content of an answer id."""

    id: str
    """The id itself, without what OpenAI's routes put before it (`chatcmpl-`)."""
    version: str
    """`projects/{project}/models/{model}/versions/{version}`."""
    segment: str
    """`projects/{project}/trafficSegments/{segment}`; an answer that took very long may stand in a later one."""

    @property
    def project(self) -> str:
        """The id of the project."""
        return self.version.split("/")[1]


class AnswerIds:
    """Makes and reads answer ids under one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @staticmethod
    def of_folder(folder: Path) -> "AnswerIds":
        """With the secret in the directory of keys; the first to ask makes it."""
        path = folder / SECRET_FILE
        if not path.exists():
            _make_secret(path)
        check_private(path)
        return AnswerIds(path.read_bytes())

    def mint(self, version: str, segment: str) -> str:
        """A new id for an answer by this version that will stand in this segment (both are resource names)."""
        parts = version.split("/")
        body = f"{_uuid7_hex()}~{parts[1]}~{parts[3]}~{parts[5]}~{segment.rpartition('/')[2]}"
        return f"{body}~{self._seal(body)}"

    def read(self, answer_id: str) -> AnswerName:
        """Return the content of an id; InvalidArgument when it was not made here."""
        for prefix in _PREFIXES:
            answer_id = answer_id.removeprefix(prefix)
        body, _, seal = answer_id.rpartition("~")
        parts = body.split("~")
        if not answer_id.isascii() or len(parts) != 5 or not hmac.compare_digest(seal, self._seal(body)):
            raise InvalidArgument(
                "This is no answer id of this installation; take it from the header x-ratoon-answer-id.",
                reason="BAD_ANSWER_ID",
                field="id",
            )
        _, project, model, version, segment = parts
        return AnswerName(
            answer_id,
            f"projects/{project}/models/{model}/versions/{version}",
            f"projects/{project}/trafficSegments/{segment}",
        )

    def _seal(self, body: str) -> str:
        seal = hashlib.blake2b(body.encode(), key=self._secret, digest_size=_SEAL_BYTES).digest()
        return urlsafe_b64encode(seal).decode().rstrip("=")


def _uuid7_hex() -> str:
    """A UUIDv7 in hex; it need not be hard to guess, for the seal is what proves an id."""
    millis, bits = time.time_ns() // 1_000_000, random.getrandbits(74)
    return f"{millis:012x}7{bits >> 62:03x}{0b10 << 62 | bits & (1 << 62) - 1:016x}"


def new_secret() -> bytes:
    """A fresh secret."""
    return secrets.token_bytes(32)


def _make_secret(path: Path) -> None:
    """Write a fresh secret, unless another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileExistsError):
        create_file(path, new_secret(), mode=OWNER_ONLY)
