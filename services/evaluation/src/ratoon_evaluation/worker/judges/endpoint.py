"""Client of OpenAI-compatible endpoints that judge. It knows prompts and replies, and no verdict.

Only endpoints that the operator listed are connected to. Redirects are not followed.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from ratoon.jobs.v1.evaluation_jobs_pb2 import JudgeSpec
from ratoon.process.backoff import Backoff

BACKOFF = Backoff(1.0, 30.0, jitter=0.25)
_ATTEMPTS = 5
_TIMEOUT_S = 120.0
_MAX_RETRY_AFTER_S = 60.0
_MAX_REPLY_BYTES = 1 << 20
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))


class NoReply(Exception):
    """The endpoint gave no reply; another attempt would not help, or has not helped."""


class _Passing(Exception):
    """A failure after which another attempt may help; `after_s` is what the endpoint asks to wait."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class Endpoint:
    """An endpoint with its model and its key."""

    def __init__(
        self, spec: JudgeSpec, environment: Mapping[str, str], pause: Callable[[float], None] = time.sleep
    ) -> None:
        """`environment` holds the API key under the name of the spec; `pause` waits before another attempt."""
        self._spec, self._pause = spec, pause
        self._parts = urlsplit(spec.base_url)
        self._key = environment.get(spec.key_variable, "") if spec.key_variable else ""

    def reply(self, prompt: str) -> str:
        """Return the reply to a prompt at temperature 0; raises NoReply."""
        if not self._spec.listed:
            raise NoReply("The operator has not listed the endpoint in RATOON_EVALUATION_JUDGE_ENDPOINTS.")
        if self._spec.key_variable and not self._key:
            raise NoReply(f"The variable {self._spec.key_variable} is not set where evaluations are scored.")
        failures = 0
        while True:
            try:
                return self._attempt(prompt)
            except _Passing as failure:
                failures += 1
                if failures >= _ATTEMPTS or failure.after_s > _MAX_RETRY_AFTER_S:
                    raise NoReply(str(failure)) from failure
                self._pause(max(failure.after_s, BACKOFF.delay_s(failures)))

    def _attempt(self, prompt: str) -> str:
        body = {
            "model": self._spec.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": self._spec.max_tokens,
        }
        connection = self._connection()
        try:
            connection.request("POST", f"{self._parts.path}/chat/completions", _dumped(body), self._headers())
            answer = connection.getresponse()
            content = answer.read(_MAX_REPLY_BYTES + 1)
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise _Passing(f"The endpoint does not answer: {type(error).__name__}.") from error
        finally:
            connection.close()
        if answer.status in _PASSING:
            raise _Passing(f"The endpoint answers with status {answer.status}.", _retry_after_s(answer))
        if answer.status != 200:
            raise NoReply(f"The endpoint answers with status {answer.status}.")
        return _text(content)

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        return headers | ({"Authorization": f"Bearer {self._key}"} if self._key else {})

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            tls = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port or 443, timeout=_TIMEOUT_S, context=tls)
        return http.client.HTTPConnection(host, port or 80, timeout=_TIMEOUT_S)


def _dumped(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()


def _text(content: bytes) -> str:
    """Return the text of a chat completion; empty if the model wrote none; raises NoReply if it is no completion."""
    if len(content) > _MAX_REPLY_BYTES:
        raise NoReply(f"The endpoint answers with more than {_MAX_REPLY_BYTES:,} bytes.")
    try:
        text = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise NoReply("The endpoint answers with no chat completion.") from error
    if not isinstance(text, str | None):
        raise NoReply("The endpoint answers with no chat completion.")
    return text or ""


def _retry_after_s(answer: http.client.HTTPResponse) -> float:
    """Return the seconds of `Retry-After`; 0 without a valid one."""
    value = answer.getheader("Retry-After") or ""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
